"""WooCommerce: REST v3 of a self-hosted shop; orders and products by modification time, stock listed whole.

The sources of its facts are in `api`, `listings` and `pagination`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.marketplaces.spec import Connector, Limiter, Listing, Session, Stream, by_name
from orchestrator.marketplaces.woocommerce import order_records, product_records, stock_records
from orchestrator.marketplaces.woocommerce.api import ACCESS, Credential, Site, SiteSettings, open_session
from orchestrator.marketplaces.woocommerce.listings import (
    currency_of,
    fetch_inventory,
    fetch_orders,
    fetch_products,
)
from orchestrator.marketplaces.woocommerce.order_details import with_details


def check(session: Session[Site]) -> str:
    """Name the shop that the keys open, and its currency."""
    currency = currency_of(session)
    return f"woocommerce: {session.settings.address} ({currency})"


_AGE = timedelta(minutes=2)

CONNECTOR = Connector(
    marketplace="woocommerce",
    settings=SiteSettings,
    credential=Credential,
    access=ACCESS,
    streams=by_name(
        Stream(
            "orders",
            Listing.INCREMENTAL,
            fetch=fetch_orders,
            normalize=order_records.order,
            record_id=order_records.order_id,
            age=_AGE,
            durable_token=True,
            version=2,
            complete=with_details,
            complete_rows=100,
            detail_fields=("refunds", "fulfillments"),
            remembers_all=False,
            # Edited lines and some refunds move no modification time; this finds those of recent orders.
            long_span=timedelta(days=30),
        ),
        Stream(
            "products",
            Listing.INCREMENTAL,
            fetch=fetch_products,
            normalize=product_records.product,
            record_id=product_records.product_id,
            age=_AGE,
            durable_token=True,
            version=2,
            # An edited variation does not always move its product's modification time.
            long_span=timedelta.max,
        ),
        Stream(
            "inventory",
            Listing.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=stock_records.level,
            record_id=stock_records.level_id,
            durable_token=True,
            version=2,
        ),
    ),
    # Shops bring older orders when they move to WooCommerce, which exists since 2011.
    epoch=datetime(2000, 1, 1, tzinfo=UTC),
    # The site's host or firewall limits calls, and it counts all of them.
    limiter=Limiter.CONNECTION,
    open=open_session,
    target=("site",),
    check=check,
    personal_fields=order_records.PERSONAL_FIELDS,
)
