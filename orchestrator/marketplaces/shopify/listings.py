"""The pages of Shopify's three streams.

Source: shopify.dev, Admin API 2026-10 (schema, search syntax, pagination), read 2026-11-23. Facts that this
module depends on:

- Timestamps in a filter are quoted: unquoted, Shopify ignores the time of day.
- The lower bound is `>=`: since 2026-10 an exclusive one skips a whole second.
- `sortKey` is always given. Shopify silently ignores an unknown filter, so every row is checked.
- A row's `updatedAt` can be later than the window's end, if it was edited after the search found it.
- Products are filtered to active ones unless every status is named.
- Lines and variants have pages of their own; stock is listed one location at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import ResponseInvalid
from orchestrator.marketplaces.paging import read_position, write_position
from orchestrator.marketplaces.shopify import queries
from orchestrator.marketplaces.shopify.api import PageInfo, Shop, ask
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.values import Instant, whole_second

T = TypeVar("T")


class _Connection(msgspec.Struct, Generic[T], rename="camel"):
    nodes: list[T]
    page_info: PageInfo


class _Currency(msgspec.Struct, rename="camel"):
    currency_code: str


class _Listing(msgspec.Struct):
    rows: _Connection[msgspec.Raw]
    shop: _Currency | None = None


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
    variants: _NestedPage | None = None


class _Place(msgspec.Struct, array_like=True):
    """A position in the listing of stock; as JSON it is the page token."""

    #: Cursor of the last location that was read to its end.
    location: str | None = None
    #: Cursor inside the location after that one.
    level: str | None = None


_places = msgspec.json.Decoder(_Place)


def fetch_orders(session: Session[Shop], window: Window, token: str | None) -> Page:
    """Orders changed in the window, with all their lines."""
    query = queries.ORDERS_WITH_BUYER if session.store_buyer_pii else queries.ORDERS
    listing = ask(session, "orders", query, _Listing, q=_updated(window), after=token)
    found = _checked(
        listing.rows, window, "orders", lambda raw, row: _whole(session, raw, row, "lineItems", queries.LINES)
    )
    return Page(found, listing.rows.page_info.following("shopify orders", token))


def fetch_products(session: Session[Shop], window: Window, token: str | None) -> Page:
    """Products changed in the window, with all their variants and the shop's currency."""
    terms = f"{_updated(window)} status:active,archived,draft,unlisted"
    listing = ask(session, "products", queries.PRODUCTS, _Listing, q=terms, after=token)
    if listing.shop is None:
        raise ResponseInvalid("shopify products: the answer lacks the shop's currency")
    found = _checked(
        listing.rows,
        window,
        "products",
        lambda raw, row: _whole(session, raw, row, "variants", queries.VARIANTS),
    )
    head = b'{"currency":' + msgspec.json.encode(listing.shop.currency_code) + b',"product":'
    priced = [head + raw + b"}" for raw in found]
    return Page(priced, listing.rows.page_info.following("shopify products", token))


def fetch_inventory(session: Session[Shop], window: Window, token: str | None) -> Page:
    """Stock levels changed in the window, one location after the other."""
    place = read_position("shopify inventory", token, _places) if token else _Place()
    listing = ask(
        session,
        "inventory",
        queries.LEVELS,
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
    if level := levels.page_info.following("shopify inventory", place.level):
        following = _Place(place.location, level)
    elif location := locations.page_info.following("shopify locations", place.location):
        following = _Place(location, None)
    found = _checked(levels, window, "inventory", lambda raw, _: bytes(raw))
    return Page(found, write_position(following) if following else None)


def _updated(window: Window) -> str:
    since, until = whole_second(window.since), whole_second(window.until, rounded_up=True)
    return f"updated_at:>='{since}' updated_at:<='{until}'"


def _checked(
    rows: _Connection[msgspec.Raw],
    window: Window,
    operation: str,
    whole: Callable[[msgspec.Raw, _Row], bytes],
) -> list[bytes]:
    """The rows, each made whole; a row that cannot be read is passed on to become a reject.

    Raises:
        ResponseInvalid: A row is older than the window: the filter was not applied.
    """
    found = []
    since = window.since.replace(microsecond=0)
    for raw in rows.nodes:
        try:
            row = msgspec.json.decode(raw, type=_Row)
        except UNREADABLE:
            found.append(bytes(raw))
            continue
        if row.updated_at < since:
            message = f"shopify {operation}: a row is older than the window; the filter was not applied"
            raise ResponseInvalid(message)
        found.append(whole(raw, row))
    return found


def _whole(session: Session[Shop], raw: msgspec.Raw, row: _Row, field: str, query: str) -> bytes:
    """The row with the later pages of its nested connection."""
    nested = row.line_items or row.variants
    cursor = nested.page_info.following(f"shopify {field}", None) if nested else None
    if cursor is None:
        return bytes(raw)
    whole: dict[str, Any] = msgspec.json.decode(raw)
    while cursor is not None:
        parent = ask(session, field, query, _Parent, id=row.id, after=cursor).parent
        if parent is None:
            break
        whole[field]["nodes"] += parent.rows.nodes
        cursor = parent.rows.page_info.following(f"shopify {field}", cursor)
    whole[field]["pageInfo"] = {"hasNextPage": False}
    return msgspec.json.encode(whole)
