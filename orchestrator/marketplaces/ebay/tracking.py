"""The second stage of orders: their parcels, which cost one call an order.

Source: eBay's own description of Fulfillment 1.20.7, read 2026-11-28. An order lists the addresses of its
parcels in `fulfillmentHrefs`; they are URLs and are not followed. The call counts against the application's
quota of the Fulfillment API, which all of its sellers share.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.marketplaces.ebay.api import Seller, ask
from orchestrator.marketplaces.ebay.listings import ORDERS_URL
from orchestrator.marketplaces.spec import Session


class _Listed(msgspec.Struct):
    order_id: str = msgspec.field(name="orderId")
    hrefs: list[msgspec.Raw] = msgspec.field(default=[], name="fulfillmentHrefs")


class _Parcels(msgspec.Struct):
    fulfillments: msgspec.Raw


def with_parcels(session: Session[Seller], rows: Sequence[bytes]) -> list[bytes]:
    """The orders with their parcels; an order without one, or one that cannot be read, stays as it is."""
    return [_completed(session, raw) for raw in rows]


def _completed(session: Session[Seller], raw: bytes) -> bytes:
    try:
        listed = msgspec.json.decode(raw, type=_Listed)
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return raw
    if not listed.hrefs:
        return raw
    # Ids of older orders have an exclamation mark.
    url = f"{ORDERS_URL}/{quote(listed.order_id, safe='')}/shipping_fulfillment"
    parcels = ask(session, "shipping_fulfillments", url, _Parcels, []).fulfillments
    return msgspec.json.encode({**fields, "shippingFulfillments": parcels})
