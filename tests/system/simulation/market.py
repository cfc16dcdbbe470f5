"""The marketplaces of a simulated history: what they list, and how they misbehave."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceUnavailable,
    PageTokenExpired,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.auth import ExpiringToken, RotatingGrant, Rotation, Token
from orchestrator.marketplaces.session_request import SessionRequest, Settings, read_credential, read_settings
from orchestrator.marketplaces.spec import (
    AnyConnector,
    AnySession,
    AnyStream,
    Connector,
    Listing,
    Page,
    Session,
    Stream,
    Unshown,
    Window,
)
from orchestrator.room import Place, Room
from tests.support.connectors import OPEN_TO_ALL
from tests.system.simulation.accounts import Account
from tests.system.simulation.loop import START, chance
from tests.system.simulation.rows import (
    BUYER,
    Raw,
    Row,
    Version,
    has_no_details,
    normalize,
    number,
    record_id,
)

if TYPE_CHECKING:
    from tests.system.simulation.history import History

#: A change becomes visible at most so many seconds late; look-back and age cover more.
MAX_LAG_S = 500
#: Rows that are malformed in these ways cannot be shown at all, if their number is odd.
UNSHOWN = ("refused", "defect")
SHORT_SPAN, LONG_SPAN = timedelta(days=2), timedelta(days=25)
AGE = timedelta(minutes=2)


class ShopSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings: rows of other regions are not listed."""

    region: str = "all"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content."""

    refresh_token: str
    access_token: str | None = None
    expires_at: datetime | None = None


@dataclass(eq=False)
class Client:
    """What the engine and the authentication read of a client, for one invocation."""

    opening: SessionRequest
    number: int
    calls: int = 0
    received_bytes: int = 0
    server_time: datetime | None = None
    slept_s: float = 0.0
    auth: Any = None
    place: Place = field(default_factory=lambda: Place(Room()))

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
    #: Something changes in the stream that is being listed.
    restless: float = 0.0


@dataclass
class Market:
    """All connections' accounts on all marketplaces."""

    history: History
    page_size: int
    #: Whether snapshots come with a count, and by position instead of by id.
    counted: bool
    by_offset: bool
    #: Whether tokens outlive an invocation, and incremental rows come in order.
    durable: bool
    ordered: bool
    #: How each stream of each marketplace finds what changed.
    listings: Mapping[str, Mapping[str, Listing]]
    #: Its clock against the true time, and whether it tells it.
    offset: timedelta
    tells_time: bool
    #: Streams whose rows have details that cost calls, and for how many rows at once.
    detailed: frozenset[str] = frozenset()
    detail_rows: int = 1
    behaviour: Behaviour = field(default_factory=Behaviour)
    shops: dict[tuple[str, str], dict[str, Row]] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    made: int = 0
    sessions: int = 0
    #: What a page takes, and one of orders from before its reconciles' spans, in seconds.
    page_s: float = 0.0
    slow_page_s: float = 0.0

    @property
    def now(self) -> datetime:
        """The marketplace's own time."""
        return self.history.loop.now + self.offset

    def rows(self, connection_id: str, stream: str) -> dict[str, Row]:
        """One account's rows."""
        return self.shops.setdefault((connection_id, stream), {})

    # What happens there

    def add(self, connection_id: str, stream: str, *, ago: timedelta = timedelta(0)) -> None:
        """A new row."""
        self.made += 1
        moment = (self.now - ago).replace(microsecond=0)
        row = Row(f"{stream[0]}{self.made}", moment, [Version(moment, moment, 1)])
        self.rows(connection_id, stream)[row.id] = row

    def change(self, rng: random.Random, connection_id: str, stream: str) -> None:
        """Something happens to some rows, perhaps to several in the same second."""
        rows = self.rows(connection_id, stream)
        if not rows or chance(rng, 0.3):
            self.add(connection_id, stream)
            return
        for name in rng.sample(sorted(rows), min(len(rows), 4 if chance(rng, 0.15) else 1)):
            if stream != "orders" and chance(rng, 0.15):
                del rows[name]
            else:
                self._edit(rng, rows[name], stream)

    def _edit(self, rng: random.Random, row: Row, stream: str) -> None:
        before, now = row.now, self.now.replace(microsecond=0)
        silent = stream == "products" or (stream == "inventory" and chance(rng, 0.2))
        late = rng.uniform(0, MAX_LAG_S) if not silent and chance(rng, 0.2) else 0
        version = Version(
            changed_at=before.changed_at if silent else now,
            visible_at=max(before.visible_at, now + timedelta(seconds=late)),
            # Change and change back are both changes.
            value=before.value % 3 + 1,
            broken=rng.choice(["refused", "defect", "nameless"]) if chance(rng, 0.06) else "",
            silent=silent,
            unstorable=chance(rng, self.history.faults.unstorable),
        )
        row.versions.append(version)

    def mend(self) -> None:
        """People correct rows that cannot even be named."""
        for (_, stream), rows in self.shops.items():
            for row in rows.values():
                while row.now.broken == "nameless":
                    self._edit(self.history.loop.rng, row, stream)

    # What the product is given

    def connector(self, marketplace: str, version: int) -> AnyConnector:
        """The marketplace's connector in one release."""
        listings = self.listings[marketplace]
        return Connector(
            marketplace=marketplace,
            settings=ShopSettings,
            credential=Credential,
            access=OPEN_TO_ALL,
            streams={name: self._stream(name, listing, version) for name, listing in listings.items()},
            epoch=START - timedelta(days=30),
            open=self._open,
            check=lambda _: "market",
            personal_fields=frozenset({"buyer"}),
        )

    def _stream(self, name: str, listing: Listing, version: int) -> AnyStream:
        reconciled = listing is Listing.INCREMENTAL and name != "orders"
        rolling = listing is Listing.ROLLING
        return Stream(
            name=name,
            listing=listing,
            fetch=partial(self._fetch, name, listing),
            normalize=partial(normalize, version),
            record_id=record_id,
            version=version,
            age=AGE,
            durable_token=self.durable,
            ordered=self.ordered and listing is Listing.INCREMENTAL,
            remembers_all=name != "orders",
            short_span=SHORT_SPAN if rolling else timedelta(0),
            long_span=timedelta.max if reconciled else LONG_SPAN if rolling else timedelta(0),
            complete=partial(self._complete, name) if name in self.detailed else None,
            complete_rows=self.detail_rows,
            detail_fields=("number",) if name in self.detailed else (),
        )

    def _open(self, opening: SessionRequest) -> AnySession:
        settings = read_settings(opening, ShopSettings)
        self.history.running.region = settings.region
        content = read_credential(opening, Credential)
        self.sessions += 1
        client: Any = Client(opening, self.sessions)
        kept = None
        if content.access_token and content.expires_at:
            kept = Token(content.access_token, content.expires_at)
        whole = msgspec.json.encode(content).decode()
        grant = RotatingGrant(opening, whole, partial(self._rotate, opening.connection_id))
        client.auth = ExpiringToken("X-Token", "", grant, opening.clock.now, kept)
        return Session(client, settings, opening.connection.store_buyer_pii)

    def _rotate(self, connection_id: str, client: Any, content: str) -> Rotation:
        """The token endpoint; its answer may be lost."""
        history = self.history
        client.calls += 1
        history.loop.pause()
        token = msgspec.json.decode(content, type=Credential).refresh_token
        try:
            rotation = self.accounts[connection_id].rotate(token, history.loop.now)
        except CredentialsRejected:
            history.seen["credentials refused"] += 1
            raise
        history.perhaps_die(history.running)
        if history.happens(self.behaviour.unavailable):
            raise MarketplaceUnavailable("market token: no answer")
        return rotation

    def _fetch(
        self, name: str, listing: Listing, session: AnySession, window: Window, token: str | None
    ) -> Page:
        client: Any = session.client
        connection_id = client.opening.connection_id
        self._authenticate(connection_id, client)
        client.calls += 1
        self.history.loop.pause()
        self._misbehave(name, client, token)
        if self.page_s:
            self.history.loop.sleep(self.page_s)
        if self.slow_page_s and name == "orders" and window.since < START - LONG_SPAN:
            self.history.loop.sleep(self.slow_page_s)
        if self.tells_time:
            client.server_time = self.now.replace(microsecond=0)
        place = self._place(client, token)
        keys = self._listed(session, name, listing, window)
        following = sorted(keys)
        if self.by_offset and listing is Listing.SNAPSHOT:
            at = int(place or 0)
            page = following[at : at + self.page_size]
            more = at + len(page) < len(following)
            end = str(at + len(page))
        else:
            # Tokens are positions in the order of the listing, so an edit moves only the row that was edited.
            following = [key for key in following if place is None or key > place]
            page = following[: self.page_size]
            more = len(following) > len(page)
            end = page[-1] if page else ""
        self.history.say(
            lambda: (
                f"lists {name} of {connection_id} {window.since:%d %H:%M:%S}-{window.until:%d %H:%M:%S}"
                f" behind {place}: {page}{' and more' if more else ''}"
            )
        )
        if self.history.happens(self.behaviour.restless):
            self.history.seen["changed while listed"] += 1
            self.change(self.history.loop.rng, connection_id, name)
        listed = [keys[key] for key in page]
        unshown = [
            _unshown(row, row.created_at if listing is Listing.ROLLING else version.changed_at)
            for row, version in listed
            if version.broken in UNSHOWN and int(row.id[1:]) % 2
        ]
        self.history.seen["not shown"] += len(unshown)
        hidden = {each.name for each in unshown}
        records = [row.raw(version) for row, version in listed if row.id not in hidden]
        if records and self.history.happens(self.behaviour.repeated):
            records.append(records[0])
        return Page(
            records=records,
            next_token=self._token(client, end) if more else None,
            total=len(keys) if self.counted and listing is Listing.SNAPSHOT else None,
            listed=len(page),
            unshown=unshown,
        )

    def _complete(self, name: str, session: AnySession, raws: Sequence[bytes]) -> list[bytes]:
        client: Any = session.client
        connection_id = client.opening.connection_id
        self._authenticate(connection_id, client)
        client.calls += 1
        self.history.loop.pause()
        rows = [msgspec.json.decode(raw, type=Raw) for raw in raws]
        self.history.say(lambda: f"details of {name} of {connection_id}: {[row.id for row in rows]}")
        self._misbehave(name, client, None)
        for row in rows:
            self.history.judge.asked_for_details(connection_id, name, row)
            if has_no_details(row.id, row.value):
                self.history.seen["no details"] += 1
                raise RequestRejected("market details: answered 404")
            row.detail = number(row.id, row.value)
        self.history.seen["details"] += len(rows)
        return [msgspec.json.encode(row) for row in rows]

    def _authenticate(self, connection_id: str, client: Any) -> None:
        """One call's authentication, as the shared client makes it: a refused token is refreshed once."""
        account = self.accounts[connection_id]
        refreshed = False
        while not account.lets_in(client.auth.headers(client)["X-Token"], self.history.loop.now):
            if refreshed or not client.auth.refresh(client):
                self.history.seen["credentials refused"] += 1
                raise CredentialsRejected("market: answered 401")
            refreshed = True

    def _listed(
        self, session: AnySession, name: str, listing: Listing, window: Window
    ) -> dict[str, tuple[Row, Version]]:
        """What a listing shows now, by its order."""
        found: dict[str, tuple[Row, Version]] = {}
        client: Any = session.client
        for row in self.rows(client.opening.connection_id, name).values():
            version = row.shown(self.now)
            if version is None or not row.is_in(session.settings.region):
                continue
            moment = row.created_at if listing is Listing.ROLLING else version.changed_at
            if listing is Listing.SNAPSHOT or window.since <= moment <= window.until:
                is_ordered = self.ordered and listing is Listing.INCREMENTAL
                found[f"{moment.isoformat()}|{row.id}" if is_ordered else row.id] = (row, version)
        return found

    def _token(self, client: Any, place: str) -> str:
        return place if self.durable else f"{client.number}@{place}"

    def _place(self, client: Any, token: str | None) -> str | None:
        if token is None or self.durable:
            return token
        session, _, place = token.partition("@")
        if session != str(client.number):
            self.history.violated("a token that dies with its invocation was used in another")
        return place

    def _misbehave(self, stream: str, client: Any, token: str | None) -> None:
        history, often, connection_id = self.history, self.behaviour, client.opening.connection_id
        rng = history.loop.rng
        apple = history.apple.kind if connection_id == history.apple.connection_id else ""
        if history.happens(often.slow) or apple == "slow":
            history.loop.sleep(rng.uniform(20, 300))
        if history.happens(often.unavailable) or apple == "unavailable":
            raise MarketplaceUnavailable("market: no answer")
        if history.happens(often.short_wait):
            client.opening.wait(rng.uniform(1, 55))
        if history.happens(often.long_wait):
            raise RateLimited("market says wait", wait_s=rng.uniform(70, 2500))
        if apple == "limited":
            raise RateLimited("market says wait", wait_s=rng.uniform(70, 800))
        if token is not None and history.happens(often.expired):
            raise PageTokenExpired("market: the token expired")
        if history.happens(often.refused) or apple == "refused":
            # One endpoint refuses the call, or the key is refused.
            denied = PermissionDenied if stream == "products" and not apple else CredentialsRejected
            history.seen[denied.kind] += 1
            raise denied("market: the call is refused")
        if history.happens(often.defect) or apple == "defect":
            raise rng.choice(
                [ResponseInvalid("market: not what it promised"), KeyError(f"{BUYER} of nobody")]
            )


def _unshown(row: Row, moment: datetime) -> Unshown:
    """A row that the market cannot show, as a connector tells it."""
    return Unshown(row.id, "market: answered 500", row.id, moment, moment)
