"""The second stage of orders: the lines of their refunds, which cost one call an order.

Source: woocommerce-rest-api-docs (wp-api-v3), order refunds; read 2026-11-28. An order lists its refunds with
id, reason and total alone. The listing of all refunds exists since WooCommerce 9 (woocommerce#46895), and its
rows do not document the order's id.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.marketplaces.spec import Session
from orchestrator.marketplaces.values import Many
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce.api import Site

_PARAMS = (
    ("orderby", "id"),
    ("order", "asc"),
    ("_fields", "id,date_created_gmt,amount,reason,line_items"),
)
#: Nearly always all of an order's, and few enough for a host that answers larger pages too late.
_PAGE = 20


class _Listed(msgspec.Struct):
    id: int
    refunds: Many[msgspec.Raw]


def with_refunds(session: Session[Site], rows: Sequence[bytes]) -> list[bytes]:
    """The orders with their whole refunds; one without a refund, or one that cannot be read, as it is."""
    return [_completed(session, raw) for raw in rows]


def _completed(session: Session[Site], raw: bytes) -> bytes:
    try:
        listed = msgspec.json.decode(raw, type=_Listed)
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return raw
    if not listed.refunds:
        return raw
    return msgspec.json.encode({**fields, "whole_refunds": _all_of(session, f"orders/{listed.id}/refunds")})


def _all_of(session: Session[Site], path: str) -> list[msgspec.Raw]:
    found: list[msgspec.Raw] = []
    while True:
        params = [*_PARAMS, ("offset", str(len(found)))]
        page = sites.list_rows(session, "refunds", path, params, _PAGE)
        found += page.rows
        is_full = len(page.rows) >= page.asked
        if not page.rows or not (is_full or len(found) < (page.total or 0)):
            return found
