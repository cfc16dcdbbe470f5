"""The second stage of Shopify's orders: the lines of parcels and refunds, only for orders that need them.

By the setting `fulfillment_orders`, the fulfilment orders of an order that is not sent yet tell its deadline.

`Order.fulfillments` and `Order.refunds` are lists without a cursor (shopify.dev, Order 2026-10). If as many
come as were asked for, all ids are asked for, and each of the others is read by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import PermissionDenied, ResponseInvalid
from orchestrator.marketplaces.shopify import queries
from orchestrator.marketplaces.shopify.api import Shop, ask
from orchestrator.marketplaces.shopify.nested_rows import Rows, all_rows
from orchestrator.marketplaces.shopify.order_parts.parcels import awaits_shipment, needs_details
from orchestrator.marketplaces.spec import Session

_OPERATION = "order details"
_Node = dict[str, Any]


class _Row(msgspec.Struct):
    id: str


class _Details(msgspec.Struct):
    fulfillments: list[_Node]
    refunds: list[_Node]


class _DetailsOf(msgspec.Struct):
    #: None if the order was deleted after its page was read.
    row: _Details | None


class _Part(msgspec.Struct):
    #: None if it was deleted meanwhile.
    row: _Node | None


def complete_orders(session: Session[Shop], orders: Sequence[bytes]) -> Sequence[bytes]:
    """The orders with all parcels, refunds and deadlines; one that needs no call is returned as it is.

    Raises:
        MarketplaceError: An order's details could not be read.
    """
    whole = [_completed(session, raw) if needs_details(raw) else raw for raw in orders]
    return [_with_deadlines(session, raw) for raw in whole]


def _completed(session: Session[Shop], raw: bytes) -> bytes:
    order_id = msgspec.json.decode(raw, type=_Row).id
    found = ask(session, _OPERATION, queries.ORDER_DETAILS, _DetailsOf, id=order_id).row
    if found is None:
        return raw
    parcels, refunds = found.fulfillments, found.refunds
    if len(parcels) >= queries.PARCELS_SIZE or len(refunds) >= queries.REFUNDS_SIZE:
        ids = ask(session, _OPERATION, queries.ORDER_DETAIL_IDS, _DetailsOf, id=order_id).row
        if ids is None:
            return raw
        parcels = _all(session, queries.PARCEL, parcels, ids.fulfillments)
        refunds = _all(session, queries.REFUND, refunds, ids.refunds)
    for parcel in parcels:
        _with_lines(session, queries.PARCEL_LINES, parcel, "fulfillmentLineItems")
    for refund in refunds:
        _with_lines(session, queries.REFUND_LINES, refund, "refundLineItems")
    whole: _Node = msgspec.json.decode(raw)
    return msgspec.json.encode({**whole, "fulfillments": parcels, "refunds": refunds, "isComplete": True})


def _with_deadlines(session: Session[Shop], raw: bytes) -> bytes:
    """The order with its fulfilment orders, if the connection wants them and something is left to send."""
    shop = session.settings
    if not shop.fulfillment_orders or not awaits_shipment(raw):
        return raw
    order_id = msgspec.json.decode(raw, type=_Row).id
    try:
        found = all_rows(session, "fulfillment orders", queries.DEADLINES, order_id)
    except PermissionDenied as error:
        # Orders without deadlines are better than none; further calls of this session would fail alike.
        shop.fulfillment_orders = False
        shop.warn_once(f"{error.message}: orders come without ship_by", "fulfillment orders")
        return raw
    return msgspec.json.encode({**msgspec.json.decode(raw), "fulfillmentOrders": {"nodes": found}})


def _all(session: Session[Shop], query: str, known: list[_Node], ids: list[_Node]) -> list[_Node]:
    """The known parts, and those that only their ids are known of."""
    read = {_id(each) for each in known}
    others = (_id(each) for each in ids)
    found = (ask(session, _OPERATION, query, _Part, id=each).row for each in others if each not in read)
    return [*known, *(each for each in found if each is not None)]


def _with_lines(session: Session[Shop], query: str, part: _Node, name: str) -> None:
    """Add the later lines of a parcel or refund to it."""
    lines = all_rows(session, _OPERATION, query, _id(part), _lines(part.get(name)))
    part[name] = {"nodes": lines}


def _lines(value: object) -> Rows:
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=Rows)
    except UNREADABLE:
        raise ResponseInvalid("shopify order details: a parcel or refund came without its lines") from None


def _id(part: _Node) -> str:
    found = part.get("id")
    if not isinstance(found, str):
        raise ResponseInvalid("shopify order details: a parcel or refund came without its id")
    return found
