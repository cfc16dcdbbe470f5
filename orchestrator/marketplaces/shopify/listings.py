"""The pages of Shopify's three streams.

Source: shopify.dev, Admin API 2026-10 (schema, search syntax, pagination), read 2026-11-23. Facts that this
module depends on:

- Timestamps in a filter are quoted: unquoted, Shopify ignores the time of day.
- The lower bound is `>=`: since 2026-10 an exclusive one skips a whole second.
- `sortKey` is always given. Shopify silently ignores an unknown filter, so every row is checked.
- One row older than the window happens (nozzlegear/ShopifySharp#821): it is stored and counted. A page of
  nothing but older rows, with more behind it, shows a filter that was ignored.
- A row's `updatedAt` can be later than the window's end, if it was edited after the search found it.
- Products are filtered to active ones unless every status is named.
- Lines have pages of their own; stock is listed one location at a time.
- Products are listed with the fields that cost no point: `product_details` reads the others.
- No stream has a count that can be compared: it would change with every row that is edited meanwhile. So a
  full page is never believed to be the last: the page behind its cursor is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import MarketplaceError, MarketplaceUnavailable, RecordInvalid, ResponseInvalid
from orchestrator.marketplaces.paging import read_position, single_step, write_position
from orchestrator.marketplaces.shopify import queries
from orchestrator.marketplaces.shopify.api import PageInfo, Shop, ask
from orchestrator.marketplaces.shopify.nodes import number
from orchestrator.marketplaces.shopify.stock_records import level_id
from orchestrator.marketplaces.spec import Page, Session, Unshown, Window
from orchestrator.marketplaces.values import Instant, whole_second

T = TypeVar("T")

#: If more rows of a page cannot be shown at its first attempt, it may be an outage: the next tick asks again.
MOST_UNSHOWN = 5


class _Connection(msgspec.Struct, Generic[T], rename="camel"):
    nodes: list[T]
    page_info: PageInfo


class _Currency(msgspec.Struct, rename="camel"):
    currency_code: str


class _Listing(msgspec.Struct):
    rows: _Connection[msgspec.Raw]
    shop: _Currency | None = None


class _One(msgspec.Struct):
    #: `null` if it was deleted after its page was read.
    row: msgspec.Raw = msgspec.Raw(b"null")


class _Parent(msgspec.Struct):
    #: None if it was deleted after its page was read.
    parent: _Listing | None


class _Location(msgspec.Struct, rename="camel"):
    inventory_levels: _Connection[msgspec.Raw]


class _Locations(msgspec.Struct):
    rows: _Connection[_Location]


class _NestedPage(msgspec.Struct, rename="camel"):
    page_info: PageInfo


class _Row(msgspec.Struct, rename="camel"):
    """The fields of a row that paging needs."""

    id: str
    updated_at: Instant
    line_items: _NestedPage | None = None


class _Place(msgspec.Struct, array_like=True):
    """A position in the listing of stock; as JSON it is the page token."""

    #: Cursor of the last location that was read to its end.
    location: str | None = None
    #: Cursor inside the location after that one.
    level: str | None = None


_places = msgspec.json.Decoder(_Place)


@dataclass(slots=True)
class _Reading:
    """The rows of one page as they are put together."""

    session: Session[Shop]
    window: Window
    operation: str
    #: The query of one row, by its id.
    one: str
    #: The row's own connection, and the query of its later pages; empty if it has none.
    nested: str = ""
    later: str = ""
    records: list[bytes] = field(default_factory=list)
    unshown: list[Unshown] = field(default_factory=list)
    outside: int = 0

    def page(self, full: str, bare: str, kind: type[T], **variables: str | None) -> tuple[T, bool]:
        """A page of rows; after a failed tick, of bare rows (True) if Shopify cannot show full ones.

        Raises:
            MarketplaceError: The page could not be read.
        """
        try:
            return ask(self.session, self.operation, full, kind, **variables), False
        except MarketplaceUnavailable:
            if self.window.attempt == 1:
                raise
        return ask(self.session, self.operation, bare, kind, **variables), True

    def read(self, rows: _Connection[msgspec.Raw], *, bare: bool) -> None:
        """Take the rows, each made whole; a row that cannot be read is passed on to become a reject.

        Raises:
            ResponseInvalid: All rows are older than the window and more follow: the filter was not applied.
            MarketplaceError: No row could be made whole, or too many could not for a first attempt.
        """
        since = self.window.since.replace(microsecond=0)
        failure: MarketplaceError | None = None
        for raw in rows.nodes:
            try:
                row = msgspec.json.decode(raw, type=_Row)
            except UNREADABLE:
                self.records.append(bytes(raw))
                continue
            self.outside += row.updated_at < since
            try:
                whole = self._whole(raw, row, bare=bare)
            except (MarketplaceUnavailable, ResponseInvalid) as error:
                failure = error
                self.unshown.append(_unshown(raw, row, error))
                is_odd = isinstance(error, ResponseInvalid) or len(self.unshown) > MOST_UNSHOWN
                if is_odd and self.window.attempt == 1:
                    raise
                continue
            if whole is not None:
                self.records.append(whole)
        if self.outside == len(rows.nodes) > 1 and rows.page_info.has_next_page:
            message = (
                f"shopify {self.operation}: all rows are older than the window; the filter was not applied"
            )
            raise ResponseInvalid(message)
        if failure is not None and bare and len(self.unshown) == len(rows.nodes) > 1:
            raise failure  # it is not this or that record

    def done(self, next_token: str | None, records: Sequence[bytes] | None = None) -> Page:
        """The page that was put together."""
        found = self.records if records is None else records
        return Page(found, next_token, unshown=self.unshown, outside=self.outside)

    def _whole(self, raw: msgspec.Raw, row: _Row, *, bare: bool) -> bytes | None:
        """The row with the later pages of its nested connection; None if it was deleted meanwhile."""
        if bare:
            raw = ask(self.session, self.operation, self.one, _One, id=row.id).row
            if bytes(raw) == b"null":
                return None
            try:
                row = msgspec.json.decode(raw, type=_Row)
            except UNREADABLE:
                return bytes(raw)
        listed = row.line_items
        cursor = listed.page_info.following(f"shopify {self.nested}", None) if listed else None
        if cursor is None:
            return bytes(raw)
        whole: dict[str, Any] = msgspec.json.decode(raw)
        while cursor is not None:
            parent = ask(self.session, self.nested, self.later, _Parent, id=row.id, after=cursor).parent
            if parent is None:
                break
            whole[self.nested]["nodes"] += parent.rows.nodes
            cursor = parent.rows.page_info.following(f"shopify {self.nested}", cursor)
        whole[self.nested]["pageInfo"] = {"hasNextPage": False}
        return msgspec.json.encode(whole)


def fetch_orders(session: Session[Shop], window: Window, token: str | None) -> Page:
    """Orders changed in the window, with all their lines."""
    full, one, later = queries.ORDERS, queries.ORDER, queries.LINES
    if session.store_buyer_pii:
        full, one = queries.ORDERS_WITH_BUYER, queries.ORDER_WITH_BUYER
        later = queries.LINES_WITH_BUYER
    reading = _Reading(session, window, "orders", one, "lineItems", later)
    listing, bare = reading.page(full, queries.BARE_ORDERS, _Listing, q=_updated(window), after=token)
    reading.read(listing.rows, bare=bare)
    return reading.done(_following(listing.rows, "orders", token, queries.ORDERS_SIZE))


def fetch_products(session: Session[Shop], window: Window, token: str | None) -> Page:
    """Products changed in the window, thin, with the shop's currency."""
    terms = f"{_updated(window)} status:active,archived,draft,unlisted"
    reading = _Reading(session, window, "products", queries.PRODUCT)
    listing, bare = reading.page(queries.PRODUCTS, queries.BARE_PRODUCTS, _Listing, q=terms, after=token)
    if listing.shop is None:
        raise ResponseInvalid("shopify products: the answer lacks the shop's currency")
    reading.read(listing.rows, bare=bare)
    head = b'{"currency":' + msgspec.json.encode(listing.shop.currency_code) + b',"product":'
    priced = [head + raw + b"}" for raw in reading.records]
    return reading.done(_following(listing.rows, "products", token, queries.PRODUCTS_SIZE), priced)


def fetch_inventory(session: Session[Shop], window: Window, token: str | None) -> Page:
    """Stock levels changed in the window, one location after the other."""
    place = read_position("shopify inventory", token, _places) if token else _Place()
    reading = _Reading(session, window, "inventory", queries.LEVEL)
    listing, bare = reading.page(
        queries.LEVELS,
        queries.BARE_LEVELS,
        _Locations,
        q=_updated(window),
        location=place.location,
        after=place.level,
    )
    locations = listing.rows
    if not locations.nodes:
        return Page([], None)
    levels = locations.nodes[0].inventory_levels
    following: _Place | None = None
    if level := _following(levels, "inventory", place.level, queries.LEVELS_SIZE):
        following = _Place(place.location, level)
    elif location := locations.page_info.following("shopify locations", place.location):
        following = _Place(location, None)
    reading.read(levels, bare=bare)
    return reading.done(write_position(following) if following else None)


def _updated(window: Window) -> str:
    since, until = whole_second(window.since), whole_second(window.until, rounded_up=True)
    return f"updated_at:>='{since}' updated_at:<='{until}'"


def _following(rows: _Connection[T], operation: str, cursor: str | None, size: int) -> str | None:
    """The next page's cursor; a full page has one even if Shopify calls it the last.

    Raises:
        ResponseInvalid: The cursor is missing, or is the one that asked for this page.
    """
    info = rows.page_info
    if len(rows.nodes) >= size and info.end_cursor:
        return single_step(f"shopify {operation}", cursor, info.end_cursor)
    return info.following(f"shopify {operation}", cursor)


def _unshown(raw: msgspec.Raw, row: _Row, error: MarketplaceError) -> Unshown:
    """A row whose own call fails."""
    try:
        record_id = level_id(bytes(raw)) or number(row.id)
    except RecordInvalid:
        record_id = None
    return Unshown(record_id or row.id, error.message, record_id, row.updated_at, row.updated_at)
