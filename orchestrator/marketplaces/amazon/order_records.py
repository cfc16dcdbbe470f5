"""Amazon's orders as normalized records."""

from __future__ import annotations

import msgspec

from orchestrator.marketplaces.amazon.listing_records import Price, Row, listing_id_of, price
from orchestrator.marketplaces.values import Instant, Pieces, id_at, joined, utc
from orchestrator.model.record import Buyer, Order, OrderLine, OrderStatus

#: Raw fields that hold personal data, or a buyer's own words.
PERSONAL_FIELDS = frozenset(
    {"buyer", "recipient", "customization", "giftOption", "deliveryAddress", "buyerName", "buyerEmail"}
)
_ORDER: dict[str, OrderStatus] = {
    "PENDING_AVAILABILITY": "pending",
    "PENDING": "pending",
    "UNSHIPPED": "open",
    "PARTIALLY_SHIPPED": "partially_fulfilled",
    "SHIPPED": "fulfilled",
    "CANCELLED": "cancelled",
    "UNFULFILLABLE": "cancelled",
}


class _Sum(Row):
    """The seller's proceeds: the whole order's total, or an item's."""

    grand_total: Price | None = None
    proceeds_total: Price | None = None


class _Channel(Row):
    marketplace_id: str | None = None


class _UnitPrice(Row):
    unit_price: Price | None = None


class _Sold(Row):
    title: str | None = None
    seller_sku: str | None = None
    price: _UnitPrice | None = None


class _Line(Row):
    order_item_id: str
    quantity_ordered: Pieces
    product: _Sold
    proceeds: _Sum | None = None


class _Fulfillment(Row):
    fulfillment_status: str


class _Contact(Row):
    buyer_name: str | None = None
    buyer_email: str | None = None


class _Address(Row):
    name: str | None = None
    address_line1: str | None = None
    address_line2: str | None = None
    address_line3: str | None = None
    city: str | None = None
    state_or_region: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone: str | None = None


class _Recipient(Row):
    delivery_address: _Address | None = None


class _Order(Row):
    order_id: str
    created_time: Instant
    last_updated_time: Instant
    sales_channel: _Channel
    order_items: list[_Line]
    proceeds: _Sum | None = None
    fulfillment: _Fulfillment | None = None


class _OrderBuyer(Row):
    buyer: _Contact | None = None
    recipient: _Recipient | None = None


order_id = id_at("orderId", kind=str)


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order with its items; a pending order may have no price yet."""
    row = msgspec.json.decode(raw, type=_Order)
    word = row.fulfillment.fulfillment_status if row.fulfillment else ""
    return Order(
        id=row.order_id,
        number=row.order_id,
        status=_ORDER.get(word, "unknown"),
        marketplace_status=word,
        total=price(row.proceeds.grand_total if row.proceeds else None),
        created_at=utc(row.created_time),
        updated_at=utc(row.last_updated_time),
        lines=tuple(_order_line(item, row.sales_channel.marketplace_id) for item in row.order_items),
        buyer=_buyer(msgspec.json.decode(raw, type=_OrderBuyer)) if with_buyer else None,
    )


def _order_line(item: _Line, marketplace: str | None) -> OrderLine:
    sku = item.product.seller_sku or None
    listing_id = listing_id_of(sku, marketplace) if sku and marketplace else None
    return OrderLine(
        id=item.order_item_id,
        sku=sku,
        product_id=listing_id,
        variant_id=listing_id,
        title=item.product.title,
        quantity=item.quantity_ordered,
        unit_price=price(item.product.price.unit_price if item.product.price else None),
        total=price(item.proceeds.proceeds_total if item.proceeds else None),
    )


def _buyer(row: _OrderBuyer) -> Buyer | None:
    if row.buyer is None and row.recipient is None:
        return None
    contact = row.buyer or _Contact()
    address = (row.recipient.delivery_address if row.recipient else None) or _Address()
    return Buyer(
        name=address.name or contact.buyer_name,
        email=contact.buyer_email,
        phone=address.phone,
        street=joined(address.address_line1, address.address_line2, address.address_line3),
        city=address.city,
        region=address.state_or_region,
        postal_code=address.postal_code,
        country=address.country_code,
    )
