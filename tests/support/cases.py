"""Situations that people reported, as small inputs: `tests/marketplaces/cases/*.json`.

A case of kind `normalize` has raw records for a stream's normalizer. A case of kind `http` has the routes
of a little server; the engine runs a number of ticks against it, on the embedded store and on virtual time.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from local.sandbox.http import Reply, Request, Server
from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.model.records.record import Record
from orchestrator.model.run import Task
from tests.marketplaces.conformance.case import LogLines, MarketWorld, every
from tests.marketplaces.conformance.market import registered, virtual_time
from tests.support.project import ROOT

FOLDER = ROOT / "tests" / "marketplaces" / "cases"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the server; the first route that fits a call answers it."""

    #: Regular expressions, each found anywhere; a parameter that is not sent is an empty text.
    path: str = ""
    query: Mapping[str, str] = {}
    body: str = ""
    status: int = 200
    #: The answer's body: a JSON value, or a text; `{n}` in it becomes the number of the call.
    json: Any = None
    text: str | None = None
    headers: Mapping[str, str] = {}

    def fits(self, request: Request) -> bool:
        """Whether this route answers a call."""
        return (
            re.search(self.path, request.path) is not None
            and all(re.search(form, request.one(name)) for name, form in self.query.items())
            and re.search(self.body, request.body.decode()) is not None
        )

    def reply(self, number: int) -> Reply:
        """The answer to the server's call of this number, from 1."""
        body = msgspec.json.encode(self.json) if self.text is None else self.text.encode()
        return Reply(self.status, body.replace(b"{n}", b"%d" % number), headers=self.headers)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A situation."""

    market: str
    kind: str
    situation: str
    right: str
    source: str = ""
    #: Kind `normalize`.
    stream: str = ""
    raw: tuple[msgspec.Raw, ...] = ()
    #: Kind `http`.
    streams: tuple[str, ...] = ()
    settings: dict[str, Any] | None = None
    ticks: int = 1
    routes: tuple[Route, ...] = ()


def load(name: str) -> Case:
    """The case of a file's name, without `.json`."""
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Case)


def normalized(case: Case, *, store_buyer_pii: bool = False) -> list[Record | None]:
    """The record of each raw record; None for a reject."""
    stream = REGISTRY[case.market].streams[case.stream]
    found: list[Record | None] = []
    for raw in case.raw:
        try:
            found.append(stream.normalize(bytes(raw), store_buyer_pii))
        except (RecordInvalid, *UNREADABLE):
            found.append(None)
    return found


@dataclass
class Played:
    """A case's engine, with everything that came of its ticks."""

    case: Case
    world: MarketWorld
    log: LogLines
    #: The calls that the server received.
    requests: list[Request] = field(default_factory=list)
    #: The connection's task of each tick.
    tasks: list[Task] = field(default_factory=list)

    def tick(self, after_s: float = 900.0) -> Task:
        """A tick some time later, to its end; the connection's task."""
        run_id, run = self.world.next_run(after_s)
        assert run.status.is_final
        self.tasks.append(self.world.task(run_id, self.case.market))
        return self.tasks[-1]

    def stored(self, stream: str) -> dict[str, Mapping[str, Any]]:
        """The documents of a stream by record id."""
        return {each: found.data for each, found in self.world.stored(self.case.market, stream).items()}

    def rejects(self) -> list[Mapping[str, Any]]:
        """The connection's rejects."""
        return [each.data for each in every(self.world.store, f"connections/{self.case.market}/rejects")]

    def answer(self, request: Request) -> Reply:
        """Answer by the first route that fits."""
        self.requests.append(request)
        for route in self.case.routes:
            if route.fits(request):
                return route.reply(len(self.requests))
        return Reply.json(404, {"code": "no_route_of_the_case", "message": request.path})


@contextmanager
def prepared(case: Case, path: Path, **fields: Any) -> Iterator[Played]:
    """A case of kind `http` before its first tick; `fields` replace those of its connection."""
    found = next(each for each in registered() if each.name == case.market)
    market = replace(found, settings=found.settings if case.settings is None else case.settings)
    log, root = LogLines(), logging.getLogger()
    level = root.level
    world = MarketWorld(path)
    played = Played(case, world, log)
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        with virtual_time(world.clock), _serving(played) as url:
            world.join(market, url, streams=list(case.streams), **fields)
            yield played
    finally:
        root.removeHandler(log)
        root.setLevel(level)


def play(case: Case, path: Path, **fields: Any) -> Played:
    """Run all ticks of a case of kind `http`."""
    with prepared(case, path, **fields) as played:
        for _ in range(case.ticks):
            played.tick()
    return played


@contextmanager
def _serving(played: Played) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), played.answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
