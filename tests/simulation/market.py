"""The marketplace of a simulated history: what is true there, what it shows, and how it misbehaves."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceUnavailable,
    PageTokenExpired,
    RateLimited,
    ResponseInvalid,
)
from orchestrator.marketplaces.opening import Opening
from orchestrator.marketplaces.spec import Connector, Page, Session, Sort, Stream, Window
from orchestrator.records import Order, Record
from tests.simulation.loop import START, Loop, chance

#: A change becomes visible at most so many seconds late; look-back and age cover more.
MAX_LAG_S = 500


class Raw(msgspec.Struct):
    """A row as it travels."""

    id: str
    changed_at: datetime
    value: str
    broken: bool = False


@dataclass
class Row:
    """A row as it is."""

    id: str
    changed_at: datetime
    value: int = 1
    visible_at: datetime = START
    broken: bool = False

    @property
    def is_late(self) -> bool:
        """Whether it became visible only some time after it changed."""
        return self.visible_at > self.changed_at


@dataclass
class Client:
    """What the engine reads of a client."""

    connection_id: str
    wait: Any
    calls: int = 0
    received_bytes: int = 0
    server_time: datetime | None = None

    def begin_page(self) -> None:
        """A made-up page has no bounds."""


@dataclass
class Behaviour:
    """How often a call goes wrong, chosen by a history's seed."""

    unavailable: float = 0.0
    short_wait: float = 0.0
    long_wait: float = 0.0
    slow: float = 0.0
    expired: float = 0.0
    refused: float = 0.0
    defect: float = 0.0
    repeated: float = 0.0


@dataclass
class Market:
    """All connections' accounts on one marketplace."""

    loop: Loop
    page_size: int
    #: Whether products come with a count, and whether tokens outlive an invocation.
    counted: bool
    durable: bool
    ordered: bool
    behaviour: Behaviour = field(default_factory=Behaviour)
    shops: dict[tuple[str, str], dict[str, Row]] = field(default_factory=dict)
    made: int = 0

    @property
    def now(self) -> datetime:
        """The marketplace's own, true time."""
        return START + timedelta(seconds=self.loop.now_s)

    def rows(self, connection_id: str, stream: str) -> dict[str, Row]:
        """One account's rows."""
        return self.shops.setdefault((connection_id, stream), {})

    def add(self, connection_id: str, stream: str, *, ago: timedelta = timedelta(0)) -> None:
        """A new row."""
        self.made += 1
        name = f"{stream[0]}{self.made}"
        changed_at = (self.now - ago).replace(microsecond=0)
        self.rows(connection_id, stream)[name] = Row(name, changed_at, visible_at=changed_at)

    def change(self, rng: random.Random, connection_id: str, stream: str) -> None:
        """Something happens to some row."""
        rows = self.rows(connection_id, stream)
        if not rows or chance(rng, 0.3):
            self.add(connection_id, stream)
            return
        row = rows[rng.choice(sorted(rows))]
        if stream != "orders" and chance(rng, 0.15):
            del rows[row.id]
            return
        # Change and change back are both changes.
        row.value = row.value % 3 + 1
        row.broken = chance(rng, 0.05)
        if stream == "products" or (stream == "inventory" and chance(rng, 0.2)):
            return  # a snapshot or a reconcile has to find it
        row.changed_at = self.now.replace(microsecond=0)
        late = rng.uniform(0, MAX_LAG_S) if chance(rng, 0.2) else 0
        row.visible_at = row.changed_at + timedelta(seconds=late)

    def connector(self, marketplace: str) -> Connector:
        """Orders incremental, products a snapshot, stock incremental with a daily reconcile."""
        return Connector(
            marketplace=marketplace,
            streams={
                "orders": self._stream("orders", Sort.INCREMENTAL, remembers_all=False),
                "products": self._stream("products", Sort.SNAPSHOT),
                "inventory": self._stream("inventory", Sort.INCREMENTAL, long_span=timedelta.max),
            },
            epoch=START - timedelta(days=30),
            open=self._open,
            check=lambda _: "market",
            personal_fields=frozenset(),
        )

    def _stream(
        self, name: str, sort: Sort, *, remembers_all: bool = True, long_span: timedelta = timedelta(0)
    ) -> Stream:
        return Stream(
            name=name,
            sort=sort,
            fetch=lambda session, window, token: self._fetch(name, sort, session, window, token),
            normalize=normalize,
            identify=lambda raw: msgspec.json.decode(raw, type=Raw).id,
            version=1,
            age=timedelta(minutes=2),
            durable_token=self.durable,
            ordered=self.ordered and sort is Sort.INCREMENTAL,
            remembers_all=remembers_all,
            long_span=long_span,
        )

    def _open(self, opening: Opening) -> Session:
        client: Any = Client(opening.connection_id, opening.wait)
        return Session(client=client, settings=None)

    def _fetch(self, name: str, sort: Sort, session: Session, window: Window, token: str | None) -> Page:
        client: Any = session.client
        client.calls += 1
        self.loop.pause()
        self._misbehave(client, token)
        client.server_time = self.now.replace(microsecond=0)
        rows = [row for row in self.rows(client.connection_id, name).values() if row.visible_at <= self.now]
        if sort is Sort.INCREMENTAL:
            rows = [row for row in rows if window.since <= row.changed_at <= window.until]
        # Tokens are positions in the order of the listing, so an edit moves only the row that was edited.
        keys = {_key(row, ordered=self.ordered and sort is Sort.INCREMENTAL): row for row in rows}
        following = sorted(key for key in keys if token is None or key > token)
        page = following[: self.page_size]
        more = len(following) > len(page)
        records = [msgspec.json.encode(_raw(keys[key])) for key in page]
        if records and chance(self.loop.rng, self.behaviour.repeated):
            records.append(records[0])
        return Page(
            records=records,
            next_token=page[-1] if more else None,
            total=len(rows) if self.counted and sort is Sort.SNAPSHOT else None,
            listed=len(page),
        )

    def _misbehave(self, client: Client, token: str | None) -> None:
        rng, often = self.loop.rng, self.behaviour
        if chance(rng, often.slow):
            self.loop.sleep(rng.uniform(20, 300))
        if chance(rng, often.unavailable):
            raise MarketplaceUnavailable("market: no answer")
        if chance(rng, often.short_wait):
            client.wait(rng.uniform(1, 55))
        if chance(rng, often.long_wait):
            wait_s = rng.uniform(70, 2500)
            raise RateLimited("market says wait", wait_s=wait_s)
        if token is not None and chance(rng, often.expired):
            raise PageTokenExpired("market: the token expired")
        if chance(rng, often.refused):
            raise CredentialsRejected("market: the key is refused")
        if chance(rng, often.defect):
            raise ResponseInvalid("market: not what it promised") if chance(rng, 0.5) else KeyError("defect")


def normalize(raw: bytes, _: bool) -> Record:
    """A row as a record; a broken one is refused."""
    row = msgspec.json.decode(raw, type=Raw)
    if row.broken:
        raise msgspec.ValidationError("broken")
    return Order(
        id=row.id,
        number=row.id,
        status="open",
        marketplace_status=row.value,
        created_at=START,
        updated_at=row.changed_at,
    )


def _raw(row: Row) -> Raw:
    return Raw(row.id, row.changed_at, str(row.value), row.broken)


def _key(row: Row, *, ordered: bool) -> str:
    return f"{row.changed_at.isoformat()}|{row.id}" if ordered else row.id
