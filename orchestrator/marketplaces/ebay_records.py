"""eBay's rows, and what they mean as normalized records.

Source: eBay's own descriptions of Fulfillment 1.20.7 and Inventory 1.18.4, read 2026-11-23.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from orchestrator.marketplaces.values import Instant, money, utc
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

#: Raw fields that hold personal data.
PERSONAL_FIELDS = frozenset(
    {"buyer", "buyerCheckoutNotes", "fulfillmentStartInstructions", "giftDetails", "shipTo", "taxIdentifier"}
)
#: Where stock lies that eBay tells no location of.
ANYWHERE = "ship_to_home"

_FULFILLMENT: dict[str, OrderStatus] = {
    "FULFILLED": "fulfilled",
    "IN_PROGRESS": "partially_fulfilled",
    "NOT_STARTED": "open",
}
_UNPAID = {"PENDING", "FAILED"}
_LISTING: dict[str, ProductStatus] = {
    "ACTIVE": "active",
    "OUT_OF_STOCK": "active",
    "ENDED": "inactive",
    "EBAY_ENDED": "inactive",
    "INACTIVE": "inactive",
    "NOT_LISTED": "inactive",
}
#: Of several offers' statuses the first of these is the product's.
_FIRST: tuple[ProductStatus, ...] = ("active", "unknown", "inactive", "draft")


class _Row(msgspec.Struct, rename="camel"):
    """eBay's fields are in camel case; what may be left out there is optional here."""


class _Amount(_Row):
    value: str
    currency: str


class _CancelStatus(_Row):
    cancel_state: str = "NONE_REQUESTED"
    cancelled_date: Instant | None = None


class _Total(_Row):
    total: _Amount | None = None


class _Refund(_Row):
    amount: _Amount | None = None
    refund_status: str | None = None


class _Payments(_Row):
    refunds: list[_Refund] = []


class _Address(_Row):
    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    state_or_province: str | None = None
    postal_code: str | None = None
    country_code: str | None = None


class _Phone(_Row):
    phone_number: str | None = None


class _Contact(_Row):
    full_name: str | None = None
    email: str | None = None
    primary_phone: _Phone = _Phone()
    contact_address: _Address = _Address()


class _ShippingStep(_Row):
    ship_to: _Contact | None = None


class _Instruction(_Row):
    shipping_step: _ShippingStep | None = None


class _LineItem(_Row, kw_only=True):
    line_item_id: str
    legacy_item_id: str | None = None
    sku: str | None = None
    title: str | None = None
    quantity: int
    line_item_cost: _Amount | None = None
    discounted_line_item_cost: _Amount | None = None
    line_item_fulfillment_status: str | None = None


class _Order(_Row, kw_only=True):
    order_id: str
    creation_date: Instant
    last_modified_date: Instant
    order_fulfillment_status: str
    order_payment_status: str
    cancel_status: _CancelStatus = _CancelStatus()
    pricing_summary: _Total = _Total()
    payment_summary: _Payments = _Payments()
    fulfillment_start_instructions: list[_Instruction] = []
    line_items: list[_LineItem]


class _OrderId(_Row):
    order_id: str


class _CatalogueEntry(_Row):
    title: str | None = None
    ean: list[str] = []
    upc: list[str] = []
    isbn: list[str] = []


class _Item(_Row, kw_only=True):
    sku: str
    product: _CatalogueEntry = _CatalogueEntry()


class _Listing(_Row):
    listing_id: str | None = None
    listing_status: str | None = None


class _Prices(_Row):
    price: _Amount | None = None
    original_retail_price: _Amount | None = None


class _Offer(_Row, kw_only=True):
    offer_id: str
    status: str
    listing: _Listing = _Listing()
    pricing_summary: _Prices = _Prices()


class _Offered(msgspec.Struct):
    """An inventory item with its offers; our own form, made by `offered`."""

    item: _Item
    offers: list[_Offer]


class _Sku(msgspec.Struct):
    sku: str


class _OfferedSku(msgspec.Struct):
    item: _Sku


class _Place(_Row):
    merchant_location_key: str
    quantity: int | None = None


class _ShipToHome(_Row):
    quantity: int | None = None
    availability_distributions: list[_Place] = []


class _Availability(_Row):
    ship_to_location_availability: _ShipToHome | None = None
    pickup_at_location_availability: list[_Place] = []


class _StockedItem(_Row, kw_only=True):
    sku: str
    availability: _Availability = _Availability()


class _Level(msgspec.Struct):
    """One location's share of an inventory item; our own form, made by `split_by_location`."""

    sku: str
    location: str
    quantity: int | None
    #: Whether buyers fetch it there.
    pickup: bool = False


def sku_of(item: bytes) -> str | None:
    """The SKU of an inventory item, or None."""
    try:
        return msgspec.json.decode(item, type=_Sku).sku or None
    except msgspec.DecodeError:
        return None


def offered(item: bytes, offers: list[bytes]) -> bytes:
    """An inventory item and its offers as one record."""
    return b'{"item":' + item + b',"offers":[' + b",".join(offers) + b"]}"


def split_by_location(item: bytes) -> list[bytes]:
    """One record a location; an item that cannot be read is passed on whole, to be rejected."""
    try:
        row = msgspec.json.decode(item, type=_StockedItem)
    except msgspec.ValidationError:
        return [item]
    levels = [
        _Level(row.sku, place.merchant_location_key, place.quantity, pickup=True)
        for place in row.availability.pickup_at_location_availability
    ]
    if home := row.availability.ship_to_location_availability:
        # The quantity is what lies at all locations together, where those are told.
        places = home.availability_distributions or [_Place(ANYWHERE, home.quantity)]
        levels += [_Level(row.sku, place.merchant_location_key, place.quantity) for place in places]
    return [msgspec.json.encode(level) for level in levels]


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order; amounts are as eBay converted them to the seller's currency."""
    row = msgspec.json.decode(raw, type=_Order)
    cancelled = row.cancel_status.cancel_state
    words = [row.order_payment_status, row.order_fulfillment_status]
    return Order(
        id=row.order_id,
        number=row.order_id,
        status=_order_status(row),
        marketplace_status="/".join(words if cancelled == "NONE_REQUESTED" else [*words, cancelled]),
        total=_money(row.pricing_summary.total),
        refunded=_refunded(row.payment_summary.refunds),
        created_at=utc(row.creation_date),
        updated_at=utc(row.last_modified_date),
        cancelled_at=None
        if row.cancel_status.cancelled_date is None
        else utc(row.cancel_status.cancelled_date),
        lines=tuple(_line(item) for item in row.line_items),
        buyer=_buyer(row) if with_buyer else None,
    )


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """An inventory item is a product; each of its offers is a variant, or the item where it has none."""
    row = msgspec.json.decode(raw, type=_Offered)
    item = row.item
    statuses: set[ProductStatus] = {_offer_status(offer) for offer in row.offers} or {"draft"}
    words = sorted({f"{offer.status}/{offer.listing.listing_status or 'none'}" for offer in row.offers})
    codes = [*item.product.ean, *item.product.upc, *item.product.isbn]
    shared = {"sku": item.sku, "barcode": codes[0] if codes else None}
    variants = {
        variant.id: variant
        for offer in row.offers
        if (
            variant := Variant(
                # Orders name a listing, so that they can be joined to it.
                id=offer.listing.listing_id or offer.offer_id,
                price=_money(offer.pricing_summary.price),
                list_price=_money(offer.pricing_summary.original_retail_price),
                **shared,
            )
        )
    }
    return Product(
        id=item.sku,
        title=item.product.title,
        status=next(status for status in _FIRST if status in statuses),
        marketplace_status=", ".join(words) or "no offer",
        variants=tuple(variants.values()) or (Variant(id=item.sku, **shared),),
    )


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """What one location holds of an item; stock to be fetched there is counted apart."""
    row = msgspec.json.decode(raw, type=_Level)
    return StockLevel(
        id=f"{row.sku}@{'pickup:' if row.pickup else ''}{row.location}",
        sku=row.sku,
        product_id=row.sku,
        location_id=row.location,
        available=row.quantity,
    )


def order_id(raw: bytes) -> str | None:
    """The order's id, or None."""
    try:
        return msgspec.json.decode(raw, type=_OrderId).order_id
    except msgspec.DecodeError:
        return None


def product_id(raw: bytes) -> str | None:
    """The item's SKU, or None."""
    try:
        return msgspec.json.decode(raw, type=_OfferedSku).item.sku
    except msgspec.DecodeError:
        return None


def level_id(raw: bytes) -> str | None:
    """The stock level's id, or None: also for an item that could not be split by location."""
    try:
        return level(raw, False).id
    except msgspec.DecodeError:
        return None


def _order_status(row: _Order) -> OrderStatus:
    if row.cancel_status.cancel_state == "CANCELED":
        return "cancelled"
    if row.order_payment_status == "FULLY_REFUNDED":
        return "refunded"
    status = _FULFILLMENT.get(row.order_fulfillment_status, "unknown")
    return "pending" if status == "open" and row.order_payment_status in _UNPAID else status


def _offer_status(offer: _Offer) -> ProductStatus:
    if offer.status == "UNPUBLISHED":
        return "draft"
    if offer.status != "PUBLISHED":
        return "unknown"
    return _LISTING.get(offer.listing.listing_status or "ACTIVE", "unknown")


def _line(item: _LineItem) -> OrderLine:
    cost = item.line_item_cost
    return OrderLine(
        id=item.line_item_id,
        # Listings made outside the Inventory model need none.
        sku=item.sku or None,
        product_id=item.sku or None,
        variant_id=item.legacy_item_id,
        title=item.title,
        quantity=item.quantity,
        unit_price=_unit_price(cost, item.quantity) if cost else None,
        total=_money(item.discounted_line_item_cost or cost),
        marketplace_status=item.line_item_fulfillment_status,
    )


def _unit_price(cost: _Amount, quantity: int) -> Money | None:
    """The cost is unit price times quantity; None where it cannot be divided without a rest."""
    total = money(cost.value, cost.currency)
    if quantity < 1:
        return None
    unit = money(round(Decimal(total.amount) / quantity, 4), cost.currency)
    return unit if Decimal(unit.amount) * quantity == Decimal(total.amount) else None


def _refunded(refunds: list[_Refund]) -> Money | None:
    amounts = [refund.amount for refund in refunds if refund.amount and refund.refund_status == "REFUNDED"]
    if not amounts:
        return None
    known = [money(amount.value, amounts[0].currency) for amount in amounts]
    return money(sum((Decimal(each.amount) for each in known), Decimal(0)), amounts[0].currency)


def _money(amount: _Amount | None) -> Money | None:
    return None if amount is None else money(amount.value, amount.currency)


def _buyer(row: _Order) -> Buyer | None:
    """Where the order goes; None where eBay tells nobody, as it does of old orders."""
    steps = [instruction.shipping_step for instruction in row.fulfillment_start_instructions]
    contact = next((step.ship_to for step in steps if step and step.ship_to), None)
    if contact is None:
        return None
    address = contact.contact_address
    streets = [line for line in (address.address_line1, address.address_line2) if _told(line)]
    return Buyer(
        name=_told(contact.full_name),
        email=_told(contact.email),
        phone=_told(contact.primary_phone.phone_number),
        street=", ".join(line for line in streets if line) or None,
        city=_told(address.city),
        region=_told(address.state_or_province),
        postal_code=_told(address.postal_code),
        country=_told(address.country_code),
    )


def _told(text: str | None) -> str | None:
    """The text, unless eBay has masked it."""
    return text if text and any(map(str.isalnum, text)) else None
