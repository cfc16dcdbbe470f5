"""Worlds to look at: nothing yet, all well, and everything broken at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
from orchestrator.errors import CredentialsRejected, MarketplaceUnavailable, RateLimited
from orchestrator.model.audit import Actor, Face
from orchestrator.model.documents import to_document
from orchestrator.model.messages import encode
from orchestrator.model.state import SyncState
from orchestrator.operators import pause
from orchestrator.ports import DeadLetters, Document, Put
from tests.support.stores import Killed
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


def busy(folder: Path) -> Scene:
    """An open run: one connection is in the middle of a long listing, its worker was killed; others wait."""
    scene = empty(folder)
    world = scene.world
    for name in ("big-shop", "next-shop", "last-shop"):
        world.connect(name)
        fill(world, "orders", 100, name)
    world.tick()
    world.bazaar.at_call = _killed_at("60")
    while world.queue.messages:
        message = world.queue.messages.pop(0)
        if message.connection_id in {"next-shop", "last-shop"}:
            continue
        try:
            world.deliver(message)
        except Killed:
            break
    world.clock.advance(90)
    return scene


def large(folder: Path) -> Scene:
    """Ten thousand connections: every tenth is late, and has a cause."""
    scene = empty(folder)
    _many(scene.world, 10_000)
    scene.world.tick()
    return scene


def _killed_at(last: str) -> Callable[[FakeClient, str, str | None], None]:
    def strike(client: FakeClient, _: str, token: str | None) -> None:
        client.clock.sleep(2)
        if token == last:
            raise Killed

    return strike


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


def _many(world: World, number: int) -> None:
    """Connections with states: every tenth is late, and has a cause."""
    late = START - timedelta(hours=1)
    for start in range(0, number, 250):
        writes = []
        for n in range(start, min(start + 250, number)):
            name = f"shop-{n:05}"
            document: Document = {
                "organization_id": f"org-{n % 50}",
                "marketplace": ("shopify", "takealot")[n % 2],
                "name": name,
                "status": "active",
                "credential": "env:NONE",
                "settings": {},
                "streams": ["orders"],
                "created_at": START,
                "updated_at": START,
            }
            state: Document = {
                **to_document(SyncState(marketplace=document["marketplace"])),
                "late_at": late if n % 10 == 0 else START + timedelta(hours=1),
                "since_at": START - timedelta(minutes=10),
            }
            if n % 10 == 0:
                state["cause"] = {"kind": "credentials_rejected", "message": HOSTILE, "since": late}
            writes += [Put(f"connections/{name}", document), Put(f"sync_state/{name}", state)]
        world.store.commit(writes)


SCENES = {"empty": empty, "healthy": healthy, "broken": broken, "busy": busy, "large": large}
