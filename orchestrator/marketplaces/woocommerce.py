"""WooCommerce: REST v3 of a self-hosted shop; orders and products by modification time, stock listed whole.

Source: woocommerce-rest-api-docs (wp-api-v3), WooCommerce's own REST controllers and `OrdersTableQuery`,
WordPress's `WP_Date_Query`, and the issues named in the tests; read 2026-11-23. What is heeded here, in
`woocommerce_walk` (bounds, paging) and in `woocommerce_site` (hosts, proxies, keys):

- `any` leaves out the trash, also beside it: the trash is asked for apart.
- WooCommerce before 5.8 ignores bounds on the modification time, and the oldest refuse to sort by it: there
  everything is walked through by creation, and what has not changed in the window is left out here.
- Variations are listed below their product, and since 10.3 (`/variations`) all together.
- A sale moves no modification time: stock is listed whole. It lies in one place, the shop.
- Products name no currency: it is the shop's.
- There is no limit of WooCommerce's own; a session makes one call at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.marketplaces import woocommerce_records as records
from orchestrator.marketplaces import woocommerce_site as sites
from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.opening import Opening, read_credential, read_settings
from orchestrator.marketplaces.spec import Connector, Page, Session, Sort, Stream, Window
from orchestrator.marketplaces.woocommerce_site import LARGEST_PAGE, Credential, Site, SiteSettings
from orchestrator.marketplaces.woocommerce_walk import (
    Place,
    Row,
    Step,
    bounds,
    first_second,
    is_unfiltered,
    read_rows,
)

_WALKED = "id,date_created,date_modified_gmt"
_ORDER = f"{_WALKED},number,status,currency,date_created_gmt,total,line_items,refunds"
_BUYER = "billing,shipping"
_PRODUCT = f"{_WALKED},name,type,status,sku,global_unique_id,price,regular_price,date_created_gmt"
_VARIANT = "id,sku,global_unique_id,price,regular_price,attributes"
_STOCK = "id,type,parent_id,sku,manage_stock,stock_quantity,date_created"
#: A page ends with the product during which so many seconds have passed, where each needs calls of its own.
_LONG_S = 10.0
#: Products whose variations have to be asked for one by one.
_PARENTS = 10


@dataclass(frozen=True, slots=True)
class _Listing:
    """A collection, or a part of one."""

    operation: str
    path: str
    fields: str
    #: Parameters beside those of the walk.
    params: Sequence[tuple[str, str]] = ()
    size: int = LARGEST_PAGE
    #: Whether everything is listed, by creation.
    whole: bool = False


class _Currency(msgspec.Struct):
    code: str


_STATUSES = ("any", "trash")
_ORDERS = tuple(_Listing("orders", "orders", _ORDER, [("status", word)]) for word in _STATUSES)
_ORDERS_WITH_BUYER = tuple(
    _Listing("orders", "orders", f"{_ORDER},{_BUYER}", [("status", word)]) for word in _STATUSES
)
_PRODUCTS = tuple(_Listing("products", "products", _PRODUCT, [("status", word)], 50) for word in _STATUSES)
_INVENTORY = (
    _Listing("inventory", "products", _STOCK, whole=True),
    _Listing("variations", "variations", _STOCK, whole=True),
    _Listing("inventory", "products", _STOCK, [("type", "variable")], _PARENTS, whole=True),
)


def fetch_orders(session: Session, window: Window, token: str | None) -> Page:
    """Orders changed in the window; those in the trash last."""
    step = _read(session, _ORDERS_WITH_BUYER if session.store_buyer_pii else _ORDERS, window, token)
    found = [row.raw for row in step.rows if _is_wanted(step, row, window)]
    return _page(found, step.after(), 1 - step.place.part)


def fetch_products(session: Session, window: Window, token: str | None) -> Page:
    """Products changed in the window with all their variations and the shop's currency; the trash last."""
    step = _read(session, _PRODUCTS, window, token)
    found: list[bytes] = []

    def add(row: Row) -> None:
        if not _is_wanted(step, row, window):
            return
        variations: list[msgspec.Raw] = []
        if row.type == "variable" and row.id is not None:
            variations, _ = _variations(session, row.id, _VARIANT)
        found.append(records.priced(_currency(session), row.raw, variations))

    used = _unhurried(session, step.rows, add)
    return _page(found, step.after(used), 1 - step.place.part)


def fetch_inventory(session: Session, window: Window, token: str | None) -> Page:
    """Stock of all products that are not variable, then of all variations."""
    try:
        step = _read(session, _INVENTORY, window, token)
    except sites.NoRoute:
        place = Place.parse(token, len(_INVENTORY))
        if place.part != 1:
            raise
        # Before WooCommerce 10.3.
        step = _read(session, _INVENTORY, window, str(Place(part=2, counted=place.counted)))
    if step.place.part == 2:
        return _below_parents(session, step)
    found = [row.raw for row in step.rows if not step.is_read(row) and row.type != "variable"]
    return _page(found, step.after(), 1 - step.place.part)


def _below_parents(session: Session, step: Step) -> Page:
    """Stock of the variations of the next variable products."""
    found: list[bytes] = []
    shown = counted = 0

    def add(row: Row) -> None:
        nonlocal shown, counted
        if row.id is None:
            found.append(row.raw)
        elif not step.is_read(row):
            variations, total = _variations(session, row.id, _STOCK)
            found.extend(records.below(row.id, raw) for raw in variations)
            shown, counted = shown + len(variations), counted + total

    after = step.after(_unhurried(session, step.rows, add))
    place = msgspec.structs.replace(after.place, counted=after.place.counted + counted)
    return _page(found, after._replace(place=place, used=after.used + shown), 0)


def _read(session: Session, listings: Sequence[_Listing], window: Window, token: str | None) -> Step:
    """The page at a token.

    Raises:
        PageTokenExpired: The token is not one of ours.
        MarketplaceError: The page could not be read.
    """
    site: Site = session.settings
    place = Place.parse(token, len(listings))
    listing = listings[place.part]
    if listing.whole or site.is_old:
        return _step(session, listing, window, place)
    try:
        step = _step(session, listing, window, place)
    except sites.InvalidParameter:
        # Older than 4.4: it does not take `orderby=modified`.
        site.is_old = True
    else:
        site.is_old = is_unfiltered(step, window)
    return _step(session, listing, window, place) if site.is_old else step
