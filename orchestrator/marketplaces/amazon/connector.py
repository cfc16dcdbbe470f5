"""Amazon: Selling Partner API; orders and products by modification time, stock listed whole.

The sources of its facts are in `api`, `listings`, `stock`, `listing_search` and `report`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.errors import ConnectionInvalid
from orchestrator.marketplaces.amazon import listing_records, order_records, stock_records
from orchestrator.marketplaces.amazon.api import ACCESS, Credential, Seller, SellerSettings, ask, open_session
from orchestrator.marketplaces.amazon.consent import CONSENT
from orchestrator.marketplaces.amazon.listings import fetch_orders, fetch_products
from orchestrator.marketplaces.amazon.order_parts import buyers
from orchestrator.marketplaces.amazon.stock import fetch_inventory
from orchestrator.marketplaces.spec import Connector, Limiter, Listing, Session, Stream, by_name


class _Marketplace(msgspec.Struct):
    id: str


class _Participation(msgspec.Struct, rename="camel"):
    marketplace: _Marketplace
    store_name: str | None = None


class _Participations(msgspec.Struct):
    payload: list[_Participation]


def check(session: Session[Seller]) -> str:
    """Name the store, and check that it sells in the marketplaces of the settings.

    Raises:
        ConnectionInvalid: A marketplace id is not one of this seller's in this region.
    """
    seller = session.settings
    found = ask(session, "sellers", "/sellers/v1/marketplaceParticipations", _Participations).payload
    unknown = set(seller.marketplace_ids) - {each.marketplace.id for each in found}
    if unknown:
        raise ConnectionInvalid(
            f"amazon: the seller does not sell in {', '.join(sorted(unknown))} of region {seller.region}",
            action="correct marketplace_ids or region in the connection's settings",
        )
    store = next((each.store_name for each in found if each.store_name), None) or seller.seller_id
    return f"amazon: {store} ({seller.region}, {', '.join(seller.marketplace_ids)})"


# Most changes are visible after two minutes; Amazon refuses a younger upper bound.
_AGE = timedelta(minutes=3)

CONNECTOR = Connector(
    marketplace="amazon",
    settings=SellerSettings,
    credential=Credential,
    access=ACCESS,
    streams=by_name(
        Stream(
            "orders",
            Listing.INCREMENTAL,
            fetch=fetch_orders,
            normalize=order_records.order,
            version=2,
            record_id=order_records.order_id,
            age=_AGE,
            durable_token=True,
            remembers_all=False,
        ),
        Stream(
            "products",
            Listing.INCREMENTAL,
            fetch=fetch_products,
            normalize=listing_records.product,
            record_id=listing_records.product_id,
            version=2,
            age=_AGE,
            durable_token=True,
            long_span=timedelta.max,
        ),
        Stream(
            "inventory",
            Listing.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=stock_records.level,
            record_id=stock_records.level_id,
            version=2,
            durable_token=True,
        ),
    ),
    # Other sellers have been admitted since November 2000.
    epoch=datetime(2000, 11, 1, tzinfo=UTC),
    # A bucket for each operation (developer-docs.amazon.com/sp-api/docs/usage-plans-and-rate-limits).
    limiter=Limiter.STREAM,
    open=open_session,
    target=("region",),
    check=check,
    consent=CONSENT,
    personal_fields=buyers.PERSONAL_FIELDS,
)
