"""eBay: Fulfillment and Inventory v1; orders by modification time, the catalogue listed whole.

The sources of its facts are in `api` and `listings`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.marketplaces.ebay import item_records, order_records, stock_records
from orchestrator.marketplaces.ebay.api import ACCESS, Credential, Seller, SiteSettings, open_session
from orchestrator.marketplaces.ebay.consent import CONSENT
from orchestrator.marketplaces.ebay.listings import count_items, fetch_inventory, fetch_orders, fetch_products
from orchestrator.marketplaces.ebay.tracking import with_parcels
from orchestrator.marketplaces.spec import Connector, Limiter, Listing, Session, Stream, by_name


def check(session: Session[Seller]) -> str:
    """Count the inventory items that the credential can read."""
    return (
        f"ebay: {session.settings.marketplace_id}, {count_items(session)} inventory items; "
        "listings made outside the Inventory model are not seen until they are migrated to it"
    )


CONNECTOR = Connector(
    marketplace="ebay",
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
            age=timedelta(minutes=2),
            durable_token=True,
            remembers_all=False,
            # After 90 days eBay masks buyers: stored orders that old are not read again without need.
            long_span=timedelta(days=30),
            complete=with_parcels,
            detail_fields=("fulfillments",),
            version=2,
        ),
        Stream(
            "products",
            Listing.SNAPSHOT,
            fetch=fetch_products,
            normalize=item_records.product,
            record_id=item_records.product_id,
            durable_token=True,
            version=2,
        ),
        Stream(
            "inventory",
            Listing.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=stock_records.level,
            record_id=stock_records.level_id,
            durable_token=False,
            version=2,
        ),
    ),
    epoch=datetime(1995, 9, 3, tzinfo=UTC),
    # Quotas for each API resource (developer.ebay.com/api-docs/developer/analytics, getRateLimits).
    limiter=Limiter.STREAM,
    open=open_session,
    check=check,
    consent=CONSENT,
    personal_fields=order_records.PERSONAL_FIELDS,
)
