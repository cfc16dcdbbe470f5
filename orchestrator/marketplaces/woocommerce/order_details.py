"""The second stage of orders: the lines of their refunds, and their parcels; each costs one call an order.

Sources: woocommerce-rest-api-docs (wp-api-v3), order refunds; `order_parts.parcels` names those of parcels.
Read 2026-11-28. An order lists its refunds with id, reason and total alone. The listing of all refunds exists
since WooCommerce 9 (woocommerce#46895), and its rows do not document the order's id.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.marketplaces.spec import Session
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce.api import NoRoute, Site
from orchestrator.marketplaces.woocommerce.order_parts.parcels import NO_CALL
from orchestrator.marketplaces.woocommerce.pagination import LARGEST_PAGE

_REFUNDS = (
    ("orderby", "id"),
    ("order", "asc"),
    ("_fields", "id,date_created_gmt,amount,reason,line_items"),
)
#: Nearly always all of an order's refunds, and few enough for a host that answers larger pages too late.
_PAGE = 20
_CORE = "id,status,is_fulfilled,date_deleted,meta_data"
_TRACKING = "tracking_id,tracking_provider,tracking_number,date_shipped"
#: It can hold the buyer's postal code.
_LINK = "tracking_link"
_EXTENSION = "wc-shipment-tracking/v3"


class _Listed(msgspec.Struct):
    id: int
    status: str = ""
    refunds: object = None


def with_details(session: Session[Site], rows: Sequence[bytes]) -> list[bytes]:
    """The orders with their whole refunds and, by the setting `tracking`, with their parcels.

    An order without a refund that is not completed, or one that cannot be read, stays as it is.
    """
    return [_completed(session, raw) for raw in rows]


def _completed(session: Session[Site], raw: bytes) -> bytes:
    try:
        listed = msgspec.json.decode(raw, type=_Listed)
        source = session.settings.tracking if listed.status == "completed" else None
        if not listed.refunds and source is None:
            return raw
        row: dict[str, object] = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return raw
    if listed.refunds:
        row["whole_refunds"] = _refunds(session, listed.id)
    if source is not None:
        row[source] = _parcels(session, listed.id)
    return msgspec.json.encode(row)


def _refunds(session: Session[Site], order_id: int) -> list[msgspec.Raw]:
    """All refunds of an order, each once."""
    found: list[msgspec.Raw] = []
    seen: set[int] = set()
    while True:
        params = [*_REFUNDS, ("offset", str(len(found)))]
        page = sites.list_rows(session, "refunds", f"orders/{order_id}/refunds", params, _PAGE)
        new = sites.unread(page.rows, seen)
        found += new
        is_full = len(page.rows) >= page.asked
        if not new or not (is_full or len(found) < (page.total or 0)):
            return found


def _parcels(session: Session[Site], order_id: int) -> list[msgspec.Raw] | msgspec.Raw:
    """The rows of an order's parcels; `NO_CALL` if the site has no such call, which is asked for once."""
    site = session.settings
    if site.has_no_tracking:
        return msgspec.Raw(NO_CALL)
    try:
        if site.tracking == "core":
            params = [("_fields", _CORE)]
            path = f"orders/{order_id}/fulfillments"
            return sites.list_rows(session, "fulfillments", path, params, LARGEST_PAGE).rows
        params = [("_fields", f"{_TRACKING},{_LINK}" if session.store_buyer_pii else _TRACKING)]
        path = f"orders/{order_id}/shipment-trackings"
        page = sites.list_rows(session, "trackings", path, params, LARGEST_PAGE, namespace=_EXTENSION)
    except NoRoute:
        # The feature or the extension is off: orders without parcels are better than none.
        site.has_no_tracking = True
        return msgspec.Raw(NO_CALL)
    return page.rows
