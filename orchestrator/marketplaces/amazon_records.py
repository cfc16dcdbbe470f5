"""Amazon's rows and what they mean as normalized records.

A listing is a SKU in one marketplace, with a price and a title of its own there: its id is
`SKU@marketplace`. Rows that do not say which marketplace they belong to are put beside its id by
`within`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.values import Instant, money, optional_utc, utc
from orchestrator.records import (
    Buyer,
    Money,
    Order,
    OrderLine,
    OrderStatus,
    Product,
    ProductStatus,
    StockLevel,
    Variant,
)

#: Raw fields that hold personal data, or what a buyer wrote.
PERSONAL_FIELDS = frozenset(
    {"buyer", "recipient", "customization", "giftOption", "deliveryAddress", "buyerName", "buyerEmail"}
)
#: The channel of what lies with the seller; Amazon's own begin with `AMAZON`.
MERCHANT, AMAZON = "DEFAULT", "AMAZON"

_ORDER: dict[str, OrderStatus] = {
    "PENDING_AVAILABILITY": "pending",
    "PENDING": "pending",
    "UNSHIPPED": "open",
    "PARTIALLY_SHIPPED": "partially_fulfilled",
    "SHIPPED": "fulfilled",
    "CANCELLED": "cancelled",
    "UNFULFILLABLE": "cancelled",
}


class _Struct(msgspec.Struct, rename="camel", kw_only=True):
    """Amazon writes names in camel case."""


class _Amount(_Struct):
    amount: str
    currency_code: str


class _Sum(_Struct):
    """What comes in: the whole order's total, or an item's."""

    grand_total: _Amount | None = None
    proceeds_total: _Amount | None = None


class _Channel(_Struct):
    marketplace_id: str | None = None


class _Price(_Struct):
    unit_price: _Amount | None = None


class _Sold(_Struct):
    title: str | None = None
    seller_sku: str | None = None
    price: _Price | None = None


class _Line(_Struct):
    order_item_id: str
    quantity_ordered: int
    product: _Sold
    proceeds: _Sum | None = None


class _Fulfillment(_Struct):
    fulfillment_status: str


class _Contact(_Struct):
    buyer_name: str | None = None
    buyer_email: str | None = None


class _Address(_Struct):
    name: str | None = None
    address_line1: str | None = None
    address_line2: str | None = None
    address_line3: str | None = None
    city: str | None = None
    state_or_region: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone: str | None = None


class _Recipient(_Struct):
    delivery_address: _Address | None = None


class _Order(_Struct):
    order_id: str
    created_time: Instant
    last_updated_time: Instant
    sales_channel: _Channel
    order_items: list[_Line]
    proceeds: _Sum | None = None
    fulfillment: _Fulfillment | None = None


class _OrderBuyer(_Struct):
    buyer: _Contact | None = None
    recipient: _Recipient | None = None


class _OrderId(_Struct):
    order_id: str


class _Summary(_Struct):
    status: list[str] = []
    item_name: str | None = None
    created_date: Instant | None = None
    last_updated_date: Instant | None = None


class _Offer(_Struct):
    offer_type: str
    price: _Amount


class _Availability(_Struct):
    fulfillment_channel_code: str
    quantity: int | None = None


class _Listing(_Struct):
    sku: str
    summaries: list[_Summary] = []
    offers: list[_Offer] = []


class _Reserved(_Struct):
    total_reserved_quantity: int | None = None
    pending_customer_order_quantity: int | None = None


class _Details(_Struct):
    fulfillable_quantity: int | None = None
    inbound_working_quantity: int | None = None
    inbound_shipped_quantity: int | None = None
    inbound_receiving_quantity: int | None = None
    reserved_quantity: _Reserved | None = None


class _FbaStock(_Struct):
    seller_sku: str
    fn_sku: str | None = None
    inventory_details: _Details
    total_quantity: int | None = None
    #: Empty for what has never moved.
    last_updated_time: str | None = None


class _Sku(_Struct):
    sku: str


class _Within(msgspec.Struct):
    """A row and the marketplace it was listed in."""

    marketplace: str
    row: msgspec.Raw


class _Stocked(_Struct):
    sku: str
    #: Absent for parents of variations, which nobody can buy.
    fulfillment_availability: list[msgspec.Raw] = []


class _MerchantStock(msgspec.Struct):
    """One channel's share of a listing; our own form, made by `merchant_stock`."""

    merchant_sku: str
    availability: _Availability


class _RawShare(msgspec.Struct):
    merchant_sku: str
    availability: msgspec.Raw


def within(marketplace: str, rows: Sequence[msgspec.Raw]) -> list[bytes]:
    """Each row beside the marketplace it was listed in."""
    head = b'{"marketplace":' + msgspec.json.encode(marketplace) + b',"row":'
    return [head + row + b"}" for row in rows]


def merchant_stock(listing: msgspec.Raw) -> list[msgspec.Raw]:
    """One row for each channel that is not Amazon's; a listing that cannot be read is passed on whole."""
    try:
        found = msgspec.json.decode(listing, type=_Stocked)
        shares = [
            _RawShare(found.sku, raw)
            for raw in found.fulfillment_availability
            if not msgspec.json.decode(raw, type=_Availability).fulfillment_channel_code.startswith(AMAZON)
        ]
    except msgspec.ValidationError:
        return [listing]
    return [msgspec.Raw(msgspec.json.encode(share)) for share in shares]


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order with its items; one that is pending may have no price yet."""
    row = msgspec.json.decode(raw, type=_Order)
    word = row.fulfillment.fulfillment_status if row.fulfillment else ""
    return Order(
        id=row.order_id,
        number=row.order_id,
        status=_ORDER.get(word, "unknown"),
        marketplace_status=word,
        total=_money(row.proceeds.grand_total if row.proceeds else None),
        created_at=utc(row.created_time),
        updated_at=utc(row.last_updated_time),
        lines=tuple(_order_line(item, row.sales_channel.marketplace_id) for item in row.order_items),
        buyer=_buyer(msgspec.json.decode(raw, type=_OrderBuyer)) if with_buyer else None,
    )


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """A listing is a product with one variant, in one marketplace."""
    outer = msgspec.json.decode(raw, type=_Within)
    row = msgspec.json.decode(outer.row, type=_Listing)
    summary = row.summaries[0] if row.summaries else None
    listing_id = _listing_id(row.sku, outer.marketplace)
    price = next((offer.price for offer in row.offers if offer.offer_type == "B2C"), None)
    return Product(
        id=listing_id,
        title=summary.item_name if summary else None,
        status=_product_status(summary),
        marketplace_status=", ".join(sorted(summary.status)) if summary else "",
        created_at=optional_utc(summary.created_date) if summary else None,
        updated_at=optional_utc(summary.last_updated_date) if summary else None,
        variants=(Variant(id=listing_id, sku=row.sku, price=_money(price)),),
    )


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """What lies with Amazon, or with the seller, of one SKU for one marketplace."""
    outer = msgspec.json.decode(raw, type=_Within)
    row = msgspec.json.decode(outer.row, type=_MerchantStock | _FbaStock) if False else _stock(outer.row)
    listing_id = _listing_id(row.sku, outer.marketplace)
    return row
