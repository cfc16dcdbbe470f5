"""The contract of a connector: what it says about its marketplace.

A connector is data and a few functions. The shared code does the rest: the paging loop, retries,
throttling, digests, checkpoints and rejects. To add a marketplace, write one `Connector`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from orchestrator.errors import MarketplaceError
from orchestrator.model.records.record import Record

if TYPE_CHECKING:
    from orchestrator.marketplaces.client import Client
    from orchestrator.marketplaces.consent import Consent
    from orchestrator.marketplaces.session_request import SessionRequest, Settings

SettingsT = TypeVar("SettingsT")


class Listing(StrEnum):
    """How a stream finds changes."""

    #: The marketplace filters by modification time.
    INCREMENTAL = "incremental"
    #: No modification time: the last days are read again by creation time.
    ROLLING = "rolling"
    #: Everything is listed each time.
    SNAPSHOT = "snapshot"


class Limiter(StrEnum):
    """The reach of a marketplace's limiter."""

    #: It counts the calls of the whole key, shop or site: a refused stream makes all streams wait.
    CONNECTION = "connection"
    #: It counts each call's operation or resource: the other streams continue.
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Window:
    """The span to ask for: `since` inclusive; rows up to `until` must be among the answers."""

    since: datetime
    until: datetime
    #: How often this page has been asked for, one attempt a tick: 2 if the last tick failed here. From the
    #: second attempt on, a connector narrows a failing page down to the records that cannot be shown.
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Unshown:
    """A record that the marketplace lists but cannot show: each call for it fails."""

    #: Its id, or its place in the listing if the id is unknown; names the reject.
    name: str
    #: The marketplace's error, in one line.
    reason: str
    #: The record's id if it is known; it does not count as vanished then.
    record_id: str | None = None
    #: The time by which its stream lists lies between these, if that is known; the span is read again later.
    #: Without it only a window that covers the record again finds out whether it is shown.
    changed_since: datetime | None = None
    changed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of raw records, each the JSON bytes that the marketplace sent."""

    records: Sequence[bytes]
    #: The next page; None on the last one. Valid only for this window's exact query.
    next_token: str | None
    #: The marketplace's own count of the whole listing, if it gives one.
    total: int | None = None
    #: The rows of that count on this page, if that is not the number of `records`.
    listed: int | None = None
    #: Records of this page that the marketplace cannot show.
    unshown: Sequence[Unshown] = ()
    #: Rows of this page outside of the window; they are stored like the others, with one warning.
    outside: int = 0
    #: Of the last page: a fact about the account that is told once, such as a service it does not use.
    notice: str = ""
    #: Of the last page: a part of the listing could not be read. The rest is stored, no record counts as
    #: vanished, and the stream fails with this error; it is read again at the next tick, whatever the error.
    failure: MarketplaceError | None = None


@dataclass(frozen=True, slots=True)
class Session(Generic[SettingsT]):
    """One invocation's conversation with one connection's marketplace."""

    client: Client
    #: The connection's settings in the connector's own type; it may also hold the session's state.
    settings: SettingsT
    store_buyer_pii: bool = False


@dataclass(frozen=True, slots=True)
class Stream(Generic[SettingsT]):
    """One collection of a marketplace."""

    #: `orders`, `products` or `inventory`.
    name: str
    listing: Listing
    #: Reads one page: (session, window, token of the page or None for the first).
    fetch: Callable[[Session[SettingsT], Window, str | None], Page]
    #: Turns a raw record into a normalized one: (raw, whether personal data may be kept).
    #: Raises RecordInvalid or msgspec.ValidationError.
    normalize: Callable[[bytes, bool], Record]
    #: Reads the record's id alone, also from a record that `normalize` refuses; None if it cannot.
    record_id: Callable[[bytes], str | None]
    #: Whether a page token may be stored and used by a later invocation.
    durable_token: bool
    #: Increase it if `normalize` changes its output: every record is then written once more.
    version: int = 1
    #: The minimum age of a window's end: a younger change may not be listed yet.
    age: timedelta = timedelta(0)
    #: Whether rows come in ascending modification time, so that a position can replace a lost token.
    ordered: bool = False
    #: Whether the digest remembers every record, not only those that look-back can read again.
    remembers_all: bool = True
    #: Rolling: the span of creation time read at each tick.
    short_span: timedelta = timedelta(0)
    #: Rolling and incremental: the span read every `reconcile_hours`, `timedelta.max` for everything.
    #: 0 for an incremental stream that never lists more than changes; a listing marks vanished records.
    long_span: timedelta = timedelta(0)
    #: Adds details that cost calls of their own: (session, rows of a page) to the completed rows, in the
    #: same order. `normalize` reads both forms. The engine normalizes the row as listed, remembers the hash
    #: of that, and completes the row only if the hash is new: an unchanged record costs no such call. So the
    #: listed row has to change with its details; a modification time does. The completed record is stored.
    #: A row that needs no call is returned as it is. If the rows take many calls, only the first ones are
    #: returned, at least one: the others are given again. Needs `durable_token`.
    complete: Callable[[Session[SettingsT], Sequence[bytes]], Sequence[bytes]] | None = None
    #: The most rows that `complete` is given at once; they fail together.
    complete_rows: int = 1
    #: Whether a listed row takes so many calls that `complete` gets it alone: rows that are completed
    #: together have to fit one slice.
    completed_alone: Callable[[bytes], bool] | None = None
    #: The fields of the record that `complete` fills. If the call fails for this record at two ticks, the
    #: record is stored as it is listed, with these as `warnings`; its details are asked for again later.
    detail_fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse details that would be read again and again.

        Raises:
            ValueError: A listing that begins again in each slice has no place for the rows completed so far.
        """
        if self.complete is not None and not self.durable_token:
            raise ValueError(f"{self.name}: rows can be completed only if page tokens are durable")


@dataclass(frozen=True, slots=True)
class Scope:
    """One right that a credential needs."""

    #: As the marketplace writes it.
    name: str
    #: The data it opens, or the call it allows.
    needed_for: str
    #: The streams that need it; empty if only the check of a connection does.
    streams: tuple[str, ...]
    #: Whether the streams also work without it, with less data.
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """How a seller gives the sync access to an account."""

    #: The menus to open, from the marketplace's own start page to the credential; one step an entry.
    menu_path: tuple[str, ...]
    #: The marketplace's word for the entries of `scopes`.
    scopes_are: Literal["access scope", "role", "OAuth scope", "permission", "key"]
    scopes: tuple[Scope, ...]
    #: When a credential stops working, and how it is renewed.
    lifetime: str
    #: Pages that say so.
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Connector(Generic[SettingsT]):
    """A marketplace."""

    marketplace: str
    #: The form of a connection's `settings`, and of the JSON in its secret.
    settings: type[Settings]
    credential: type[msgspec.Struct]
    access: Access
    #: By name; see `by_name`.
    streams: Mapping[str, Stream[SettingsT]]
    #: The marketplace has nothing older; a window without another beginning starts here.
    epoch: datetime
    #: Opens a session; it makes no call yet. Raises ConnectionInvalid, SecretMissing or SecretUnavailable.
    open: Callable[[SessionRequest], Session[SettingsT]]
    #: Makes one authenticated call; returns a line that names the account.
    check: Callable[[Session[SettingsT]], str]
    #: Names of raw fields that hold personal data, removed before a reject is stored.
    personal_fields: frozenset[str]
    #: The calls that one refusal (429) holds back: those of all streams, or only those of its own stream.
    limiter: Limiter = Limiter.STREAM
    #: The settings that decide which host a credential is sent to, `base_url` aside; all are texts. In the
    #: vault a credential is encrypted for their values: changing one asks for the credential again.
    target: tuple[str, ...] = ()
    #: The flow by which a seller lets an application in; None if sellers make a key themselves.
    consent: Consent | None = None


# The engine passes a connector's sessions back to the same connector and never looks into their settings,
# whose type differs by connector. Python cannot write "some type, always the same one": hence Any, only here.
AnySession = Session[Any]
AnyStream = Stream[Any]
AnyConnector = Connector[Any]


def by_name(*streams: Stream[SettingsT]) -> Mapping[str, Stream[SettingsT]]:
    """Streams by their names."""
    return {stream.name: stream for stream in streams}
