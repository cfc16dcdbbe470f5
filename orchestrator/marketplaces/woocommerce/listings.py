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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce import records
from orchestrator.marketplaces.woocommerce.api import Site
from orchestrator.marketplaces.woocommerce.pagination import (
    LARGEST_PAGE,
    After,
    Place,
    Row,
    Step,
    bounds,
    first_second,
    is_unfiltered,
    read_rows,
)

Fetch = Callable[[Session[Site], Window, str | None], Page]
#: If each row needs calls of its own, a page ends with the row that completes this many seconds.
_LONG_S = 10.0
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


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of the site, or a part of one."""

    operation: str
    path: str
    fields: str
    #: Parameters beside those of the paging.
    params: Sequence[tuple[str, str]] = ()
    size: int = LARGEST_PAGE
    #: Whether everything is listed, by creation.
    whole: bool = False


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
    step = _read(session, _ORDERS_WITH_BUYER if session.store_buyer_pii else _ORDERS, window, token)
    found = [row.raw for row in step.rows if _is_wanted(step, row, window)]
    return _page_of(found, step.after(), 1 if step.place.part == 0 else None)


@_patient
def fetch_products(session: Session[Site], window: Window, token: str | None) -> Page:
    """Products changed in the window with all their variations and the shop's currency; the trash last."""
    step = _read(session, _PRODUCTS, window, token)
    found: list[bytes] = []

    def add(row: Row) -> None:
        if not _is_wanted(step, row, window):
            return
        variations: list[msgspec.Raw] = []
        if row.type == "variable" and row.id is not None:
            variations, _ = variations_of(session, row.id, _VARIANT, step.place.size)
        found.append(records.priced(currency_of(session), row.raw, variations))

    used = _unhurried(session, step.rows, add)
    return _page_of(found, step.after(used), 1 if step.place.part == 0 else None)


@_patient
def fetch_inventory(session: Session[Site], window: Window, token: str | None) -> Page:
    """Stock of all products that are not variable, then of all variations."""
    try:
        step = _read(session, _INVENTORY, window, token)
    except sites.NoRoute:
        place = Place.parse(token, len(_INVENTORY))
        if place.part != 1:
            raise
        # Before WooCommerce 10.3.
        step = _read(session, _INVENTORY, window, str(place.beginning(2)))
    if step.place.part == 2:
        return _below_parents(session, step)
    found = [row.raw for row in step.rows if not step.is_read(row) and row.type != "variable"]
    return _page_of(found, step.after(), 1 if step.place.part == 0 else None)


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

    after = step.after(_unhurried(session, step.rows, add))
    place = msgspec.structs.replace(after.place, counted=after.place.counted + counted)
    return _page_of(found, after._replace(place=place, used=after.used + shown), None)


def currency_of(session: Session[Site]) -> str:
    """The shop's currency; one call a session."""
    site = session.settings
    if site.currency is None:
        site.currency = sites.ask(session, "currency", "data/currencies/current", _Currency).code
    return site.currency


def _read(session: Session[Site], parts: Sequence[Collection], window: Window, token: str | None) -> Step:
    """The page at a token.

    Raises:
        PageTokenExpired: The token is not one of ours.
        MarketplaceError: The page could not be read.
    """
    site = session.settings
    place = Place.parse(token, len(parts))
    part = parts[place.part]
    if not (part.whole or site.is_old or place.by_date):
        try:
            step = _step(session, part, window, place)
        except sites.InvalidParameter:
            # Before 4.4 it does not accept `orderby=modified`.
            site.is_old = True
        else:
            if not is_unfiltered(step, window):
                return step
            site.is_old = True
    if not place.by_date:
        place = place.beginning(place.part, by_date=True)
    return _step(session, part, window, place)


def _step(session: Session[Site], part: Collection, window: Window, place: Place) -> Step:
    params = [*part.params, *bounds(place, window), ("_fields", part.fields)]
    size = min(part.size, place.size)
    listed = sites.list_rows(session, part.operation, part.path, params, size)
    if not listed.rows and (listed.total or 0) > place.skip:
        # An empty answer from a cache or a plugin: taken for the end, it would lose the counted rows.
        message = f"woocommerce {part.operation}: the site counts {listed.total} rows and sent none"
        raise MarketplaceUnavailable(message)
    rows = read_rows(listed, by_date=place.by_date)
    if place.by_id:
        # A page may end before its last row; the rows after that end must have higher ids.
        rows.sort(key=lambda row: row.id or 0)
    return Step(place, rows, listed)


def _is_wanted(step: Step, row: Row, window: Window) -> bool:
    """Whether a row is new here, and changed in the window; an old site does not filter by it."""
    if step.is_read(row):
        return False
    return not step.place.by_date or row.modified is None or row.modified >= first_second(window.since)


def _unhurried(session: Session[Site], rows: Sequence[Row], work: Callable[[Row], None]) -> int:
    """Work on the rows one by one, until that has taken long; returns the number of finished rows."""
    clock = session.settings.clock
    begun = clock.monotonic()
    for number, row in enumerate(rows, 1):
        work(row)
        if clock.monotonic() - begun > _LONG_S:
            return number
    return len(rows)


def variations_of(
    session: Session[Site], product_id: int, fields: str, size: int
) -> tuple[list[msgspec.Raw], int]:
    """All variations of a product, and the site's count of them."""
    found: list[msgspec.Raw] = []
    while True:
        params = [("orderby", "id"), ("order", "asc"), ("offset", str(len(found))), ("_fields", fields)]
        path = f"products/{product_id}/variations"
        listed = sites.list_rows(session, "variations", path, params, size)
        found += listed.rows
        total = listed.total if listed.total is not None else len(found)
        is_full = len(listed.rows) >= listed.asked
        if not listed.rows or (len(found) >= total and not (listed.total is None and is_full)):
            return found, max(total, len(found))


def _page_of(found: Sequence[bytes], after: After, following_part: int | None) -> Page:
    """A page of records; the last one has the site's count of the rows in all parts."""
    place, more, used = after
    if more:
        return Page(found, str(place), listed=used)
    if following_part is not None:
        return Page(found, str(place.beginning(following_part)), listed=used)
    return Page(found, None, total=place.counted, listed=used)
