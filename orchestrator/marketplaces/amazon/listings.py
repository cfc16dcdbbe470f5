"""The pages of Amazon's three streams.

Source: the models named in `api`, read 2026-11-23. Facts that this module depends on:

- A search for orders may be made 5 times in 15 minutes, 20 at once. So one call asks for all marketplaces
  and their items, 100 orders a page, and no call is spent without need.
- The upper bound of a search for orders must be two minutes old. Its page token lives for 24 hours and is
  valid only with the first call's own parameters. The order of its rows is not documented.
- Only the data asked for is sent: the status is in `FULFILLMENT`, totals in `PROCEEDS`. Buyers are asked
  for only if the connection stores personal data.
- Orders have been missing from lists for a while: an absent order is never taken as vanished.
- The token of an FBA listing expires after 30 seconds. It stays in the session; another session lists that
  marketplace again from its beginning.
- It is not documented whether a change of quantity alone moves a listing's modification time. So the
  seller's own stock is listed whole each time, 20 SKUs a call and 5 calls a second: 10 seconds for 1,000
  SKUs. The next slice continues a listing that does not fit into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.amazon import listing_records
from orchestrator.marketplaces.amazon.api import WITH_TOKEN, Fba, Paged, Seller, ask
from orchestrator.marketplaces.amazon.listing_search import Place, Search, Wanted, step
from orchestrator.marketplaces.paging import read_position, single_step, write_position
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.values import whole_second

#: Orders are kept for two years, in some marketplaces since then.
_OLDEST_ORDER = datetime(2016, 1, 1, tzinfo=UTC)
_ORDER_DATA = "FULFILLMENT,PROCEEDS"
_BUYER_DATA = "BUYER,RECIPIENT"


P = TypeVar("P", bound=Place | Fba)
_listing_places: msgspec.json.Decoder[Place] = msgspec.json.Decoder(Place)
_stock_places: msgspec.json.Decoder[Place | Fba] = msgspec.json.Decoder(Place | Fba)


class _Orders(Paged):
    orders: list[msgspec.Raw]


class _Summaries(msgspec.Struct, rename="camel"):
    inventory_summaries: list[msgspec.Raw]


class _Inventory(Paged):
    payload: _Summaries


def fetch_orders(session: Session[Seller], window: Window, token: str | None) -> Page:
    """Orders changed in the window, in all marketplaces, with their items."""
    params = [
        ("lastUpdatedAfter", whole_second(max(window.since, _OLDEST_ORDER))),
        ("lastUpdatedBefore", whole_second(window.until, rounded_up=True)),
        ("marketplaceIds", ",".join(session.settings.marketplace_ids)),
        ("maxResultsPerPage", "100"),
        ("includedData", f"{_ORDER_DATA},{_BUYER_DATA}" if session.store_buyer_pii else _ORDER_DATA),
    ]
    if token:
        params.append(("paginationToken", token))
    errors = WITH_TOKEN if token else None
    found = ask(session, "orders", "/orders/2026-01-01/orders", _Orders, params, errors=errors)
    following = single_step("amazon orders", token, found.next_token)
    return Page([bytes(row) for row in found.orders], following)


def fetch_products(session: Session[Seller], window: Window, token: str | None) -> Page:
    """Listings changed in the window, one marketplace after the other."""
    ids = session.settings.marketplace_ids
    place = _place(token, _listing_places, ids) if token else Search(ids[0], window.since)
    found, following = _step(session, place, Wanted("summaries,offers", window.since, window.until))
    rows = [listing_records.within(place.marketplace, "listing", item) for item in found]
    return Page(rows, following)


def fetch_inventory(session: Session[Seller], window: Window, token: str | None) -> Page:  # noqa: ARG001 - all is listed
    """Stock at Amazon in each marketplace, then the seller's own stock."""
    ids = session.settings.marketplace_ids
    place = _place(token, _stock_places, ids) if token else Fba(ids[0])
    if isinstance(place, Fba):
        return _fba(session, place)
    found, following = _step(session, place, Wanted("summaries,fulfillmentAvailability"))
    rows = [
        listing_records.within(place.marketplace, "merchant", share)
        for item in found
        for share in listing_records.merchant_stock(item)
    ]
    return Page(rows, following)


def _step(session: Session[Seller], place: Place, wanted: Wanted) -> tuple[list[msgspec.Raw], str | None]:
    """Some listings, and the page token for the next ones, here or in the next marketplace."""
    found = step(session, place, wanted)
    following = found.following
    if following is None and (another := _after(session.settings.marketplace_ids, place.marketplace)):
        following = Search(another, wanted.since)
    return found.items, write_position(following) if following is not None else None


def _fba(session: Session[Seller], place: Fba) -> Page:
    seller = session.settings
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
    further = single_step("amazon fba", continuation, found.next_token)
    ids = seller.marketplace_ids
    following: Place | Fba
    if further:
        following = Fba(place.marketplace, place.page + 1)
        seller.fba = (following, further)
    elif another := _after(ids, place.marketplace):
        following = Fba(another)
    else:
        following = Search(ids[0], None)
    return Page(rows, write_position(following))


def _place(token: str, places: msgspec.json.Decoder[P], ids: Sequence[str]) -> P:
    """The place that a page token of ours names."""
    place = read_position("amazon", token, places)
    if place.marketplace not in ids:
        raise PageTokenExpired("amazon: the page token is of a marketplace that is no longer synced")
    return place


def _after(ids: Sequence[str], marketplace: str) -> str | None:
    """The marketplace after this one."""
    return next(iter(ids[ids.index(marketplace) + 1 :]), None)
