"""Two releases of the code at one store: today's in this process, a frozen one in a process of its own."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from local.processes import ROOT
from orchestrator import handle
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.secrets import Secrets
from orchestrator.model.messages import decode, encode
from orchestrator.operators import connections
from tests.marketplaces.conformance.market import BEGINNING, registered
from tests.support.clocks import START
from tests.support.people import ME
from tests.support.world import ENVIRONMENT
from tests.system.released.replay import Release
from tests.system.released.scene import Scene, Sellers, scene, sellers

_MANY = 2_000
#: Release 0.1 asks Takealot for 1,000 sales a page and is refused: it cannot read these orders in any store.
STREAMS = {"takealot": ["products", "inventory"]}


class Answer(msgspec.Struct, frozen=True):
    """A line of the frozen release."""

    published: list[tuple[str, datetime | None]]
    error: str | None
    now: datetime


@dataclass
class Waiting:
    """A message that waits for a worker of either release."""

    body: str
    not_before: datetime | None = None


@dataclass
class Two:
    """A store with a connection to each marketplace, and the workers of both releases."""

    scene: Scene
    sellers: Mapping[str, Sellers]
    process: subprocess.Popen[str]
    waiting: list[Waiting] = field(default_factory=list)
    #: Messages that the frozen release refused; each of them was redelivered to today's.
    refused: list[str] = field(default_factory=list)

    def tick(self, *, frozen: bool) -> None:
        """A tick, taken by the HTTP function of one of the releases."""
        if frozen:
            self._ask({})
        else:
            self.scene.tick()
            self._collect()

    def work(self, *, frozen: bool) -> None:
        """Have a worker of one of the releases take the oldest message."""
        message = self.waiting.pop(0)
        if message.not_before is not None:
            late_s = (message.not_before - self.scene.clock.now()).total_seconds()
            self.scene.clock.advance(max(0.0, late_s))
        if frozen:
            error = self._ask({"body": message.body})
            if error is not None:
                assert error.startswith("MessageInvalid"), error
                self.refused.append(message.body)
                self.waiting.append(message)
        else:
            handle.handle(self.scene.services, decode(message.body.encode()))
            self._collect()

    def drain(self, choose: Any) -> None:
        """Work until no message waits; `choose` tells whether the frozen release takes the next one."""
        for _ in range(_MANY):
            if not self.waiting:
                return
            self.waiting.sort(key=lambda each: each.not_before is not None)
            self.work(frozen=choose())
        raise AssertionError("messages beget messages for ever")

    def _ask(self, line: dict[str, str]) -> str | None:
        given, told = _pipes(self.process)
        given.write(msgspec.json.encode({**line, "now": self.scene.clock.now()}).decode() + "\n")
        given.flush()
        text = told.readline()
        assert text, "the frozen release has ended; its last words are above"
        answer = msgspec.json.decode(text, type=Answer)
        self.scene.clock.advance((answer.now - self.scene.clock.now()).total_seconds())
        self.waiting += [Waiting(body, not_before) for body, not_before in answer.published]
        return answer.error

    def _collect(self) -> None:
        queue = self.scene.queue
        self.waiting += [Waiting(encode(message).decode()) for message in queue.messages]
        self.waiting += [Waiting(encode(message).decode(), at) for at, message in queue.held]
        queue.messages.clear()
        queue.held.clear()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


@contextmanager
def two(release: Release, path: Path) -> Iterator[Two]:
    """Both releases, and a connection to each marketplace that today's release has added."""
    file = path / "store.db"
    store = SqliteStore(file)
    secrets = {
        market.name.upper(): msgspec.json.encode(market.credential).decode() for market in registered()
    }
    found = scene(store, START)
    found.services = dataclasses.replace(
        found.services, secrets=Secrets(is_development=True, environ=secrets)
    )
    variables = {**os.environ, **ENVIRONMENT, **secrets, "STORE": str(file), "PYTHONPATH": ""}
    command = [sys.executable, str(release.folder / "act.py")]
    with ExitStack() as stack:
        running = stack.enter_context(sellers(found.clock))
        process = stack.enter_context(
            subprocess.Popen(
                command, env=variables, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        stack.callback(process.kill)
        stack.callback(store.close)
        for market in registered():
            connections.add(
                found.services,
                f"{market.name}-both",
                by=ME,
                organization_id="northwind",
                marketplace=market.name,
                name=market.name,
                credential=f"env:{market.name.upper()}",
                streams=STREAMS.get(market.name),
                settings={**market.settings, "base_url": running[market.name].small.url},
                backfill_since=BEGINNING,
            )
        yield Two(found, running, process)
