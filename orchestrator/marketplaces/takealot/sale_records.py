"""Takealot's sales, grouped by order, as normalized records.

Facts of v1 that this module depends on (its OpenAPI description 1.0.0, read 2026-11-28):

- A row tells its fees, positive: `total_fees` is the sum of the others but the stock transfer.
- Prices contain the VAT, which no row tells, as it tells no discount. An order has no shipping.
- `stock_source_region` is the warehouse that the item comes from. It is read as: Takealot sends it. No
  document says that a row without it is the seller's to bring.
- v2's document names no fees. Its rows are read as v1's: `total_fee` and `auto_ibt_fee` are `total_fees` and
  `stock_transfer_fee`, `dc` and `customer_dc` the regions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from orchestrator.decoding import UNREADABLE, exact
from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.takealot.words import (
    FULFILLMENT,
    is_to_bring,
    order_status,
    payment_of,
    sale_status,
)
from orchestrator.marketplaces.unified.breakdown import sum_of_all
from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.values import (
    Details,
    Id,
    Instant,
    Number,
    id_reader,
    money,
    quantity,
    utc,
)
from orchestrator.model.records.record import (
    Buyer,
    Charge,
    Destination,
    FulfilledBy,
    Money,
    Order,
    OrderLine,
    OrderStatus,
    Quantity,
)

#: Raw fields that hold personal data; v1 documents none, the older API names the customer.
PERSONAL_FIELDS = frozenset({"customer", "customer_name", "customer_email", "customer_phone"})
_CURRENCY = "ZAR"
#: Takealot delivers in South Africa only.
_COUNTRY = "ZA"
#: The fees of a row by their names in v1 and v2, and the sum that tells them if none of them comes.
FEES = ("success_fee", "fulfillment_fee", "courier_collection_fee", "stock_transfer_fee", "auto_ibt_fee")
_FEE_SUMS = ("total_fees", "total_fee")
#: Of such an item nothing is left for the seller.
_LOST: frozenset[OrderStatus] = frozenset({"cancelled", "refunded", "returned"})


class Sale(msgspec.Struct, kw_only=True):
    """A row of the sales: one item of an order."""

    order_item_id: Id
    order_id: Id
    order_date: Instant
    #: What was paid for the line; its sum over the order is the order's total.
    selling_price: Decimal | None = None
    quantity: Number
    sale_status: object = None
    offer_id: object = None
    sku: object = None
    product_title: object = None
    success_fee: object = None
    fulfillment_fee: object = None
    courier_collection_fee: object = None
    stock_transfer_fee: object = None
    auto_ibt_fee: object = None
    total_fees: object = None
    total_fee: object = None
    sales_region: object = None
    customer_dc: object = None
    #: The warehouse that it comes from; UNSET if the row does not have the field.
    stock_source_region: object = msgspec.UNSET
    dc: object = msgspec.UNSET
    #: v2: the order by which the seller brings it to Takealot.
    po_number: object = None


# Made here, before any thread decodes (see orchestrator/decoding.py).
_sales = msgspec.json.Decoder(list[Sale], float_hook=exact)


class _OrderId(msgspec.Struct):
    order_id: Id


class _SaleIds(_OrderId):
    order_item_id: Id


def group_by_order(items: Iterable[msgspec.Raw]) -> list[bytes]:
    """One JSON array an order, its items in the order of their ids, repeated items once.

    An item that names no order gets an array of its own, and becomes a reject.
    """
    orders: dict[str, dict[str, bytes]] = {}
    strays: list[bytes] = []
    for item in items:
        try:
            ids = msgspec.json.decode(item, type=_SaleIds)
        except UNREADABLE:
            strays.append(b"[" + bytes(item) + b"]")
            continue
        orders.setdefault(str(ids.order_id), {})[str(ids.order_item_id)] = bytes(item)
    grouped = [
        b"[" + b",".join(found[item_id] for item_id in sorted(found, key=_by_number)) + b"]"
        for found in orders.values()
    ]
    return grouped + strays


def distinct(items: Iterable[msgspec.Raw]) -> int:
    """The number of items; one that is repeated counts once, one that cannot be read counts each time."""
    found: set[tuple[str, str]] = set()
    unreadable = 0
    for item in items:
        try:
            ids = msgspec.json.decode(item, type=_SaleIds)
        except UNREADABLE:
            unreadable += 1
        else:
            found.add((str(ids.order_id), str(ids.order_item_id)))
    return len(found) + unreadable


def _by_number(item_id: str) -> tuple[int, str]:
    return len(item_id), item_id


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order from its items; its total is their sum. Sales name no buyer."""
    return grouped(_sales.decode(raw), None, with_buyer=with_buyer)


def grouped(items: Sequence[Sale], buyer: Buyer | None, *, with_buyer: bool) -> Order:
    """An order from its items; its total is their sum.

    Raises:
        RecordInvalid: There are none.
    """
    if not items:
        raise RecordInvalid("an order without items")
    details = Details()
    words = [details.text("sale_status", item.sale_status) or "" for item in items]
    states = [sale_status(word, details) for word in words]
    prices = [_price(item) for item in items]
    order_id, state = str(items[0].order_id), order_status(set(states))
    total = _sum(prices)
    facts = OrderFacts(
        id=order_id,
        number=order_id,
        cancelled=state == "cancelled",
        payment=payment_of(state, set(states)),
        fulfillment=FULFILLMENT[state],
        released=state != "pending",
        marketplace_status=", ".join(sorted(set(words))),
        created_at=min(utc(item.order_date) for item in items),
        currency=_CURRENCY,
        taxes_included=True,
        subtotal=total,
        total=total,
        remaining=total
        if _LOST.isdisjoint(states)
        else _sum([price for price, each in zip(prices, states, strict=True) if each not in _LOST]),
        destination=Destination(country=_COUNTRY, region=_region(details, items)),
        lines=tuple(_line(details, *each) for each in zip(items, prices, words, states, strict=True)),
        buyer=buyer,
    )
    return order_of(facts, details, with_buyer=with_buyer)


@id_reader
def order_id(raw: bytes) -> str:
    """The order's id."""
    items = msgspec.json.decode(raw, type=list[_OrderId])
    if not items:
        raise RecordInvalid("an order without items")
    return str(items[0].order_id)


def _price(item: Sale) -> Money | None:
    return None if item.selling_price is None else money(str(item.selling_price), _CURRENCY)


def _sum(prices: Sequence[Money | None]) -> Money | None:
    """The sum of prices; None if one of them is not told."""
    return sum_of_all(prices) if prices else money(0, _CURRENCY)


def _line(details: Details, item: Sale, total: Money | None, word: str, state: OrderStatus) -> OrderLine:
    offer_id, ordered = details.text("offer_id", item.offer_id), quantity(item.quantity)
    fulfilled, refunded, cancelled = _quantities(ordered, state)
    return OrderLine(
        id=str(item.order_item_id),
        sku=details.text("sku", item.sku),
        product_id=offer_id,
        variant_id=offer_id,
        title=details.text("product_title", item.product_title),
        quantity=ordered,
        quantity_fulfilled=fulfilled,
        quantity_refunded=refunded,
        quantity_cancelled=cancelled,
        unit_price=total if item.quantity == 1 else None,
        total=total,
        fees=_fees(details, item),
        fulfilled_by=_shipper(details, item, word),
        marketplace_status=word,
    )


def _quantities(
    ordered: Quantity, state: OrderStatus
) -> tuple[Quantity | None, Quantity | None, Quantity | None]:
    """The pieces that are shipped, given back, and cancelled: a row has one state for all its pieces."""
    match state:
        case "pending" | "open":
            return 0, 0, 0
        case "fulfilled":
            return ordered, 0, 0
        case "returned":
            return ordered, ordered, 0
        case "refunded":
            return None, ordered, None
        case "cancelled":
            return 0, 0, ordered
    return None, None, None


def _fees(details: Details, item: Sale) -> tuple[Charge, ...]:
    """The fees by kind; only their sum if none of them is told."""
    return tuple(_told(details, item, FEES) or _told(details, item, _FEE_SUMS)[:1])


def _told(details: Details, item: Sale, names: Iterable[str]) -> list[Charge]:
    found = ((name, details.money(name, getattr(item, name), _CURRENCY)) for name in names)
    return [Charge(kind=name, amount=amount) for name, amount in found if amount is not None]


def _shipper(details: Details, item: Sale, word: str) -> FulfilledBy | None:
    """Who sends an item; the seller, if it has to be brought to Takealot. None if the row does not tell."""
    if is_to_bring(word) or details.text("po_number", item.po_number):
        return "merchant"
    told = [place for place in (item.stock_source_region, item.dc) if place is not msgspec.UNSET]
    if any(details.text("stock_source_region", place) for place in told):
        return "marketplace"
    return "merchant" if told else None


def _region(details: Details, items: Sequence[Sale]) -> str | None:
    """The region that the items go to: that of a distribution centre, not of the buyer's address."""
    for item in items:
        found = details.text("sales_region", item.sales_region)
        if region := found or details.text("customer_dc", item.customer_dc):
            return region
    return None
