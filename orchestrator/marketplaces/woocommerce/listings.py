"""The pages of WooCommerce's three streams.

Source: woocommerce-rest-api-docs (wp-api-v3), WooCommerce's own REST controllers and `OrdersTableQuery`,
WordPress's `WP_Date_Query`, and the issues named in the tests; read 2026-11-23. Facts that this module
depends on (for bounds and paging see `pagination`, for hosts, proxies and keys see `api`):

- `any` leaves out the trash, even if the trash is named beside it: the trash is asked for separately.
- WooCommerce before 5.8 ignores bounds on the modification time, and the oldest versions refuse to sort by
  it. There everything is read by creation, and rows that did not change in the window are dropped here.
- Variations are listed below their product, and since 10.3 (`/variations`) all together.
- A sale moves no modification time: stock is listed whole. It has one location, the shop.
- Products name no currency: it is the shop's.
- WooCommerce has no rate limit of its own; a session makes one call at a time.
"""

from __future__ import annotations

import msgspec

from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce import records
from orchestrator.marketplaces.woocommerce.api import Site
from orchestrator.marketplaces.woocommerce.collection import (
    Collection,
    is_wanted,
    page_of,
    patient,
    read,
    unhurried,
    variations_of,
)
from orchestrator.marketplaces.woocommerce.pagination import LARGEST_PAGE, Place, Row, Step

_PAGING = "id,date_created,date_modified_gmt"
_ORDER = f"{_PAGING},number,status,currency,date_created_gmt,total,line_items,refunds"
_BUYER = "billing,shipping"
_PRODUCT = f"{_PAGING},name,type,status,sku,global_unique_id,price,regular_price,date_created_gmt"
_VARIANT = "id,sku,global_unique_id,price,regular_price,attributes"
_STOCK = "id,type,parent_id,sku,manage_stock,stock_quantity,date_created"
#: Products on a page if some of them have variations to ask for, and if all have.
_FAMILIES, _PARENTS = 50, 10


class _Currency(msgspec.Struct):
    code: str


_ORDERS, _ORDERS_WITH_BUYER, _PRODUCTS = (
    tuple(Collection(name, name, fields, [("status", status)], size) for status in ("any", "trash"))
    for name, fields, size in (
        ("orders", _ORDER, LARGEST_PAGE),
        ("orders", f"{_ORDER},{_BUYER}", LARGEST_PAGE),
        ("products", _PRODUCT, _FAMILIES),
    )
)
_INVENTORY = (
    Collection("inventory", "products", _STOCK, whole=True),
    Collection("variations", "variations", _STOCK, whole=True),
    Collection("inventory", "products", _STOCK, [("type", "variable")], _PARENTS, whole=True),
)


@patient
def fetch_orders(session: Session[Site], window: Window, token: str | None) -> Page:
    """Orders changed in the window; orders in the trash last."""
    step = read(session, _ORDERS_WITH_BUYER if session.store_buyer_pii else _ORDERS, window, token)
    found = [row.raw for row in step.rows if is_wanted(step, row, window)]
    return page_of(found, step.after(), 1 if step.place.part == 0 else None)


@patient
def fetch_products(session: Session[Site], window: Window, token: str | None) -> Page:
    """Products changed in the window with all their variations and the shop's currency; the trash last."""
    step = read(session, _PRODUCTS, window, token)
    found: list[bytes] = []

    def add(row: Row) -> None:
        if not is_wanted(step, row, window):
            return
        variations: list[msgspec.Raw] = []
        if row.type == "variable" and row.id is not None:
            variations, _ = variations_of(session, row.id, _VARIANT, step.place.size)
        found.append(records.priced(currency_of(session), row.raw, variations))

    used = unhurried(session, step.rows, add)
    return page_of(found, step.after(used), 1 if step.place.part == 0 else None)


@patient
def fetch_inventory(session: Session[Site], window: Window, token: str | None) -> Page:
    """Stock of all products that are not variable, then of all variations."""
    try:
        step = read(session, _INVENTORY, window, token)
    except sites.NoRoute:
        place = Place.parse(token, len(_INVENTORY))
        if place.part != 1:
            raise
        # Before WooCommerce 10.3.
        step = read(session, _INVENTORY, window, str(place.beginning(2)))
    if step.place.part == 2:
        return _below_parents(session, step)
    found = [row.raw for row in step.rows if not step.is_read(row) and row.type != "variable"]
    return page_of(found, step.after(), 1 if step.place.part == 0 else None)


def _below_parents(session: Session[Site], step: Step) -> Page:
    """Stock of the variations of the next variable products."""
    found: list[bytes] = []
    shown = counted = 0

    def add(row: Row) -> None:
        nonlocal shown, counted
        if row.id is None:
            found.append(row.raw)
        elif not step.is_read(row):
            variations, total = variations_of(session, row.id, _STOCK, step.place.size)
            found.extend(records.below(row.id, raw) for raw in variations)
            shown, counted = shown + len(variations), counted + total

    after = step.after(unhurried(session, step.rows, add))
    place = msgspec.structs.replace(after.place, counted=after.place.counted + counted)
    return page_of(found, after._replace(place=place, used=after.used + shown), None)


def currency_of(session: Session[Site]) -> str:
    """The shop's currency; one call a session."""
    site = session.settings
    if site.currency is None:
        site.currency = sites.ask(session, "currency", "data/currencies/current", _Currency).code
    return site.currency
