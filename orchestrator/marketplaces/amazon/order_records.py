"""Amazon's orders as normalized records."""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.marketplaces.amazon.listing_records import Price, Row, listing_id_of, offer_price, price
from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.values import (
    NO_DETAIL,
    Detail,
    Details,
    Instant,
    Number,
    id_at,
    joined,
    quantity,
    utc,
)
from orchestrator.model.record import Buyer, FulfillmentStatus, Order, OrderLine, PaymentStatus

#: Raw fields that hold personal data, or a buyer's own words.
PERSONAL_FIELDS = frozenset(
    {"buyer", "recipient", "customization", "giftOption", "deliveryAddress", "buyerName", "buyerEmail"}
)
_FULFILLMENT: dict[str, FulfillmentStatus] = {
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


class _Total(Row):
    """The seller's proceeds of the whole order."""

    grand_total: Price | None = None


class _LineTotal(Row):
    proceeds_total: Any = None


class _Channel(Row):
    marketplace_id: str | None = None


class _UnitPrice(Row):
    unit_price: Any = None


class _Sold(Row):
    title: Any = None
    seller_sku: Any = None
    price: Any = None


class _Line(Row):
    order_item_id: str
    quantity_ordered: Number
    product: Detail = NO_DETAIL
    proceeds: Detail = NO_DETAIL


class _Fulfillment(Row):
    fulfillment_status: str = ""


class _Contact(Row):
    buyer_name: Any = None
    buyer_email: Any = None


class _Address(Row):
    name: Any = None
    address_line1: Any = None
    address_line2: Any = None
    address_line3: Any = None
    city: Any = None
    state_or_region: Any = None
    postal_code: Any = None
    country_code: Any = None
    phone: Any = None


class _Recipient(Row):
    delivery_address: Any = None


class _Order(Row):
    order_id: str
    created_time: Instant
    last_updated_time: Instant
    order_items: list[_Line]
    sales_channel: Detail = NO_DETAIL
    proceeds: _Total | None = None
    fulfillment: Detail = NO_DETAIL
    #: Sent only if the connection stores personal data: else it is not asked for.
    buyer: Detail = NO_DETAIL
    recipient: Detail = NO_DETAIL


order_id = id_at("orderId", kind=str)


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order with its items; a pending order may have no price yet."""
    row = msgspec.json.decode(raw, type=_Order)
    details = Details()
    fulfillment = details.part("fulfillment", row.fulfillment, _Fulfillment) or _Fulfillment()
    channel = details.part("salesChannel", row.sales_channel, _Channel) or _Channel()
    word = fulfillment.fulfillment_status
    state = _FULFILLMENT.get(word, "unknown")
    if word and state == "unknown":
        details.unknown("fulfillmentStatus", word)
    lines = tuple(_order_line(item, channel.marketplace_id, details) for item in row.order_items)
    buyer = _buyer(row, details) if with_buyer else None
    facts = OrderFacts(
        id=row.order_id,
        number=row.order_id,
        cancelled=word in _CANCELLED,
        payment=_payment(word),
        fulfillment=state,
        released=word not in _UNPAID,
        marketplace_status=word,
        total=price(row.proceeds.grand_total if row.proceeds else None),
        created_at=utc(row.created_time),
        updated_at=utc(row.last_updated_time),
        lines=lines,
        buyer=buyer,
    )
    return order_of(facts, details, with_buyer=with_buyer)


def _payment(word: str) -> PaymentStatus:
    """The state of the payment, as far as the order's own word tells it."""
    if word in _UNPAID:
        return "pending"
    if word in _CANCELLED:
        return "voided"
    return "paid" if word in _FULFILLMENT else "unknown"


def _order_line(item: _Line, marketplace: str | None, details: Details) -> OrderLine:
    sold = details.part("product", item.product, _Sold) or _Sold()
    proceeds = details.part("proceeds", item.proceeds, _LineTotal) or _LineTotal()
    unit = details.part("price", sold.price, _UnitPrice) or _UnitPrice()
    sku = details.text("sellerSku", sold.seller_sku)
    listing_id = listing_id_of(sku, marketplace) if sku and marketplace else None
    return OrderLine(
        id=item.order_item_id,
        sku=sku,
        product_id=listing_id,
        variant_id=listing_id,
        title=details.text("title", sold.title),
        quantity=quantity(item.quantity_ordered),
        unit_price=offer_price(details, "unitPrice", unit.unit_price),
        total=offer_price(details, "proceedsTotal", proceeds.proceeds_total),
    )


def _buyer(row: _Order, details: Details) -> Buyer | None:
    contact = details.part("buyer", row.buyer, _Contact)
    recipient = details.part("recipient", row.recipient, _Recipient)
    if contact is None and recipient is None:
        return None
    contact, recipient = contact or _Contact(), recipient or _Recipient()
    address = details.part("deliveryAddress", recipient.delivery_address, _Address) or _Address()

    street = (address.address_line1, address.address_line2, address.address_line3)
    return Buyer(
        name=details.text("name", address.name) or details.text("buyerName", contact.buyer_name),
        email=details.text("buyerEmail", contact.buyer_email),
        phone=details.text("phone", address.phone),
        street=joined(*(details.text("addressLine", line) for line in street)),
        city=details.text("city", address.city),
        region=details.text("stateOrRegion", address.state_or_region),
        postal_code=details.text("postalCode", address.postal_code),
        country=details.text("countryCode", address.country_code),
    )
