"""The pages of WooCommerce's three streams.

Source: woocommerce-rest-api-docs (wp-api-v3), WooCommerce's own REST controllers and `OrdersTableQuery`,
WordPress's `WP_Date_Query`, and the issues named in the tests; read 2026-11-23. Facts that this module
depends on (for bounds and paging see `pagination`, for hosts, proxies and keys see `api`):

- `any` leaves out the trash, even if the trash is named beside it: the trash is asked for separately.
- WooCommerce before 5.8 ignores bounds on the modification time, and the oldest versions refuse to sort by
  it. There everything is read by creation, and rows that did not change in the window are dropped here.
- Variations are listed below their product, and since 10.3 (`/variations`) all together.
- A sale moves no modification time: stock is listed whole. It has one location, the shop.
- Products name no currency and no unit of weight: they are the shop's.
- WooCommerce has no rate limit of its own; a session makes one call at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps

import msgspec

from orchestrator.errors import MarketplaceError, MarketplaceUnavailable, PermissionDenied, RequestRejected
from orchestrator.marketplaces.spec import Page, Session, Unshown, Window
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce import order_records, product_records, stock_records
from orchestrator.marketplaces.woocommerce.api import Site
from orchestrator.marketplaces.woocommerce.pagination import (
    LARGEST_PAGE,
    After,
    Place,
    Row,
    Step,
    first_second,
)
from orchestrator.marketplaces.woocommerce.steps import Collection, is_narrow, moment_of, read_step
from orchestrator.marketplaces.woocommerce.variations import Variations, variations_of

Fetch = Callable[[Session[Site], Window, str | None], Page]
#: If each row needs calls of its own, a page ends with the row that completes this many seconds.
_LONG_S = 10.0
_PAGING = "id,date_created,date_modified_gmt"
_ORDER = (
    f"{_PAGING},number,status,currency,created_via,date_created_gmt,date_paid_gmt,date_completed_gmt,"
    "total,discount_total,shipping_total,total_tax,payment_method,line_items,shipping_lines,coupon_lines,refunds"
)
#: The country without the address: fields of objects can be chosen since WordPress 5.3
#: (make.wordpress.org/core/2019/10/10).
_PLACE = "billing.country,billing.state,shipping.country,shipping.state"
_BUYER = "billing,shipping,customer_note"
_SOLD = (
    "sku,global_unique_id,price,regular_price,cost_of_goods_sold,tax_status,virtual,weight,manage_stock,"
    "backorders,permalink,attributes,status"
)
_PRODUCT = (
    f"{_PAGING},{_SOLD},name,type,variations,date_created_gmt,description,short_description,categories,tags,"
    "brands,images"
)
_VARIANT = f"id,{_SOLD},image"
_STOCK = "id,type,status,parent_id,variations,sku,manage_stock,stock_quantity,stock_status,date_created"
#: Products on a page if some of them have variations to ask for.
_FAMILIES = 50
#: Products in a row whose variations cannot be read, before the site counts as down.
_FAILURES = 3


class _Currency(msgspec.Struct):
    code: str


class _Setting(msgspec.Struct):
    value: str


_ORDERS, _ORDERS_WITH_BUYER, _PRODUCTS = (
    tuple(Collection(name, name, fields, [("status", status)], size) for status in ("any", "trash"))
    for name, fields, size in (
        ("orders", f"{_ORDER},{_PLACE}", LARGEST_PAGE),
        ("orders", f"{_ORDER},{_BUYER}", LARGEST_PAGE),
        ("products", _PRODUCT, _FAMILIES),
    )
)
_INVENTORY = (
    Collection("inventory", "products", _STOCK, whole=True),
    Collection("variations", "variations", _STOCK, whole=True),
    # Not only those of type `variable`: plugins bring types with variations.
    Collection("inventory", "products", _STOCK, size=_FAMILIES, whole=True),
)


def _patient(fetch: Fetch) -> Fetch:
    """If the site fails to answer, the page is empty, and its token asks for half as many rows.

    So the page size that a host manages is stored with the progress, and one call lasts no longer than a
    request.
    """

    @wraps(fetch)
    def wrapped(session: Session[Site], window: Window, token: str | None) -> Page:
        try:
            return fetch(session, window, token)
        except MarketplaceUnavailable:
            smaller = Place.parse(token).smaller()
            if smaller is None:
                raise
            return Page([], str(smaller), listed=0)

    return wrapped


@_patient
def fetch_orders(session: Session[Site], window: Window, token: str | None) -> Page:
    """Orders changed in the window; orders in the trash last."""
    step = read_step(session, _ORDERS_WITH_BUYER if session.store_buyer_pii else _ORDERS, window, token)
    wanted = (row for row in step.rows if _is_wanted(step, row, window))
    found = [row.raw for row in wanted if row.status not in order_records.INTERNAL_ORDERS]
    return _page_of(found, step.after(), 1 if step.place.part == 0 else None, step.unshown())


@_patient
def fetch_products(session: Session[Site], window: Window, token: str | None) -> Page:
    """Products changed in the window with all their variations and the shop's currency; the trash last."""
    step = read_step(session, _PRODUCTS, window, token)
    found: list[bytes] = []
    unshown: list[Unshown] = []

    def add(row: Row) -> None:
        if not _is_wanted(step, row, window) or row.status in product_records.INTERNAL_PRODUCTS:
            return
        variations = Variations([], 0, [])
        if row.has_variations and row.id is not None:
            try:
                variations = variations_of(session, row.id, _VARIANT, step.place.size)
            except (MarketplaceUnavailable, RequestRejected) as error:
                # One product without its variations is no product; nor does it stop the others.
                is_down = not found and len(unshown) >= _FAILURES
                if is_down or not is_narrow(step.place, window):
                    raise
                at = moment_of(row.modified)
                unshown.append(Unshown(str(row.id), error.message, str(row.id), at, at))
                return
        is_short = variations.total > len(variations.rows)
        is_weighed = product_records.is_weighed([row.raw, *map(bytes, variations.rows)])
        found.append(
            product_records.priced(
                currency_of(session),
                row.raw,
                variations.rows,
                is_short=is_short,
                weight_unit=_weight_unit_of(session) if is_weighed else None,
            )
        )

    used = _unhurried(session, step, add)
    unshown = [*step.unshown(used), *unshown]
    return _page_of(found, step.after(used), 1 if step.place.part == 0 else None, unshown)


@_patient
def fetch_inventory(session: Session[Site], window: Window, token: str | None) -> Page:
    """Stock of all products that have no variations, then of all variations."""
    try:
        step = read_step(session, _INVENTORY, window, token)
    except sites.NoRoute:
        place = Place.parse(token, len(_INVENTORY))
        if place.part != 1:
            raise
        # Before WooCommerce 10.3.
        step = read_step(session, _INVENTORY, window, str(place.beginning(2)))
    if step.place.part == 2:
        return _below_parents(session, step, window)
    rows = (row for row in step.rows if not step.is_read(row) and not row.has_variations)
    found = [row.raw for row in rows if row.status not in product_records.INTERNAL_PRODUCTS]
    return _page_of(found, step.after(), 1 if step.place.part == 0 else None, step.unshown())


def _below_parents(session: Session[Site], step: Step, window: Window) -> Page:
    """Stock of the variations of the next products that have some."""
    found: list[bytes] = []
    unshown: list[Unshown] = []
    shown = counted = 0

    def add(row: Row) -> None:
        nonlocal shown, counted
        if row.id is None:
            found.append(row.raw)
        elif row.has_variations and not step.is_read(row):
            narrow = is_narrow(step.place, window)
            variations = variations_of(session, row.id, _STOCK, step.place.size, is_narrow=narrow)
            found.extend(stock_records.below(row.id, raw) for raw in variations.rows)
            unshown.extend(
                Unshown(f"variation {hole.offset + 1} of product {row.id}", hole.reason)
                for hole in variations.holes
            )
            shown += len(variations.rows) + len(variations.holes)
            counted += variations.total

    used = _unhurried(session, step, add)
    # Such a product may have variations, which must not count as vanished.
    unshown += (replace(each, record_id=None) for each in step.unshown(used))
    after = step.after(used)
    place = msgspec.structs.replace(after.place, counted=after.place.counted + counted)
    return _page_of(found, after._replace(place=place, used=after.used + shown), None, unshown)


def currency_of(session: Session[Site]) -> str:
    """The shop's currency; one call a session."""
    site = session.settings
    if site.currency is None:
        site.currency = sites.ask(session, "currency", "data/currencies/current", _Currency).code
    return site.currency


def _weight_unit_of(session: Session[Site]) -> str | None:
    """The shop's unit of weight, by one call a session; None if the site refuses to tell it."""
    site = session.settings
    if site.weight_unit is None:
        path = "settings/products/woocommerce_weight_unit"
        try:
            site.weight_unit = sites.ask(session, "weight unit", path, _Setting).value
        except (PermissionDenied, RequestRejected):
            # Products without their weights are better than none.
            site.weight_unit = ""
    return site.weight_unit or None


def _is_wanted(step: Step, row: Row, window: Window) -> bool:
    """Whether a row is new here, and changed in the window; an old site does not filter by it."""
    if step.is_read(row):
        return False
    return not step.place.by_date or row.modified is None or row.modified >= first_second(window.since)


def _unhurried(session: Session[Site], step: Step, work: Callable[[Row], None]) -> int:
    """Work on a page's rows one by one, until that has taken long or fails.

    Returns:
        The number of finished rows.

    Raises:
        MarketplaceError: The first row that no earlier page had has failed.
    """
    clock = session.settings.clock
    begun = clock.monotonic()
    is_new = False
    for number, row in enumerate(step.rows, 1):
        try:
            work(row)
        except MarketplaceError:
            if not is_new:
                raise
            # The rows before it are stored, and the next page begins with this one.
            return number - 1
        is_new = is_new or not step.is_read(row)
        if clock.monotonic() - begun > _LONG_S:
            return number
    return len(step.rows)


def _page_of(
    found: Sequence[bytes], after: After, following_part: int | None, unshown: Sequence[Unshown]
) -> Page:
    """A page of records; the last one has the site's count of the rows in all parts."""
    place, more, used = after
    if more:
        place = msgspec.structs.replace(place, is_narrow=bool(unshown))
        return Page(found, str(place), listed=used, unshown=unshown)
    if following_part is not None:
        return Page(found, str(place.beginning(following_part)), listed=used, unshown=unshown)
    return Page(found, None, total=place.counted, listed=used, unshown=unshown)
