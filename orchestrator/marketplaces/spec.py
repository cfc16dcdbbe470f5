"""What a connector says about its marketplace.

A connector is data and a few functions; the paging loop, retries, throttling, digests, checkpoints
and rejects are shared and live elsewhere. Adding a marketplace means writing one `Connector`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from orchestrator.model.record import Record

if TYPE_CHECKING:
    from orchestrator.marketplaces.client import Client
    from orchestrator.marketplaces.session_request import SessionRequest, Settings


class Listing(StrEnum):
    """How a stream finds what changed."""

    #: The marketplace filters by modification time.
    INCREMENTAL = "incremental"
    #: No modification time: the last days are read again by creation time.
    ROLLING = "rolling"
    #: Everything is listed each time.
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class Window:
    """The span to ask for: `since` inclusive; rows up to `until` must be among the answers."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """One page of raw records, each the JSON bytes it came as."""

    records: Sequence[bytes]
    #: Where the next page is; None on the last one. Belongs to this window's exact query.
    next_token: str | None
    #: The marketplace's own count of the whole listing, where it gives one.
    total: int | None = None
    #: How many rows of that count this page held, where that is not the number of `records`.
    listed: int | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """One collection of a marketplace."""

    #: `orders`, `products` or `inventory`.
    name: str
    listing: Listing
    #: Reads one page: (session, window, token of the page or None for the first).
    fetch: Callable[[Session, Window, str | None], Page]
    #: Turns a raw record into a normalized one: (raw, whether personal data may be kept).
    #: Raises RecordInvalid or msgspec.ValidationError.
    normalize: Callable[[bytes, bool], Record]
    #: Reads just the record's id, also from a record that `normalize` refuses; None where it cannot.
    record_id: Callable[[bytes], str | None]
    #: Raise it when `normalize` changes its output: every record is then written once more.
    version: int
    #: How old a window's end must be: what is younger may not be listed yet.
    age: timedelta
    #: Whether a page token may be stored and used by a later invocation.
    durable_token: bool
    #: Whether rows come in ascending modification time, so that a position can replace a lost token.
    ordered: bool = False
    #: Whether the digest remembers every record, not only those that look-back can read again.
    remembers_all: bool = True
    #: Rolling: the span of creation time read at each tick.
    short_span: timedelta = timedelta(0)
    #: Rolling and incremental: the span read every `reconcile_hours`, `timedelta.max` for everything.
    #: An incremental stream that never lists more than what changed says 0; a listing marks what vanished.
    long_span: timedelta = timedelta(0)


@dataclass(slots=True)
class Session:
    """One invocation's conversation with one connection's marketplace."""

    client: Client
    #: The connection's settings, decoded into the connector's own type.
    settings: Any
    store_buyer_pii: bool = False


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
class Connector:
    """A marketplace."""

    marketplace: str
    #: The form of a connection's `settings`, and of the JSON in its secret.
    settings: type[Settings]
    credential: type[msgspec.Struct]
    access: Access
    streams: Mapping[str, Stream]
    #: Nothing exists there before this; a window without another beginning starts here.
    epoch: datetime
    #: Opens a session; it makes no call yet. Raises ConnectionInvalid, SecretMissing or SecretUnavailable.
    open: Callable[[SessionRequest], Session]
    #: Makes one authenticated call; returns a line that names the account.
    check: Callable[[Session], str]
    #: Names of raw fields that hold personal data, removed from what is kept of rejects.
    personal_fields: frozenset[str]
