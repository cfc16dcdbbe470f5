"""Shopify: Admin GraphQL 2026-10; orders, products and stock, all by modification time.

The sources of its facts are in `api` and `listings`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.marketplaces.shopify import order_records, product_records, queries, stock_records
from orchestrator.marketplaces.shopify.api import ACCESS, Credential, Shop, ShopSettings, ask, open_session
from orchestrator.marketplaces.shopify.listings import fetch_inventory, fetch_orders, fetch_products
from orchestrator.marketplaces.shopify.order_details import complete_orders
from orchestrator.marketplaces.shopify.product_details import complete_products, has_many_variants
from orchestrator.marketplaces.spec import Connector, Limiter, Listing, Session, Stream, by_name


class _Name(msgspec.Struct, rename="camel"):
    name: str
    myshopify_domain: str


class _ShopName(msgspec.Struct):
    shop: _Name


def check(session: Session[Shop]) -> str:
    """Name the shop that the credential opens."""
    shop = ask(session, "shop", queries.SHOP, _ShopName).shop
    return f"shopify: {shop.name} ({shop.myshopify_domain})"


_AGE = timedelta(minutes=2)

CONNECTOR = Connector(
    marketplace="shopify",
    settings=ShopSettings,
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
            complete=complete_orders,
            complete_rows=queries.DEADLINES_SIZE,
            detail_fields=("fulfillments", "refunds"),
            # 2: totals before refunds, lines after all discounts, orders without a payment are pending; the
            # records of version 2.
            version=2,
            ordered=True,
            remembers_all=False,
            # Deleted orders leave no trace; only recent ones matter.
            long_span=timedelta(days=14),
        ),
        Stream(
            "products",
            Listing.INCREMENTAL,
            fetch=fetch_products,
            normalize=product_records.product,
            record_id=product_records.product_id,
            age=_AGE,
            durable_token=True,
            complete=complete_products,
            complete_rows=queries.WHOLE_PRODUCTS_SIZE,
            completed_alone=has_many_variants,
            detail_fields=product_records.DETAIL_FIELDS,
            # 2: the records of version 2.
            version=2,
            ordered=True,
            long_span=timedelta.max,
        ),
        Stream(
            "inventory",
            Listing.INCREMENTAL,
            fetch=fetch_inventory,
            normalize=stock_records.level,
            record_id=stock_records.level_id,
            age=_AGE,
            durable_token=True,
            # 2: stock that is not counted is null, levels name product and variant.
            version=2,
            long_span=timedelta.max,
        ),
    ),
    epoch=datetime(2006, 1, 1, tzinfo=UTC),
    # One bucket of points for each app and shop (shopify.dev/docs/api/usage/limits).
    limiter=Limiter.CONNECTION,
    open=open_session,
    target=("shop",),
    check=check,
    personal_fields=order_records.PERSONAL_FIELDS,
)
