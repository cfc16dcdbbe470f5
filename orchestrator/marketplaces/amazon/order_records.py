"""Amazon's orders as normalized records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from orchestrator.marketplaces.amazon.fields import Amount, Price, Row, amount_of, listing_id_of, price
from orchestrator.marketplaces.amazon.order_parts.buyers import (
    BuyerTax,
    Contact,
    Customization,
    Packing,
    Recipient,
    buyer_of,
    destination_of,
    properties_of,
)
from orchestrator.marketplaces.amazon.order_parts.parcels import Package, parcels_of
from orchestrator.marketplaces.amazon.order_parts.proceeds import (
    Breakdown,
    LineAmounts,
    Proceeds,
    contains_tax,
    line_amounts,
)
from orchestrator.marketplaces.typed_rows import Rows
from orchestrator.marketplaces.unified.breakdown import sum_of_all
from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.values import (
    Details,
    Instant,
    Number,
    id_at,
    less,
    number_of,
    quantity,
    utc,
)
from orchestrator.model.records.record import (
    Buyer,
    FulfilledBy,
    Fulfillment,
    FulfillmentStatus,
    Order,
    OrderLine,
    PaymentStatus,
    Quantity,
)

#: All of `FulfillmentStatus`.
FULFILLMENT: dict[str, FulfillmentStatus] = {
    "PENDING_AVAILABILITY": "unfulfilled",
    "PENDING": "unfulfilled",
    "UNSHIPPED": "unfulfilled",
    "PARTIALLY_SHIPPED": "partially_fulfilled",
    "SHIPPED": "fulfilled",
    "CANCELLED": "cancelled",
    "UNFULFILLABLE": "cancelled",
}
_UNPAID = frozenset({"PENDING_AVAILABILITY", "PENDING"})
_CANCELLED = frozenset({"CANCELLED", "UNFULFILLABLE"})
#: All of `OrderFulfillment.fulfilledBy`.
FULFILLED_BY: dict[str, FulfilledBy] = {"AMAZON": "marketplace", "MERCHANT": "merchant"}
#: The channel of orders that came to the seller elsewhere, and that Amazon only ships.
_ELSEWHERE = "NON_AMAZON"


class _Total(Row):
    """The proceeds of the whole order."""

    grand_total: Price | None = None
    breakdowns: Annotated[object, list[Breakdown]] = None


class _Channel(Row):
    channel_name: str | None = None
    marketplace_id: str | None = None
    marketplace_name: Annotated[object, str] = None


class _UnitPrice(Row):
    unit_price: Annotated[object, Amount] = None


class _Sold(Row):
    title: Annotated[object, str] = None
    seller_sku: Annotated[object, str] = None
    price: Annotated[object, _UnitPrice] = None
    customization: Annotated[object, Customization] = None


class _Shipped(Row):
    quantity_fulfilled: Annotated[object, Number] = None
    quantity_unfulfilled: Annotated[object, Number] = None
    packing: Annotated[object, Packing] = None


class _Execution(Row):
    cancel_reason: Annotated[object, str] = None


class _Cancellation(Row):
    cancellation_execution: Annotated[object, _Execution] = None


class _Promoted(Row):
    promotion_id: Annotated[object, str] = None


class _Promotion(Row):
    breakdowns: Annotated[object, list[_Promoted]] = None


class _Collection(Row):
    model: Annotated[object, str] = None


class _ItemTax(Row):
    tax_collections: Annotated[object, list[_Collection]] = None


class _Associated(Row):
    order_item_id: Annotated[object, str] = None


class _Line(Row):
    order_item_id: str
    quantity_ordered: Number
    product: Annotated[object, _Sold] = None
    proceeds: Annotated[object, Proceeds] = None
    promotion: Annotated[object, _Promotion] = None
    cancellation: Annotated[object, _Cancellation] = None
    fulfillment: Annotated[object, _Shipped] = None
    associated_order_items: Annotated[object, list[_Associated]] = None
    #: Sent only if the connection stores personal data, as the order's `tax`.
    tax: Annotated[object, _ItemTax] = None


class _Window(Row):
    latest_date_time: Annotated[object, Instant] = None


class _Fulfillment(Row):
    fulfillment_status: str = ""
    fulfilled_by: str = ""
    fulfillment_service_level: Annotated[object, str] = None
    ship_by_window: Annotated[object, _Window] = None
    deliver_by_window: Annotated[object, _Window] = None


class _Order(Row):
    order_id: str
    created_time: Instant
    last_updated_time: Instant
    order_items: list[_Line]
    sales_channel: Annotated[object, _Channel] = None
    proceeds: _Total | None = None
    fulfillment: Annotated[object, _Fulfillment] = None
    packages: Annotated[object, list[Package]] = None
    #: Sent only if the connection asks for the destination, or stores personal data.
    recipient: Annotated[object, Recipient] = None
    #: Sent only if the connection stores personal data: else they are not asked for.
    buyer: Annotated[object, Contact] = None
    tax: Annotated[object, BuyerTax] = None


order_id = id_at("orderId", kind=str)
_rows = Rows(_Order)


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order with its items; a pending order may have no price yet."""
    row, details = _rows.decode(raw), Details()
    fulfillment = details.part("fulfillment", row.fulfillment, _Fulfillment) or _Fulfillment()
    channel = details.part("salesChannel", row.sales_channel, _Channel) or _Channel()
    word, shipper = fulfillment.fulfillment_status, fulfillment.fulfilled_by
    for name, told, known in (
        ("fulfillmentStatus", word, FULFILLMENT),
        ("fulfilledBy", shipper, FULFILLED_BY),
    ):
        if told and told not in known:
            details.unknown(name, told)
    amounts = [line_amounts(details, item.proceeds) for item in row.order_items]
    proceeds = row.proceeds or _Total()
    total = price(proceeds.grand_total)
    facts = OrderFacts(
        id=row.order_id,
        number=row.order_id,
        cancelled=word in _CANCELLED,
        payment=_payment(word),
        fulfillment=FULFILLMENT.get(word, "unknown"),
        released=word not in _UNPAID,
        fulfilled_by=FULFILLED_BY.get(shipper),
        marketplace_status=word,
        sales_channel=_channel(details, channel),
        created_at=utc(row.created_time),
        updated_at=utc(row.last_updated_time),
        cancel_reason=_cancel_reason(details, row.order_items) if word in _CANCELLED else None,
        ship_by=_latest(details, "shipByWindow", fulfillment.ship_by_window),
        deliver_by=_latest(details, "deliverByWindow", fulfillment.deliver_by_window),
        shipping_method=details.text("fulfillmentServiceLevel", fulfillment.fulfillment_service_level),
        total=total,
        taxes_included=contains_tax(
            details, total, amounts, row.proceeds.breakdowns if row.proceeds else None
        ),
        shipping_total=details.read("SHIPPING", sum_of_all, [each.shipping for each in amounts]),
        discount_codes=_promotions(details, row.order_items),
        destination=destination_of(details, row.recipient),
        lines=_order_lines(details, row.order_items, amounts, channel.marketplace_id),
        fulfillments=_parcels(details, row.packages, shipper),
        buyer=_buyer(details, row) if with_buyer else None,
    )
    return order_of(facts, details, with_buyer=with_buyer)


def _payment(word: str) -> PaymentStatus:
    """The state of the payment, as far as the order's own word tells it."""
    if word in _UNPAID:
        return "pending"
    if word in _CANCELLED:
        return "voided"
    return "paid" if word in FULFILLMENT else "unknown"


def _channel(details: Details, channel: _Channel) -> str | None:
    """The marketplace's name, or that the order came from elsewhere."""
    if channel.channel_name == _ELSEWHERE:
        return _ELSEWHERE
    return details.text("marketplaceName", channel.marketplace_name)


def _parcels(details: Details, packages: object, shipper: str) -> tuple[Fulfillment, ...] | None:
    """The parcels of an order that the seller sends; None if they are not told."""
    found = parcels_of(details, packages)
    return found if found or shipper == "MERCHANT" else None


def _latest(details: Details, name: str, window: object) -> datetime | None:
    """The end of a promised time."""
    found = details.part(name, window, _Window) or _Window()
    return details.moment(name, found.latest_date_time)


def _order_lines(
    details: Details, items: Sequence[_Line], amounts: Sequence[LineAmounts], marketplace: str | None
) -> tuple[OrderLine, ...]:
    parents = _parents(details, items)
    return tuple(
        _order_line(details, item, told, marketplace, parents.get(item.order_item_id))
        for item, told in zip(items, amounts, strict=True)
    )


def _order_line(
    details: Details, item: _Line, amounts: LineAmounts, marketplace: str | None, parent: str | None
) -> OrderLine:
    sold = details.part("product", item.product, _Sold) or _Sold()
    unit = details.part("price", sold.price, _UnitPrice) or _UnitPrice()
    sku = details.text("sellerSku", sold.seller_sku)
    listing_id = listing_id_of(sku, marketplace) if sku and marketplace else None
    ordered = quantity(item.quantity_ordered)
    fulfilled, cancelled = _quantities(details, item, ordered)
    return OrderLine(
        id=item.order_item_id,
        sku=sku,
        product_id=listing_id,
        variant_id=listing_id,
        title=details.text("title", sold.title),
        quantity=ordered,
        quantity_fulfilled=fulfilled,
        quantity_cancelled=cancelled,
        unit_price=amount_of(details, "unitPrice", unit.unit_price),
        subtotal=amounts.subtotal,
        discount=amounts.discount,
        tax=amounts.tax,
        marketplace_tax=amounts.tax if _is_remitted(details, item.tax) else None,
        properties=properties_of(details, sold.customization),
        parent_id=parent,
    )


def _quantities(details: Details, item: _Line, ordered: Quantity) -> tuple[Quantity | None, Quantity | None]:
    """The pieces that are shipped, and those that are cancelled: neither shipped nor still to ship."""
    told = details.part("fulfillment", item.fulfillment, _Shipped) or _Shipped()
    shipped = details.quantity("quantityFulfilled", told.quantity_fulfilled)
    left = details.quantity("quantityUnfulfilled", told.quantity_unfulfilled)
    if shipped is None or left is None:
        return shipped, ordered if _execution(details, item) else None

    cancelled = less(less(number_of(ordered), number_of(shipped)), number_of(left))
    if cancelled < 0:
        details.note("quantityUnfulfilled")
        return shipped, None
    return shipped, details.read("quantityUnfulfilled", quantity, cancelled)


def _execution(details: Details, item: _Line) -> _Execution | None:
    """The cancellation of an item; a buyer's request alone is none."""
    found = details.part("cancellation", item.cancellation, _Cancellation) or _Cancellation()
    return details.part("cancellationExecution", found.cancellation_execution, _Execution)


def _cancel_reason(details: Details, items: Sequence[_Line]) -> str | None:
    """The first item's reason that is told."""
    found = (_execution(details, item) for item in items)
    reasons = (details.text("cancelReason", each.cancel_reason) for each in found if each)
    return next((reason for reason in reasons if reason), None)


def _promotions(details: Details, items: Sequence[_Line]) -> tuple[str, ...]:
    parts = (details.part("promotion", item.promotion, _Promotion) or _Promotion() for item in items)
    found = (each for part in parts for each in details.items("promotion", part.breakdowns, _Promoted) or ())
    ids = (details.text("promotionId", each.promotion_id) for each in found)
    return tuple(each for each in ids if each)


def _is_remitted(details: Details, tax: object) -> bool:
    """Whether Amazon itself pays the item's tax to the state."""
    found = details.part("tax", tax, _ItemTax) or _ItemTax()
    collections = details.items("taxCollections", found.tax_collections, _Collection) or []
    return any(details.text("model", each.model) for each in collections)


def _parents(details: Details, items: Sequence[_Line]) -> dict[str, str]:
    """The item that each associated item belongs to: a service is listed by the product it was sold with."""
    known, parents = {item.order_item_id for item in items}, dict[str, str]()
    for item in items:
        for each in details.items("associatedOrderItems", item.associated_order_items, _Associated) or ():
            other = details.text("orderItemId", each.order_item_id)
            if other in known and other != item.order_item_id:
                parents[str(other)] = item.order_item_id
    return parents


def _buyer(details: Details, row: _Order) -> Buyer | None:
    parts = (
        details.part("fulfillment", item.fulfillment, _Shipped) or _Shipped() for item in row.order_items
    )
    return buyer_of(details, row.buyer, row.recipient, row.tax, [part.packing for part in parts])
