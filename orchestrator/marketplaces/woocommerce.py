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
from urllib.parse import urlsplit

import msgspec

from orchestrator.marketplaces import woocommerce_records as records
from orchestrator.marketplaces import woocommerce_site as sites
from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.opening import Opening, read_credential, read_settings
from orchestrator.marketplaces.spec import Connector, Page, Session, Sort, Stream, Window
from orchestrator.marketplaces.woocommerce_site import LARGEST_PAGE, Credential, Site, SiteSettings
from orchestrator.marketplaces.woocommerce_walk import (
    After,
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
    return _page(found, step.after(), 1 if step.place.part == 0 else None)


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
    return _page(found, step.after(used), 1 if step.place.part == 0 else None)


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
    return _page(found, step.after(), 1 if step.place.part == 0 else None)


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
    return _page(found, after._replace(place=place, used=after.used + shown), None)


def _read(session: Session, listings: Sequence[_Listing], window: Window, token: str | None) -> Step:
    """The page at a token.

    Raises:
        PageTokenExpired: The token is not one of ours.
        MarketplaceError: The page could not be read.
    """
    site: Site = session.settings
    place = Place.parse(token, len(listings))
    listing = listings[place.part]
    if not (listing.whole or site.is_old or place.by_date):
        try:
            step = _step(session, listing, window, place)
        except sites.InvalidParameter:
            # Before 4.4 it does not take `orderby=modified`.
            site.is_old = True
        else:
            if not is_unfiltered(step, window):
                return step
            site.is_old = True
    if not place.by_date:
        place = Place(part=place.part, by_date=True, counted=place.counted)
    return _step(session, listing, window, place)


def _step(session: Session, listing: _Listing, window: Window, place: Place) -> Step:
    params = [*listing.params, *bounds(place, window), ("_fields", listing.fields)]
    listed = sites.list_rows(session, listing.operation, listing.path, params, listing.size)
    return Step(place, read_rows(listed, by_date=place.by_date), listed)


def _is_wanted(step: Step, row: Row, window: Window) -> bool:
    """Whether a row is new here, and changed in the window, which an old site does not filter by."""
    if step.is_read(row):
        return False
    return not step.place.by_date or row.modified is None or row.modified >= first_second(window.since)


def _unhurried(session: Session, rows: Sequence[Row], work: Callable[[Row], None]) -> int:
    """Work on the rows one by one, until that has taken long; how many were worked on."""
    clock = session.settings.clock
    begun = clock.monotonic()
    for number, row in enumerate(rows, 1):
        work(row)
        if clock.monotonic() - begun > _LONG_S:
            return number
    return len(rows)


def _variations(session: Session, product_id: int, fields: str) -> tuple[list[msgspec.Raw], int]:
    """All variations of a product, and how many the site counts."""
    found: list[msgspec.Raw] = []
    while True:
        params = [("orderby", "id"), ("order", "asc"), ("offset", str(len(found))), ("_fields", fields)]
        path = f"products/{product_id}/variations"
        listed = sites.list_rows(session, "variations", path, params, LARGEST_PAGE)
        found += listed.rows
        total = listed.total if listed.total is not None else len(found)
        is_full = len(listed.rows) >= listed.asked
        if not listed.rows or (len(found) >= total and not (listed.total is None and is_full)):
            return found, max(total, len(found))


def _page(found: Sequence[bytes], after: After, following_part: int | None) -> Page:
    """A page of records; the last one tells how many rows the site has counted in all parts."""
    place, more, used = after
    if more:
        return Page(found, str(place), listed=used)
    if following_part is not None:
        return Page(found, str(Place(part=following_part, counted=place.counted)), listed=used)
    return Page(found, None, total=place.counted, listed=used)


def _currency(session: Session) -> str:
    """The shop's currency; one call a session."""
    site: Site = session.settings
    if site.currency is None:
        site.currency = sites.ask(session, "currency", "data/currencies/current", _Currency).code
    return site.currency


def open_session(opening: Opening) -> Session:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(opening, SiteSettings)
    credential = read_credential(opening, Credential)
    client = Client(
        opening,
        marketplace="woocommerce",
        hosts=frozenset({urlsplit(settings.site).netloc}),
        auth=credential.basic,
        errors=sites.ERRORS,
        error_code=sites.error_code,
        base_url=settings.base_url,
    )
    site = Site(settings.site.rstrip("/"), credential, opening.clock)
    return Session(client, site, opening.connection.store_buyer_pii)


def check(session: Session) -> str:
    """Name the shop the keys open, and its currency."""
    currency = _currency(session)
    return f"woocommerce: {session.settings.address} ({currency})"


_AGE = timedelta(minutes=2)

CONNECTOR = Connector(
    marketplace="woocommerce",
    streams={
        "orders": Stream(
            name="orders",
            sort=Sort.INCREMENTAL,
            fetch=fetch_orders,
            normalize=records.order,
            identify=records.order_id,
            version=1,
            age=_AGE,
            durable_token=True,
            remembers_all=False,
            # Edited lines and some refunds move no modification time: those of recent orders are found here.
            long_span=timedelta(days=30),
        ),
        "products": Stream(
            name="products",
            sort=Sort.INCREMENTAL,
            fetch=fetch_products,
            normalize=records.product,
            identify=records.product_id,
            version=1,
            age=_AGE,
            durable_token=True,
            # An edited variation does not always move its product's modification time.
            long_span=timedelta.max,
        ),
        "inventory": Stream(
            name="inventory",
            sort=Sort.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=records.level,
            identify=records.level_id,
            version=1,
            age=timedelta(0),
            durable_token=True,
        ),
    },
    # Shops move their old orders along when they come to WooCommerce, which is of 2011.
    epoch=datetime(2000, 1, 1, tzinfo=UTC),
    open=open_session,
    check=check,
    personal_fields=records.PERSONAL_FIELDS,
)
