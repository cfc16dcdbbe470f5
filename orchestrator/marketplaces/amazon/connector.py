"""Amazon: Selling Partner API; orders and products by modification time, stock listed whole.

Source: see `amazon_session`, `amazon_listings` and `amazon_report`. What is heeded here:

- A search for orders may be made 5 times in 15 minutes, 20 at once: all marketplaces and items in one
  call, 100 orders a page, and none without its purpose.
- Its upper bound must be two minutes old. Its page token lives for 24 hours and goes along with the
  first call's own parameters. The order of its rows is not documented.
- Only what is asked for is told: status stands in `FULFILLMENT`, totals in `PROCEEDS`, and buyers only
  where the connection stores personal data.
- Orders have been missing from lists for a while: none is ever taken as vanished.
- The token of an FBA listing dies after 30 seconds: it stays in the session, and another session lists
  that marketplace again from its beginning.
- Whether a change of quantity alone moves a listing's modification time is not documented: what lies
  with the seller is listed whole each time, 20 SKUs a call and 5 calls a second. That is 10 seconds for
  1,000 SKUs; what does not fit a slice goes on in the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.amazon import listing_records, order_records
from orchestrator.marketplaces.amazon.api import (
    ACCESS,
    WITH_TOKEN,
    Credential,
    Fba,
    Seller,
    SellerSettings,
    ask,
    check,
    open_session,
)
from orchestrator.marketplaces.amazon.listings import Place, Search, Wanted, instant, step
from orchestrator.marketplaces.client import single_step
from orchestrator.marketplaces.spec import Connector, Listing, Page, Session, Stream, Window

#: Orders are shown for two years, in some marketplaces since then.
_OLDEST_ORDER = datetime(2016, 1, 1, tzinfo=UTC)
_ORDER_DATA = "FULFILLMENT,PROCEEDS"
_BUYER_DATA = "BUYER,RECIPIENT"


P = TypeVar("P", bound=Place | Fba)
_listing_places: msgspec.json.Decoder[Place] = msgspec.json.Decoder(Place)
_stock_places: msgspec.json.Decoder[Place | Fba] = msgspec.json.Decoder(Place | Fba)


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class _Orders(msgspec.Struct):
    orders: list[msgspec.Raw]
    pagination: _Pagination | None = None


class _Summaries(msgspec.Struct, rename="camel"):
    inventory_summaries: list[msgspec.Raw]


class _Inventory(msgspec.Struct):
    payload: _Summaries
    pagination: _Pagination | None = None


def fetch_orders(session: Session, window: Window, token: str | None) -> Page:
    """Orders changed in the window, in all marketplaces, with their items."""
    seller: Seller = session.settings
    params = [
        ("lastUpdatedAfter", instant(max(window.since, _OLDEST_ORDER))),
        ("lastUpdatedBefore", instant(window.until, rounded_up=True)),
        ("marketplaceIds", ",".join(seller.settings.marketplace_ids)),
        ("maxResultsPerPage", "100"),
        ("includedData", f"{_ORDER_DATA},{_BUYER_DATA}" if session.store_buyer_pii else _ORDER_DATA),
    ]
    if token:
        params.append(("paginationToken", token))
    errors = WITH_TOKEN if token else None
    found = ask(session, "orders", "/orders/2026-01-01/orders", _Orders, params, errors=errors)
    following = found.pagination.next_token if found.pagination else None
    return Page([bytes(row) for row in found.orders], single_step("amazon orders", token, following))


def fetch_products(session: Session, window: Window, token: str | None) -> Page:
    """Listings changed in the window, one marketplace after the other."""
    ids = session.settings.settings.marketplace_ids
    place = _place(token, _listing_places, ids) if token else Search(ids[0], window.since)
    found = step(session, place, Wanted("summaries,offers", window.since, window.until))
    following = found.following
    if following is None and (another := _after(ids, place.marketplace)):
        following = Search(another, window.since)
    rows = [listing_records.within(place.marketplace, "listing", item) for item in found.items]
    return Page(rows, _token(following))


def fetch_inventory(session: Session, window: Window, token: str | None) -> Page:  # noqa: ARG001 - all is listed
    """What lies with Amazon in each marketplace, then what lies with the seller."""
    ids = session.settings.settings.marketplace_ids
    place = _place(token, _stock_places, ids) if token else Fba(ids[0])
    if isinstance(place, Fba):
        return _fba(session, place)
    found = step(session, place, Wanted("summaries,fulfillmentAvailability"))
    following = found.following
    if following is None and (another := _after(ids, place.marketplace)):
        following = Search(another, None)
    rows = [
        listing_records.within(place.marketplace, "merchant", share)
        for item in found.items
        for share in listing_records.merchant_stock(item)
    ]
    return Page(rows, _token(following))


def _fba(session: Session, place: Fba) -> Page:
    seller: Seller = session.settings
    params = [
        ("details", "true"),
        ("granularityType", "Marketplace"),
        ("granularityId", place.marketplace),
        ("marketplaceIds", place.marketplace),
    ]
    continuation = seller.fba[1] if seller.fba is not None and seller.fba[0] == place else None
    if continuation is not None:
        params.append(("nextToken", continuation))
    errors = WITH_TOKEN if continuation is not None else None
    found = ask(session, "fba", "/fba/inventory/v1/summaries", _Inventory, params, errors=errors)
    rows = [
        listing_records.within(place.marketplace, "fba", row) for row in found.payload.inventory_summaries
    ]
    further = found.pagination.next_token if found.pagination else None
    further = single_step("amazon fba", continuation, further)
    ids = seller.settings.marketplace_ids
    following: Place | Fba
    if further:
        following = Fba(place.marketplace, place.page + 1)
        seller.fba = (following, further)
    elif another := _after(ids, place.marketplace):
        following = Fba(another)
    else:
        following = Search(ids[0], None)
    return Page(rows, _token(following))


def _place(token: str, places: msgspec.json.Decoder[P], ids: Sequence[str]) -> P:
    """The place that a page token of ours names."""
    try:
        place = places.decode(token)
    except UNREADABLE:
        raise PageTokenExpired("amazon: the page token is not one of ours") from None
    if place.marketplace not in ids:
        raise PageTokenExpired("amazon: the page token is of a marketplace that is no longer synced")
    return place


def _token(place: Place | Fba | None) -> str | None:
    return msgspec.json.encode(place).decode() if place is not None else None


def _after(ids: Sequence[str], marketplace: str) -> str | None:
    """The marketplace after this one."""
    return next(iter(ids[ids.index(marketplace) + 1 :]), None)


# What was changed two minutes ago is mostly visible; a younger upper bound is refused.
_AGE = timedelta(minutes=3)

CONNECTOR = Connector(
    marketplace="amazon",
    settings=SellerSettings,
    credential=Credential,
    access=ACCESS,
    streams={
        "orders": Stream(
            name="orders",
            listing=Listing.INCREMENTAL,
            fetch=fetch_orders,
            normalize=order_records.order,
            record_id=order_records.order_id,
            version=1,
            age=_AGE,
            durable_token=True,
            remembers_all=False,
        ),
        "products": Stream(
            name="products",
            listing=Listing.INCREMENTAL,
            fetch=fetch_products,
            normalize=listing_records.product,
            record_id=listing_records.product_id,
            version=1,
            age=_AGE,
            durable_token=True,
            long_span=timedelta.max,
        ),
        "inventory": Stream(
            name="inventory",
            listing=Listing.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=listing_records.level,
            record_id=listing_records.level_id,
            version=1,
            age=timedelta(0),
            durable_token=True,
        ),
    },
    # Others have sold there since November 2000.
    epoch=datetime(2000, 11, 1, tzinfo=UTC),
    open=open_session,
    check=check,
    personal_fields=order_records.PERSONAL_FIELDS,
)
