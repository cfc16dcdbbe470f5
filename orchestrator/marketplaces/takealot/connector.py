"""Takealot: Marketplace API v1, or the older Seller API v2 if the connection's setting `api` says so.

The sources of its facts are in `listings` and `v2_listings`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.pacing import RemainingCalls
from orchestrator.marketplaces.session_request import SessionRequest, read_credential, read_settings
from orchestrator.marketplaces.spec import Connector, Limiter, Listing, Session, Stream, by_name
from orchestrator.marketplaces.takealot import records, sale_records, v2_records
from orchestrator.marketplaces.takealot.api import ACCESS, Api, Credential, SellerSettings
from orchestrator.marketplaces.takealot.listings import MARKETPLACE_V1
from orchestrator.marketplaces.takealot.v2_listings import SELLER_V2
from orchestrator.marketplaces.takealot.v2_records import either

_APIS = {"marketplace_v1": MARKETPLACE_V1, "seller_v2": SELLER_V2}


def open_session(request: SessionRequest) -> Session[Api]:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(request, SellerSettings)
    credential = read_credential(request, Credential)
    api = _APIS[settings.api]
    client = Client(
        request,
        marketplace="takealot",
        hosts=frozenset({api.host}),
        auth=api.header(credential.api_key),
        pace=RemainingCalls(request.clock, remaining="x-RateLimit-Remaining", reset="x-RateLimit-Reset"),
        base_url=settings.base_url,
    )
    return Session(client, api, request.connection.store_buyer_pii)


CONNECTOR = Connector(
    marketplace="takealot",
    settings=SellerSettings,
    credential=Credential,
    access=ACCESS,
    streams=by_name(
        Stream(
            "orders",
            Listing.ROLLING,
            fetch=lambda session, window, token: session.settings.fetch_orders(session, window, token),
            normalize=either(sale_records.order, v2_records.order),
            record_id=either(sale_records.order_id, v2_records.order_id),
            version=2,
            age=timedelta(minutes=2),
            durable_token=True,
            remembers_all=False,
            short_span=timedelta(days=3),
            long_span=timedelta(days=90),
        ),
        Stream(
            "products",
            Listing.SNAPSHOT,
            fetch=lambda session, window, token: session.settings.fetch_products(session, window, token),
            normalize=either(records.product, v2_records.product),
            record_id=either(records.product_id, v2_records.product_id),
            version=2,
            durable_token=False,
        ),
        Stream(
            "inventory",
            Listing.SNAPSHOT,
            fetch=lambda session, window, token: session.settings.fetch_inventory(session, window, token),
            normalize=either(records.level, v2_records.level),
            record_id=either(records.level_id, v2_records.level_id),
            version=2,
            durable_token=False,
        ),
    ),
    # The company was founded in 2011; its marketplace is younger.
    epoch=datetime(2011, 1, 1, tzinfo=UTC),
    # Its guidance gives limits for each API key; a refusal of one call is taken for the whole key.
    limiter=Limiter.CONNECTION,
    open=open_session,
    target=("api",),
    check=lambda session: session.settings.check(session),
    personal_fields=sale_records.PERSONAL_FIELDS,
)
