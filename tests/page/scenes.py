"""Worlds to look at: nothing yet, all well, and everything broken at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
from orchestrator.errors import CredentialsRejected, MarketplaceUnavailable, RateLimited
from orchestrator.model.audit import Actor, Face
from orchestrator.model.messages import encode
from orchestrator.operators import pause
from orchestrator.ports import DeadLetters
from tests.support.world import START, FakeClient, World, fill

ANN = Actor("ann@example.test", Face.PAGE)
TICK_S = 900
#: A name that a seller chose, and that a browser would run.
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'{{7*7}}"


@dataclass(frozen=True, slots=True)
class Scene:
    """A world, and its dead letters."""

    world: World
    dead: LocalQueue
    letters: DeadLetters

    def bury(self, body: bytes) -> None:
        """A message died."""
        self.dead.bury(body, reason="", attributes={})

    def die(self, connection_id: str) -> str:
        """A tick in which a connection's message dies, after its task has ended; returns the run's id."""
        run_id = self.world.tick().run_id
        while self.world.queue.messages:
            message = self.world.queue.messages.pop(0)
            if message.kind == "task" and message.connection_id == connection_id:
                self.bury(encode(message))
            self.world.deliver(message)
        return run_id

    def ticks(self, number: int) -> None:
        """Some ticks, each with all that follows from it; the last one is three minutes ago."""
        for n in range(number):
            self.world.run_once()
            self.world.clock.advance(TICK_S if n + 1 < number else 180)


def empty(folder: Path) -> Scene:
    """No connection, no run."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "queue.db"
    world = World(folder, environment={"TICK_SECONDS": str(TICK_S)})
    return Scene(world, LocalQueue(path, "http://127.0.0.1:9", delivers=False), LocalDeadLetters(path))


def healthy(folder: Path) -> Scene:
    """Three connections that work, for six hours."""
    scene = empty(folder)
    for name, marketplace in (("north-shop", "shopify"), ("south-shop", "shopify"), ("take-it", "takealot")):
        scene.world.connect(name, marketplace=marketplace, name=f"{name} of Ann", organization_id="org-1")
        fill(scene.world, "orders", 20, name)
    scene.ticks(24)
    return scene


def broken(folder: Path) -> Scene:
    """Every situation at once, ticks aside."""
    scene = empty(folder)
    world = scene.world
    for n in range(4):
        world.connect(f"good-{n}", name=f"Good shop {n}")
        fill(world, "orders", 5, f"good-{n}")
    for n in range(2):
        world.connect(f"refused-{n}", name=HOSTILE if n == 0 else "Refused shop", organization_id="org-2")
    world.connect("paused-shop")
    world.connect("missing-secret", credential="missing")
    world.connect("slow-shop")
    for n in range(3):
        world.connect(f"take-{n}", marketplace="takealot", name=f"Take {n}")
    world.connect("odd-shop", name="Odd shop")
    world.bazaar.shop("odd-shop").put("orders", "bad-1", START - timedelta(hours=2), HOSTILE, broken=True)
    scene.ticks(4)
    world.clock.advance(TICK_S - 180)
    pause.pause(world.services, "paused-shop", by=ANN)
    world.bazaar.at_call = _trouble(world)
    scene.ticks(12)
    world.clock.advance(TICK_S - 180)
    scene.die("refused-1")
    scene.bury(b"\x00not a message<script>")
    world.clock.advance(60)
    return scene


def _trouble(world: World) -> Callable[[FakeClient, str, str | None], None]:
    def strike(client: FakeClient, _: str, __: str | None) -> None:
        name = client.connection_id
        if name.startswith("refused"):
            raise CredentialsRejected(
                f"bazaar: 401 for {HOSTILE}", action="`connections set ID --secret-file -` stores a new one"
            )
        if name.startswith("take"):
            raise MarketplaceUnavailable("takealot: answered 500 three times")
        if name == "slow-shop":
            raise RateLimited("shopify: asks to wait", wait_s=5000)

    return strike


SCENES = {"empty": empty, "healthy": healthy, "broken": broken}
