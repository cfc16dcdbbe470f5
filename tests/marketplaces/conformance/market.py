"""A marketplace as the suite sees it: its connector, and a sandbox of it over real HTTP on virtual time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgspec

from local import samples
from local.sandbox.account import Account
from local.sandbox.app import App, Marketplace
from local.sandbox.arguments import Arguments
from local.sandbox.http import Reply, Request, Server
from local.sandbox.registry import SANDBOXES
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnyConnector
from tests.support.clocks import START, VirtualClock

#: The headers of every client; any other header may hold a secret.
_USUAL_HEADERS = {
    *("accept", "accept-encoding", "user-agent", "host", "content-type", "content-length", "connection"),
}
#: The sandbox's data are spread over two years.
BEGINNING = START - timedelta(days=731)


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """The parts of a marketplace that are needed to test its connector."""

    name: str
    connector: AnyConnector
    #: Builds its sandbox.
    build: Callable[[list[Account], bool], Marketplace]
    settings: Mapping[str, Any]
    credential: Mapping[str, str]

    def __str__(self) -> str:
        return self.name


def registered() -> list[Market]:
    """Every connector of the registry, with its sandbox and its first sample connection."""
    connections = {sample.marketplace: sample for sample in reversed(samples.SAMPLES)}
    return [
        Market(
            name,
            connector,
            SANDBOXES[name],
            connections[name].settings,
            connections[name].credential,
        )
        for name, connector in sorted(REGISTRY.items())
    ]


@dataclass
class Sandbox:
    """A running sandbox with one account."""

    url: str
    app: App
    #: Secrets that callers sent.
    secrets: set[str] = field(default_factory=set)
    #: How many calls were answered with each status.
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """How many calls were answered with 4xx."""
        return sum(count for status, count in self.statuses.items() if 400 <= status < 500)

    def answer(self, request: Request) -> Reply:
        """Answer, and keep the facts that the suite checks."""
        for name, value in request.headers.items():
            if name not in _USUAL_HEADERS:
                # `Bearer` and `Basic` are no secret; the rest is.
                self.secrets.add(value.rpartition(" ")[2])
        reply = self.app.answer(request)
        self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
        return reply

    def control(self, method: str, path: str, body: Any = None) -> bytes:
        """A `/_sandbox/` call."""
        content = b"" if body is None else msgspec.json.encode(body)
        reply = self.app.answer(Request(method, f"/_sandbox/{path}", {}, {}, content))
        assert reply.status == 200, reply.body
        return reply.body

    def fault(self, **fault: Any) -> None:
        """Turn a fault on."""
        self.control("POST", "faults", fault)

    def mend(self) -> None:
        """Turn all faults off."""
        self.control("DELETE", "faults")

    def change(self, **change: Any) -> None:
        """Change data, now."""
        self.control("POST", "change", change)

    def truth(self, stream: str) -> dict[str, dict[str, Any]]:
        """The content of a complete sync of a stream: fields by record id."""
        lines = self.control("GET", "truth").splitlines()
        records = [msgspec.json.decode(line, type=dict[str, Any]) for line in lines]
        return {record.pop("id"): record for record in records if record.pop("stream") == stream}


@contextmanager
def running(
    market: Market, clock: VirtualClock, *, orders: int, products: int, small_buckets: bool = False
) -> Iterator[Sandbox]:
    """A marketplace's sandbox, whose time is the virtual clock's."""
    arguments = Arguments(
        marketplace=market.name, orders=orders, products=products, until=START, small_buckets=small_buckets
    )
    with virtual_time(clock):
        accounts = [Account(0, arguments.source(0))]
        served = Sandbox("", App(market.build(accounts, small_buckets), accounts))
        server = Server(("127.0.0.1", 0), served.answer)
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def virtual_time(clock: VirtualClock) -> Iterator[None]:
    """Sandboxes take their time from the clock: for limits, tokens, changes and the Date header."""
    virtual = SimpleNamespace(
        time=lambda: clock.now().timestamp(), monotonic=clock.monotonic, sleep=clock.advance
    )
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("local.sandbox") and vars(module).get("time") is time:
                stack.enter_context(patch.object(module, "time", virtual))
        yield
