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

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.session_request import SessionRequest, read_credential, read_settings
from orchestrator.marketplaces.spec import Connector, Listing, Page, Session, Stream, Window
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce import records
from orchestrator.marketplaces.woocommerce.api import ACCESS, Credential, Site, SiteSettings
from orchestrator.marketplaces.woocommerce.listing import (
    Query,
    is_wanted,
    page_of,
    patient,
    read,
    unhurried,
    variations_of,
)
from orchestrator.marketplaces.woocommerce.walk import LARGEST_PAGE, Place, Row, Step

_WALKED = "id,date_created,date_modified_gmt"
_ORDER = f"{_WALKED},number,status,currency,date_created_gmt,total,line_items,refunds"
_BUYER = "billing,shipping"
_PRODUCT = f"{_WALKED},name,type,status,sku,global_unique_id,price,regular_price,date_created_gmt"
_VARIANT = "id,sku,global_unique_id,price,regular_price,attributes"
_STOCK = "id,type,parent_id,sku,manage_stock,stock_quantity,date_created"
#: Products listed at once where some have variations to ask for, and where all have.
_FAMILIES, _PARENTS = 50, 10


class _Currency(msgspec.Struct):
    code: str


_ORDERS, _ORDERS_WITH_BUYER, _PRODUCTS = (
    tuple(Query(name, name, fields, [("status", status)], size) for status in ("any", "trash"))
    for name, fields, size in (
        ("orders", _ORDER, LARGEST_PAGE),
        ("orders", f"{_ORDER},{_BUYER}", LARGEST_PAGE),
        ("products", _PRODUCT, _FAMILIES),
    )
)
_INVENTORY = (
    Query("inventory", "products", _STOCK, whole=True),
    Query("variations", "variations", _STOCK, whole=True),
    Query("inventory", "products", _STOCK, [("type", "variable")], _PARENTS, whole=True),
)


@patient
def fetch_orders(session: Session, window: Window, token: str | None) -> Page:
    """Orders changed in the window; those in the trash last."""
    step = read(session, _ORDERS_WITH_BUYER if session.store_buyer_pii else _ORDERS, window, token)
    found = [row.raw for row in step.rows if is_wanted(step, row, window)]
    return page_of(found, step.after(), 1 if step.place.part == 0 else None)


@patient
def fetch_products(session: Session, window: Window, token: str | None) -> Page:
    """Products changed in the window with all their variations and the shop's currency; the trash last."""
    step = read(session, _PRODUCTS, window, token)
    found: list[bytes] = []

    def add(row: Row) -> None:
        if not is_wanted(step, row, window):
            return
        variations: list[msgspec.Raw] = []
        if row.type == "variable" and row.id is not None:
            variations, _ = variations_of(session, row.id, _VARIANT, step.place.size)
        found.append(records.priced(_currency(session), row.raw, variations))

    used = unhurried(session, step.rows, add)
    return page_of(found, step.after(used), 1 if step.place.part == 0 else None)


@patient
def fetch_inventory(session: Session, window: Window, token: str | None) -> Page:
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


def _below_parents(session: Session, step: Step) -> Page:
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


def _currency(session: Session) -> str:
    """The shop's currency; one call a session."""
    site: Site = session.settings
    if site.currency is None:
        site.currency = sites.ask(session, "currency", "data/currencies/current", _Currency).code
    return site.currency


def open_session(opening: SessionRequest) -> Session:
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
    settings=SiteSettings,
    credential=Credential,
    access=ACCESS,
    streams={
        "orders": Stream(
            name="orders",
            listing=Listing.INCREMENTAL,
            fetch=fetch_orders,
            normalize=records.order,
            record_id=records.order_id,
            version=1,
            age=_AGE,
            durable_token=True,
            remembers_all=False,
            # Edited lines and some refunds move no modification time: those of recent orders are found here.
            long_span=timedelta(days=30),
        ),
        "products": Stream(
            name="products",
            listing=Listing.INCREMENTAL,
            fetch=fetch_products,
            normalize=records.product,
            record_id=records.product_id,
            version=1,
            age=_AGE,
            durable_token=True,
            # An edited variation does not always move its product's modification time.
            long_span=timedelta.max,
        ),
        "inventory": Stream(
            name="inventory",
            listing=Listing.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=records.level,
            record_id=records.level_id,
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
