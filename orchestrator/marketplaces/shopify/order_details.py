"""The second stage of Shopify's orders: the lines of parcels and refunds, only for orders that need them.

By the setting `fulfillment_orders`, the fulfilment orders of an order that is not sent yet tell its deadline.

Source: shopify.dev, Admin API 2026-10, read 2026-11-29. Several orders come by one query, each with its first
parcels and refunds; `nodes` answers with null for one that is gone. `Order.fulfillments` and `Order.refunds`
are lists without a cursor: the ids of more come as well, and if those may not be all, all are asked for.
Parcels and refunds that did not come, or came without some of their lines or tracking numbers, are asked for
by their ids, those of several orders at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import PermissionDenied, ResponseInvalid
from orchestrator.marketplaces.shopify import queries
from orchestrator.marketplaces.shopify.api import Shop, ask
from orchestrator.marketplaces.shopify.nested_rows import Rows, all_rows
from orchestrator.marketplaces.shopify.order_parts.parcels import awaits_shipment, needs_details
from orchestrator.marketplaces.spec import Session

#: Orders are completed together until their parcels and refunds have to be asked for by so many calls.
_MOST_CALLS = 3


class _Id(msgspec.Struct):
    id: str


class _PartIds(msgspec.Struct, rename="camel"):
    parcel_ids: list[_Id]
    refund_ids: list[_Id]


class _Order(_PartIds, rename="camel"):
    id: str
    fulfillments: list[msgspec.Raw]
    refunds: list[msgspec.Raw]


class _Orders(msgspec.Struct):
    rows: list[_Order | None]


class _AllIds(msgspec.Struct):
    #: None if the order was deleted meanwhile.
    row: _PartIds | None


class _Nodes(msgspec.Struct):
    rows: list[msgspec.Raw]


class _Part(msgspec.Struct, rename="camel"):
    id: str
    fulfillment_line_items: Rows | None = None
    refund_line_items: Rows | None = None
    tracking_info: Sequence[msgspec.Raw] = ()

    @property
    def lines(self) -> Rows:
        """The first lines."""
        lines = self.fulfillment_line_items or self.refund_line_items
        if lines is None:
            raise ResponseInvalid("shopify order details: a parcel or refund came without its lines")
        return lines

    def is_whole(self) -> bool:
        """Whether it came with all lines, and with fewer tracking numbers than were asked for."""
        return not self.lines.page_info.has_next_page and len(self.tracking_info) < queries.FIRST_TRACKING


class _Kind(NamedTuple):
    """How the parts of one kind are asked for."""

    query: str
    at_once: int
    lines: str
    lines_query: str


_PARCELS = _Kind(queries.PARCELS, queries.PARCELS_SIZE, "fulfillmentLineItems", queries.PARCEL_LINES)
_REFUNDS = _Kind(queries.REFUNDS, queries.REFUNDS_SIZE, "refundLineItems", queries.REFUND_LINES)


@dataclass(slots=True)
class _Parts:
    """The parcels or the refunds of some orders."""

    kind: _Kind
    #: By id, as they came.
    whole: dict[str, msgspec.Raw] = field(default_factory=dict)
    #: Ids of those that have to be asked for.
    missing: list[str] = field(default_factory=list)

    def add(self, came: Iterable[msgspec.Raw], ids: Iterable[_Id]) -> None:
        """Take the parts of an order that came with it, and the ids of all of them."""
        for raw in came:
            part = _part(raw)
            if part.is_whole():
                self.whole[part.id] = raw
        self.missing += (each.id for each in ids if each.id not in self.whole)

    def calls(self) -> int:
        """The calls that the missing parts take."""
        return -(-len(self.missing) // self.kind.at_once)

    def read(self, session: Session[Shop]) -> None:
        """Ask for the missing parts; one that was deleted meanwhile stays away."""
        for at in range(0, len(self.missing), self.kind.at_once):
            ids = self.missing[at : at + self.kind.at_once]
            for raw in ask(session, "parts of orders", self.kind.query, _Nodes, ids=ids).rows:
                if bytes(raw) != b"null":
                    part = _part(raw)
                    self.whole[part.id] = self._with_all_lines(session, raw, part)

    def of(self, ids: Iterable[_Id]) -> list[msgspec.Raw]:
        """The parts with these ids, as far as they exist."""
        return [self.whole[each.id] for each in ids if each.id in self.whole]

    def _with_all_lines(self, session: Session[Shop], raw: msgspec.Raw, part: _Part) -> msgspec.Raw:
        if not part.lines.page_info.has_next_page:
            return raw
        lines = all_rows(session, "lines of parts", self.kind.lines_query, part.id, part.lines)
        return msgspec.Raw(_with(raw, {self.kind.lines: {"nodes": lines}}))


def complete_orders(session: Session[Shop], orders: Sequence[bytes]) -> Sequence[bytes]:
    """The first of these orders with all parcels, refunds and deadlines.

    One that needs no call is returned as it is, and so is one that was deleted meanwhile.

    Raises:
        MarketplaceError: The orders' details could not be read.
    """
    return _with_deadlines(session, _with_parts(session, orders))


def _with_parts(session: Session[Shop], orders: Sequence[bytes]) -> list[bytes]:
    """The first orders with all parcels and refunds: as many as take few calls."""
    known, ids = _first(orders)
    if not ids:
        return list(orders)
    answer = ask(session, "order details", queries.ORDER_DETAILS, _Orders, ids=ids)
    found = {order.id: order for order in answer.rows if order is not None}
    parcels, refunds = _Parts(_PARCELS), _Parts(_REFUNDS)
    rows: list[tuple[bytes, _PartIds | None]] = []
    for raw, gid in known:
        order = found.get(gid or "")
        told = None if order is None else _part_ids(session, order)
        rows.append((raw, told))
        if order is not None and told is not None:
            parcels.add(order.fulfillments, told.parcel_ids)
            refunds.add(order.refunds, told.refund_ids)
        if parcels.calls() + refunds.calls() >= _MOST_CALLS:
            break
    parcels.read(session)
    refunds.read(session)
    return [
        raw if told is None else _completed(raw, parcels.of(told.parcel_ids), refunds.of(told.refund_ids))
        for raw, told in rows
    ]


def _first(orders: Sequence[bytes]) -> tuple[list[tuple[bytes, str | None]], list[str]]:
    """The orders up to the last one that one query has room for, each with its id if it needs details."""
    known: list[tuple[bytes, str | None]] = []
    ids: list[str] = []
    for raw in orders:
        gid = _id(raw) if needs_details(raw) else None
        if gid is not None:
            if len(ids) == queries.ORDER_DETAILS_SIZE:
                break
            ids.append(gid)
        known.append((raw, gid))
    return known, ids


def _part_ids(session: Session[Shop], order: _Order) -> _PartIds | None:
    """The ids of all parcels and refunds; None if the order was deleted meanwhile."""
    if len(order.parcel_ids) < queries.PARCEL_IDS_SIZE and len(order.refund_ids) < queries.REFUND_IDS_SIZE:
        return order
    return ask(session, "parts of orders", queries.ORDER_DETAIL_IDS, _AllIds, id=order.id).row


def _completed(raw: bytes, parcels: list[msgspec.Raw], refunds: list[msgspec.Raw]) -> bytes:
    return _with(raw, {"fulfillments": parcels, "refunds": refunds, "isComplete": True})


class _Deadlines(msgspec.Struct):
    id: str
    rows: Rows


class _AllDeadlines(msgspec.Struct):
    rows: list[_Deadlines | None]


def _with_deadlines(session: Session[Shop], orders: list[bytes]) -> list[bytes]:
    """The orders with their fulfilment orders, if the connection wants them and something is left to send."""
    shop, operation = session.settings, "fulfillment orders"
    if not shop.fulfillment_orders:
        return orders
    ids = [_id(raw) if awaits_shipment(raw) else "" for raw in orders]
    asked = [gid for gid in ids if gid]
    found: dict[str, list[msgspec.Raw]] = {}
    try:
        for at in range(0, len(asked), queries.DEADLINES_SIZE):
            some = asked[at : at + queries.DEADLINES_SIZE]
            for each in ask(session, operation, queries.DEADLINES, _AllDeadlines, ids=some).rows:
                if each is not None:
                    found[each.id] = all_rows(
                        session, f"later {operation}", queries.LATER_DEADLINES, each.id, each.rows
                    )
    except PermissionDenied as error:
        # Orders without deadlines are better than none; further calls of this session would fail alike.
        shop.fulfillment_orders = False
        shop.warn_once(f"{error.message}: orders come without ship_by", operation)
        return orders
    return [
        _with(raw, {"fulfillmentOrders": {"nodes": found[gid]}}) if gid in found else raw
        for raw, gid in zip(orders, ids, strict=True)
    ]


def _with(raw: bytes | msgspec.Raw, fields: Mapping[str, object]) -> bytes:
    """A JSON object with fields added or replaced."""
    return msgspec.json.encode({**msgspec.json.decode(raw, type=dict[str, msgspec.Raw]), **fields})


def _id(raw: bytes) -> str:
    return msgspec.json.decode(raw, type=_Id).id


def _part(raw: msgspec.Raw) -> _Part:
    try:
        return msgspec.json.decode(raw, type=_Part)
    except UNREADABLE:
        raise ResponseInvalid("shopify order details: a parcel or refund came without its id") from None
