"""Shopify's rows as normalized records.

A detail that cannot be read is null, and is named in the record's `warnings`. The total of an order, the
quantities of its lines and the stock that is free to sell are never guessed: they make a reject.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.shopify import rows
from orchestrator.marketplaces.unified.facts import LevelFacts, OrderFacts, ProductFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.unified.products import product_of
from orchestrator.marketplaces.values import (
    EXACT,
    Details,
    Instant,
    Number,
    id_at,
    id_reader,
    joined,
    money,
    optional_utc,
    quantity,
    utc,
)
from orchestrator.model.record import (
    Buyer,
    FulfillmentStatus,
    Money,
    Order,
    OrderLine,
    PaymentStatus,
    Product,
    ProductStatus,
    Quantity,
    StockLevel,
    Variant,
)

T = TypeVar("T")

#: Raw fields that hold personal data.
PERSONAL_FIELDS = frozenset({"email", "phone", "customer", "shippingAddress", "billingAddress", "note"})

_PAYMENT: dict[str, PaymentStatus] = {
    "PENDING": "pending",
    "AUTHORIZED": "authorized",
    "PARTIALLY_PAID": "partially_paid",
    "PAID": "paid",
    "PARTIALLY_REFUNDED": "partially_refunded",
    "REFUNDED": "refunded",
    # Nobody will pay, while the order is not cancelled.
    "VOIDED": "voided",
    # The authorization is over; the order can still be paid.
    "EXPIRED": "pending",
}
#: Payments with which Shopify lets the seller ship.
_RELEASED = frozenset({"PAID", "PARTIALLY_PAID", "AUTHORIZED", "PARTIALLY_REFUNDED"})
_FULFILLMENT: dict[str, FulfillmentStatus] = {
    "FULFILLED": "fulfilled",
    "PARTIALLY_FULFILLED": "partially_fulfilled",
    "UNFULFILLED": "unfulfilled",
    "OPEN": "unfulfilled",
    "IN_PROGRESS": "unfulfilled",
    "ON_HOLD": "on_hold",
    "SCHEDULED": "on_hold",
    "PENDING_FULFILLMENT": "unfulfilled",
    "REQUEST_DECLINED": "unfulfilled",
    "RESTOCKED": "returned",
    # Since 2026-10: nothing has to be shipped.
    "FULFILLMENT_NOT_REQUIRED": "not_required",
}
_PRODUCT: dict[str, ProductStatus] = {
    "ACTIVE": "active",
    "ARCHIVED": "archived",
    "DRAFT": "draft",
    "UNLISTED": "active",
}

_When = Instant | None

order_id = id_at("legacyResourceId", kind=rows.Text)
product_id = id_at("product", "legacyResourceId", kind=rows.Text)


def number(gid: str) -> str:
    """The number at the end of a global id such as `gid://shopify/Order/6023419910411`."""
    tail = gid.partition("?")[0].rpartition("/")[2]
    if not tail:
        raise RecordInvalid("an id is not a Shopify global id")
    return tail


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order; amounts are in the shop's own currency."""
    row, details = msgspec.json.decode(raw, type=rows.OrderRow), Details()
    financial, fulfillment = row.display_financial_status, row.display_fulfillment_status
    refunded = _amount(details, "refunded", row.total_refunded_set)
    is_edited = _is_edited(row, refunded)
    facts = OrderFacts(
        id=row.legacy_resource_id,
        number=row.name,
        cancelled=row.cancelled_at is not None,
        payment=_PAYMENT.get(financial or "", "unknown"),
        fulfillment=_FULFILLMENT.get(fulfillment or "", "unknown"),
        released=financial in _RELEASED,
        marketplace_status="/".join(word for word in (financial, fulfillment) if word) or "none",
        total=_total(row, is_edited=is_edited),
        refunded=refunded,
        created_at=utc(row.created_at),
        updated_at=utc(row.updated_at),
        cancelled_at=optional_utc(row.cancelled_at),
        test=row.test,
        lines=tuple(_line(details, line, is_edited=is_edited) for line in row.line_items.nodes),
        lines_as_listed=True,
        buyer=details.read("buyer", lambda: _buyer(raw)) if with_buyer else None,
    )
    return order_of(facts, details, with_buyer=with_buyer)


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """A product with its variants, priced in the shop's currency."""
    priced, details = msgspec.json.decode(raw, type=rows.Priced), Details()
    row = priced.product
    facts = ProductFacts(
        id=row.legacy_resource_id,
        title=details.text("title", row.title),
        status=_PRODUCT.get(row.status, "unknown"),
        marketplace_status=row.status,
        created_at=details.read("created_at", lambda: optional_utc(msgspec.convert(row.created_at, _When))),
        updated_at=utc(row.updated_at),
        variants=tuple(_variant(details, variant, priced.currency) for variant in row.variants.nodes),
        variants_as_listed=True,
    )
    return product_of(facts, details)


def level(raw: bytes, with_buyer: bool) -> StockLevel:  # noqa: ARG001 - the contract's signature
    """The stock of one item at one location; no amount is told of an item whose stock is not counted."""
    row, details = msgspec.json.decode(raw, type=rows.Level), Details()
    amounts = {each.name: each.quantity for each in row.quantities if row.item.tracked}
    available = amounts.get("available")
    sold_as = _sold_as(details, row.item)
    facts = LevelFacts(
        id=_level_id(row),
        sku=details.text("sku", row.item.sku),
        product_id=_id(details, "product_id", sold_as.product) if sold_as else None,
        variant_id=_id(details, "variant_id", sold_as),
        location_id=number(row.location.id),
        location_name=details.text("location_name", row.location.name),
        available=None if available is None else quantity(msgspec.convert(available, Number)),
        on_hand=details.quantity("on_hand", amounts.get("on_hand")),
        committed=details.quantity("committed", amounts.get("committed")),
        incoming=details.quantity("incoming", amounts.get("incoming")),
        reserved=details.quantity("reserved", amounts.get("reserved")),
        updated_at=utc(row.updated_at),
    )
    return level_of(facts, details)


@id_reader
def level_id(raw: bytes) -> str:
    """The stock level's id."""
    return _level_id(msgspec.json.decode(raw, type=rows.LevelId))


def _level_id(row: rows.LevelId | rows.Level) -> str:
    return f"{number(row.item.id)}@{number(row.location.id)}"


def _sold_as(details: Details, item: rows.Item) -> rows.SoldAs | None:
    """The variant that an inventory item is sold as; None if it is not told."""
    if item.variants is None:
        return details.part("variant_id", item.variant, rows.SoldAs)
    variants = details.part("variant_id", item.variants, rows.SoldAsList)
    return next(iter(variants.nodes), None) if variants else None


def _is_edited(row: rows.OrderRow, refunded: Money | None) -> bool:
    """Whether units that are missing from the order were removed by an edit.

    Shopify takes removed and refunded units off alike. Only while nothing is refunded they are known to be
    removed ones; in an order with both, the units count as ordered.
    """
    nothing_refunded = refunded is not None and Decimal(refunded.amount) == 0
    return row.edited is not False and row.cancelled_at is None and nothing_refunded


def _total(row: rows.OrderRow, *, is_edited: bool) -> Money | None:
    """The total as sold: edits change it, returns and refunds do not."""
    sold, current = row.total_price_set, row.current_total_price_set
    bag = (current or sold) if is_edited else (sold or current)
    return None if bag is None else money(bag.shop_money.amount, bag.shop_money.currency_code)


def _line(details: Details, line: rows.Line, *, is_edited: bool) -> OrderLine:
    ordered = quantity(line.quantity)
    left = details.quantity("lines.quantity", line.current_quantity) if is_edited else None
    kept = ordered if left is None or Decimal(left) > Decimal(ordered) else left
    unit_price = _amount(details, "lines.unit_price", line.original_unit_price_set)
    return OrderLine(
        id=number(line.id),
        sku=details.text("lines.sku", line.sku),
        # None once the product or variant is deleted.
        product_id=_id(details, "lines.product_id", line.product),
        variant_id=_id(details, "lines.variant_id", line.variant),
        title=details.text("lines.title", line.title),
        quantity=kept,
        unit_price=unit_price,
        total=details.read("lines.total", lambda: _line_total(line, unit_price, ordered, kept)),
    )


def _line_total(line: rows.Line, unit: Money | None, ordered: Quantity, kept: Quantity) -> Money | None:
    """The line after all discounts, of the units that edits have left in the order.

    Raises:
        RecordInvalid: An amount is not one, or the units left have no exact share of the discounts.
    """
    discounts = msgspec.convert(line.discount_allocations or [], list[rows.Discount])
    if discounts and unit is not None:
        found = EXACT.multiply(Decimal(unit.amount), Decimal(ordered))
        for discount in discounts:
            share = discount.allocated_amount_set.shop_money
            found = EXACT.subtract(found, Decimal(money(share.amount, unit.currency).amount))
        currency = unit.currency
    elif line.discounted_total_set is not None:
        whole = msgspec.convert(line.discounted_total_set, rows.Bag).shop_money
        found, currency = Decimal(money(whole.amount, whole.currency_code).amount), whole.currency_code
    else:
        return None
    if kept != ordered:
        found = EXACT.divide(EXACT.multiply(found, Decimal(kept)), Decimal(ordered))
    return money(found, currency)


def _variant(details: Details, variant: rows.VariantRow, currency: str) -> Variant:
    return Variant(
        id=number(variant.id),
        sku=details.text("variants.sku", variant.sku),
        barcode=details.text("variants.barcode", variant.barcode),
        title=details.text("variants.title", variant.title),
        price=details.money("variants.price", variant.price, currency),
        list_price=details.money("variants.list_price", variant.compare_at_price, currency),
    )


def _id(details: Details, name: str, ref: object) -> str | None:
    """The number of a node; None if there is no node."""
    return None if ref is None else details.read(name, lambda: number(_ref(ref).id))


def _ref(node: object) -> rows.Ref:
    return msgspec.convert(node, rows.Ref, from_attributes=True)


def _amount(details: Details, name: str, bag: object) -> Money | None:
    found = details.part(name, bag, rows.Bag)
    return details.money(name, found.shop_money.amount, found.shop_money.currency_code) if found else None


def _buyer(raw: bytes) -> Buyer:
    row = msgspec.json.decode(raw, type=rows.Person)
    address = row.shipping_address or rows.Address()
    return Buyer(
        name=(row.customer and row.customer.display_name) or address.name,
        email=row.email,
        phone=row.phone or address.phone,
        street=joined(address.address1, address.address2),
        city=address.city,
        region=address.province,
        postal_code=address.zip,
        country=address.country_code,
    )
