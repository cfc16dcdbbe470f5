"""A running sandbox, sessions with it, and a small loop that reads a stream as the engine does."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import urllib3

from local.sandbox.arguments import Arguments
from local.sandbox.http import Reply, Request, Server
from local.sandbox.registry import serve
from orchestrator.errors import RateLimited, RecordInvalid
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.marketplaces.spec import AnyConnector, AnySession, AnyStream, Page, Window
from orchestrator.model.connection import Connection, ConnectionStatus
from orchestrator.model.records.record import Record
from tests.support.clocks import VirtualClock
from tests.support.secrets import MemorySecrets

UNTIL = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
#: The reference of every session's secret.
CREDENTIAL = "env:TEST"
EVERYTHING = Window(UNTIL - timedelta(days=800), UNTIL)
CREDENTIALS: dict[str, dict[str, str]] = {
    "amazon": {
        "client_id": "amzn1.application-oa2-client.sandbox-0",
        "client_secret": "amzn1.oa2-cs.v1.sandbox-0",
        "refresh_token": "Atzr|sandbox-0",
    },
    "ebay": {
        "client_id": "sandbox-app",
        "client_secret": "sandbox-cert",
        "refresh_token": "sandbox-refresh-0",
    },
    "shopify": {"access_token": "shpat_sandbox_0"},
    "takealot": {"api_key": "sandbox-key-0"},
    "woocommerce": {"consumer_key": "ck_sandbox_0", "consumer_secret": "cs_sandbox_0"},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "amazon": {
        "region": "eu",
        "marketplace_ids": ["AE08WJ6YKNBMC", "A1F83G8C2ARO7P"],
        "seller_id": "ASANDBOX0",
    },
    "ebay": {"marketplace_id": "EBAY_GB"},
    "shopify": {"shop": "sandbox-0.myshopify.com"},
    "takealot": {},
    "woocommerce": {"site": "https://sandbox-0.example"},
}


class Secrets(MemorySecrets):
    """The one secret of a session, with its versions, oldest first."""

    def __init__(self, *versions: str) -> None:
        super().__init__({CREDENTIAL: versions})


@dataclass
class Bench:
    """The clock and the waits of a session, to look at afterwards."""

    #: It begins now, because a sandbox goes by the real time.
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(datetime.now(UTC)))
    #: Waits that the marketplace asked for, in seconds.
    waits: list[float] = field(default_factory=list)
    #: Waits longer than this are deferred, as the engine does.
    longest_wait: float = 60.0
    #: Called when the session asks for the connection's lease.
    claim: Callable[[], None] = lambda: None

    def wait(self, seconds: float) -> None:
        """Sleep if it is short, else raise."""
        self.waits.append(seconds)
        if seconds > self.longest_wait:
            raise RateLimited("the wait does not fit the slice", wait_s=seconds)
        self.clock.sleep(seconds)

    def opening(
        self,
        marketplace: str,
        settings: dict[str, Any],
        secrets: Secrets,
        *,
        development: bool = True,
        store_buyer_pii: bool = False,
    ) -> SessionRequest:
        """The engine's request for a session."""
        connection = Connection(
            organization_id="org",
            marketplace=marketplace,
            name="Test",
            status=ConnectionStatus.ACTIVE,
            credential=CREDENTIAL,
            settings=settings,
            store_buyer_pii=store_buyer_pii,
            created_at=UNTIL,
            updated_at=UNTIL,
        )
        return SessionRequest(
            "c-1", connection, secrets, self.clock, random.Random(1), self.wait, development, self.claim
        )


@contextmanager
def running(server: Server) -> Iterator[str]:
    """Serve in a thread; yields the base URL."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def sandbox(marketplace: str, **arguments: Any) -> Iterator[Sandbox]:
    """A marketplace's sandbox."""
    given = {"orders": 300, "products": 60, "until": UNTIL, **arguments}
    with running(serve(Arguments(marketplace=marketplace, **given))) as url:
        yield Sandbox(marketplace, url)


@contextmanager
def scripted(*replies: Reply) -> Iterator[Scripted]:
    """A server that answers with each of these in turn, and with the last one from then on."""
    script = Scripted(list(replies))
    with running(Server(("127.0.0.1", 0), script.answer)) as url:
        script.url = url
        yield script


@dataclass
class Scripted:
    """Answers from a list."""

    replies: list[Reply]
    url: str = ""
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        """The next reply."""
        self.requests.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@dataclass
class Sandbox:
    """A running sandbox."""

    marketplace: str
    url: str

    @property
    def connector(self) -> AnyConnector:
        """Its connector."""
        return REGISTRY[self.marketplace]

    def session(
        self,
        bench: Bench | None = None,
        *,
        credential: dict[str, str] | None = None,
        secrets: Secrets | None = None,
        store_buyer_pii: bool = False,
        **settings: Any,
    ) -> AnySession:
        """A session with account 0; `settings` are further ones of its connection."""
        content = msgspec.json.encode(credential or CREDENTIALS[self.marketplace]).decode()
        given = {**SETTINGS[self.marketplace], "base_url": self.url, **settings}
        opening = (bench or Bench()).opening(
            self.marketplace, given, secrets or Secrets(content), store_buyer_pii=store_buyer_pii
        )
        return self.connector.open(opening)

    def control(self, method: str, path: str, body: object = None) -> Any:
        """A `/_sandbox/` call; its JSON answer."""
        content = None if body is None else msgspec.json.encode(body)
        response = urllib3.request(method, f"{self.url}/_sandbox/{path}", body=content, timeout=60)
        if response.status != 200:
            raise AssertionError(response.data)
        return msgspec.json.decode(response.data)

    def truth_of(self, stream: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Some records of one stream: id, fields."""
        held = self.truth()[stream]
        return {record_id: held[record_id] for record_id in ids}

    def truth(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The records of account 0: stream, id, fields."""
        response = urllib3.request("GET", f"{self.url}/_sandbox/truth", timeout=60)
        held: dict[str, dict[str, dict[str, Any]]] = {"orders": {}, "products": {}, "inventory": {}}
        for line in response.data.splitlines():
            record = msgspec.json.decode(line, type=dict[str, Any])
            held[record["stream"]][record["id"]] = record
        return held


@dataclass
class Read:
    """The result of reading a stream."""

    records: dict[str, Record] = field(default_factory=dict)
    rejects: list[bytes] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


def read(
    connector: AnyConnector,
    session: AnySession,
    stream: str,
    window: Window = EVERYTHING,
    token: str | None = None,
    *,
    whole: bool = False,
) -> Read:
    """Read a stream to its end; its records are completed only if they are to be whole."""
    found = Read()
    spec = connector.streams[stream]
    while True:
        found.tokens.append(token)
        session.client.begin_page()
        page = spec.fetch(session, window, token)
        found.pages.append(page)
        for raw in completed(spec, session, page.records) if whole else page.records:
            try:
                record = spec.normalize(raw, session.store_buyer_pii)
            except (RecordInvalid, msgspec.ValidationError):
                found.rejects.append(raw)
            else:
                found.records[record.id] = record
        token = page.next_token
        if token is None:
            return found


def completed(stream: AnyStream, session: AnySession, rows: Sequence[bytes]) -> list[bytes]:
    """The rows of a page with their details, if their stream has any; read as the engine does."""
    if stream.complete is None:
        return list(rows)
    found: list[bytes] = []
    while len(found) < len(rows):
        session.client.begin_page()
        found += stream.complete(session, rows[len(found) : len(found) + stream.complete_rows])
    return found


def told(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Whole records as the sandbox tells its truth: by id, the fields that both know."""
    told: dict[str, dict[str, Any]] = {}
    for record in records:
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
        if "lines" in plain:
            plain["quantities"] = [line["quantity"] for line in plain["lines"]]
        if "variants" in plain:
            plain["skus"] = [variant["sku"] for variant in plain["variants"]]
            plain["price"] = plain["variants"][0]["price"]
            plain["costs"] = [variant.get("cost") for variant in plain["variants"]]
        told[record.id] = plain
    return told
