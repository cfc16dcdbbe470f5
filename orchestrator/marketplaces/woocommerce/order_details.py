"""The second stage of orders: the lines of their refunds, and their parcels.

Sources: developer.woocommerce.com, refunds and order refunds; `order_parts.parcels` names those of parcels.
Read 2026-11-29. An order lists its refunds with id, reason and total alone. Since WooCommerce 9
(woocommerce#46895) `refunds` answers for those of several orders, by their ids. If it does not tell all of an
order's, or the site is older, they cost one call an order. So do parcels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import PermissionDenied
from orchestrator.marketplaces.spec import Session
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce.api import InvalidParameter, NoRoute, Site
from orchestrator.marketplaces.woocommerce.order_parts.parcels import NO_CALL
from orchestrator.marketplaces.woocommerce.pagination import LARGEST_PAGE

_REFUNDS = (
    ("orderby", "id"),
    ("order", "asc"),
    ("_fields", "id,date_created_gmt,amount,reason,line_items"),
)
#: Nearly always all of an order's refunds, and few enough for a host that answers larger pages too late.
_PAGE = 20
#: Orders are completed together until this many have a call of their own.
_MOST_CALLS = 10
_CORE = "id,status,is_fulfilled,date_deleted,meta_data"
_TRACKING = "tracking_id,tracking_provider,tracking_number,date_shipped"
#: It can hold the buyer's postal code.
_LINK = "tracking_link"
_EXTENSION = "wc-shipment-tracking/v3"


class _Refund(msgspec.Struct):
    id: int


class _Listed(msgspec.Struct):
    id: int
    status: str = ""
    refunds: object = None

    def refund_ids(self) -> list[int]:
        """The ids of its refunds if one call can tell them, else none."""
        if not self.refunds:
            return []
        try:
            ids = sorted({each.id for each in msgspec.convert(self.refunds, list[_Refund])})
        except UNREADABLE:
            return []
        return ids if len(ids) <= _PAGE else []


def with_details(session: Session[Site], rows: Sequence[bytes]) -> list[bytes]:
    """The first orders with their whole refunds and, by the setting `tracking`, with their parcels.

    An order without a refund that is not completed, or one that cannot be read, stays as it is.
    """
    orders = _first(session.settings, rows)
    refunds = _by_id(session, [ids for each in orders if each is not None and (ids := each.refund_ids())])
    completed: list[bytes] = []
    calls = 0
    for raw, order in zip(rows, orders, strict=False):
        if order is not None:
            # A site may not tell the refunds that it lists: then each of these orders has a call of its own.
            is_untold = bool(order.refunds) and _told(order, refunds) is None
            calls += is_untold + _has_parcels(session.settings, order)
        if completed and calls > _MOST_CALLS:
            break
        completed.append(raw if order is None else _completed(session, raw, order, refunds))
    return completed


def _first(site: Site, rows: Sequence[bytes]) -> list[_Listed | None]:
    """The orders whose refunds one call can tell; None for one that cannot be read."""
    orders: list[_Listed | None] = []
    refunds = 0
    for raw in rows:
        try:
            order = msgspec.json.decode(raw, type=_Listed)
        except UNREADABLE:
            orders.append(None)
            continue
        refunds += 0 if site.has_no_refunds else len(order.refund_ids())
        if orders and refunds > _PAGE:
            break
        orders.append(order)
    return orders


def _has_parcels(site: Site, order: _Listed) -> bool:
    return site.tracking is not None and order.status == "completed"


def _by_id(session: Session[Site], ids: Sequence[list[int]]) -> Mapping[int, msgspec.Raw]:
    """The refunds with the ids of several orders, as far as the site tells them."""
    site = session.settings
    if site.has_no_refunds or len(ids) <= 1:
        return {}
    asked = ",".join(map(str, chain.from_iterable(ids)))
    try:
        page = sites.list_rows(session, "refunds", "refunds", [*_REFUNDS, ("include", asked)], _PAGE)
    except (NoRoute, InvalidParameter, PermissionDenied):  # the orders' own calls decide
        site.has_no_refunds = True
        return {}
    return {found: raw for raw in page.rows if (found := _id(raw)) is not None}


def _id(raw: msgspec.Raw) -> int | None:
    try:
        return msgspec.json.decode(raw, type=_Refund).id
    except UNREADABLE:
        return None


def _told(order: _Listed, refunds: Mapping[int, msgspec.Raw]) -> list[msgspec.Raw] | None:
    """All refunds of an order; None if some of them are missing."""
    ids = order.refund_ids()
    return [refunds[each] for each in ids] if ids and refunds.keys() >= set(ids) else None


def _completed(
    session: Session[Site], raw: bytes, order: _Listed, refunds: Mapping[int, msgspec.Raw]
) -> bytes:
    site, found = session.settings, dict[str, object]()
    if order.refunds:
        found["whole_refunds"] = _told(order, refunds) or _refunds(session, order.id)
    if site.tracking is not None and _has_parcels(site, order):
        found[site.tracking] = _parcels(session, order.id)
    if not found:
        return raw
    return msgspec.json.encode({**msgspec.json.decode(raw, type=dict[str, msgspec.Raw]), **found})


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
