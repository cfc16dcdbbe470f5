"""Shopify's orders as normalized records.

A detail that cannot be read is null, and is named in the record's `warnings`. The total of an order and the
quantities of its lines are never guessed: they make a reject.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from orchestrator.marketplaces.shopify.nodes import NO_VARIANT, amount, node_id, number, words
from orchestrator.marketplaces.shopify.order_parts import order_rows as rows
from orchestrator.marketplaces.shopify.order_parts.parcels import Dispatch, Pieces, dispatch_of
from orchestrator.marketplaces.shopify.rows import Bag, Text
from orchestrator.marketplaces.typed_rows import Rows
from orchestrator.marketplaces.unified.breakdown import sum_of_all
from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.values import (
    EXACT,
    Details,
    Number,
    id_at,
    joined,
    less,
    money,
    number_of,
    optional_utc,
    quantity,
    utc,
)
from orchestrator.model.records.record import (
    Attribute,
    Buyer,
    Destination,
    FulfillmentStatus,
    Money,
    Order,
    OrderLine,
    PaymentStatus,
    Quantity,
)

T = TypeVar("T")

#: Raw fields that hold personal data.
PERSONAL_FIELDS = frozenset(
    {
        *("email", "phone", "customer", "shippingAddress", "billingAddress", "displayAddress", "note"),
        *("customAttributes", "clientIp", "poNumber"),
    }
)

#: By `displayFinancialStatus` (shopify.dev, OrderDisplayFinancialStatus 2026-10).
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
#: By `displayFulfillmentStatus` (shopify.dev, OrderDisplayFulfillmentStatus 2026-10).
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
#: Fulfilment orders that nobody has to send any more (shopify.dev, FulfillmentOrderStatus 2026-10).
_SENT = frozenset({"CLOSED", "CANCELLED", "INCOMPLETE"})

order_id = id_at("legacyResourceId", kind=Text)
_rows = Rows(rows.OrderRow)


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order; amounts are in the shop's own currency."""
    row, details = _rows.decode(raw), Details()
    financial, fulfillment = row.display_financial_status, row.display_fulfillment_status
    refunded = amount(details, "refunded", row.total_refunded_set)
    is_edited = _is_edited(row, refunded)
    sold, tax = _sold(row, is_edited=is_edited)
    dispatch = dispatch_of(details, row)
    facts = OrderFacts(
        id=row.legacy_resource_id,
        number=row.name,
        cancelled=row.cancelled_at is not None,
        cancel_reason=details.text("cancel_reason", row.cancel_reason),
        payment=_PAYMENT.get(financial or "", "unknown"),
        fulfillment=_fulfillment(row),
        fulfilled_by=dispatch.fulfilled_by,
        released=financial in _RELEASED,
        marketplace_status="/".join(word for word in (financial, fulfillment) if word) or "none",
        sales_channel=_channel(details, row),
        currency=sold.shop_money.currency_code if sold else None,
        taxes_included=details.flag("taxes_included", row.taxes_included),
        shipping_total=_shipping(details, row, sold),
        shipping_method=_shipping_title(details, row),
        tax_total=amount(details, "tax_total", tax),
        total=None if sold is None else money(sold.shop_money.amount, sold.shop_money.currency_code),
        refunded=refunded,
        remaining=None
        if row.current_total_price_set is None
        else amount(details, "net", row.current_total_price_set),
        presentment_total=_presented(details, sold),
        created_at=utc(row.created_at),
        updated_at=utc(row.updated_at),
        cancelled_at=optional_utc(row.cancelled_at),
        ship_by=details.read("ship_by", _ship_by, details, row),
        test=row.test,
        destination=_destination(details, row),
        tags=words(details, "tags", row.tags),
        discount_codes=words(details, "discount_codes", row.discount_codes),
        payment_methods=words(details, "payment_methods", row.payment_gateway_names),
        lines=tuple(
            _line(details, line, dispatch, is_edited=is_edited, with_buyer=with_buyer)
            for line in row.line_items.nodes
        ),
        lines_as_listed=True,
        fulfillments=dispatch.fulfillments,
        refunds=dispatch.refunds,
        buyer=details.read("buyer", _buyer, raw) if with_buyer else None,
    )
    return order_of(facts, details, with_buyer=with_buyer)


def _is_edited(row: rows.OrderRow, refunded: Money | None) -> bool:
    """Whether units that are missing from the order were removed by an edit.

    Shopify takes removed and refunded units off alike. Only while nothing is refunded they are known to be
    removed ones; in an order with both, the units count as ordered.
    """
    nothing_refunded = refunded is not None and Decimal(refunded.amount) == 0
    return row.edited is not False and row.cancelled_at is None and nothing_refunded


def _sold(row: rows.OrderRow, *, is_edited: bool) -> tuple[Bag | None, object]:
    """The total and its tax as sold: edits change them, returns and refunds do not."""
    sold, current = row.total_price_set, row.current_total_price_set
    if is_edited:
        return current or sold, row.current_total_tax_set or row.total_tax_set
    return sold or current, row.total_tax_set


def _fulfillment(row: rows.OrderRow) -> FulfillmentStatus:
    """The state of the shipment. `RETURNED` may be said of an order of which only some items came back."""
    found = _FULFILLMENT.get(row.display_fulfillment_status or "", "unknown")
    is_empty = all(line.current_quantity == 0 for line in row.line_items.nodes)
    return "returned" if row.return_status == "RETURNED" and found == "fulfilled" and is_empty else found


def _channel(details: Details, row: rows.OrderRow) -> str | None:
    channel = details.part("sales_channel", row.attribution, rows.Attribution)
    told = channel and (channel.handle or channel.display_name)
    return told or details.text("sales_channel", row.source_name)


def _shipping(details: Details, row: rows.OrderRow, sold: Bag | None) -> Money | None:
    """The costs of shipping after discounts; 0 if Shopify says that nothing is shipped."""
    if row.shipping_line is None and sold is not None:
        return details.money("shipping_total", 0, sold.shop_money.currency_code)
    if row.shipping_line is msgspec.UNSET:
        return None
    line = details.part("shipping_total", row.shipping_line, rows.ShippingLine)
    return amount(details, "shipping_total", line.discounted_price_set) if line else None


def _shipping_title(details: Details, row: rows.OrderRow) -> str | None:
    if row.shipping_line is msgspec.UNSET:
        return None
    line = details.part("shipping_method", row.shipping_line, rows.ShippingLine)
    return details.text("shipping_method", line.title) if line else None


def _presented(details: Details, sold: Bag | None) -> Money | None:
    told = sold.presentment_money if sold else None
    return details.money("presentment_total", told.amount, told.currency_code) if told else None


def _ship_by(details: Details, row: rows.OrderRow) -> datetime | None:
    """The earliest deadline of the fulfilment orders that are still to send."""
    found = details.part("ship_by", row.fulfillment_orders, rows.Deadlines)
    nodes = found.nodes if found else ()
    told = (utc(each.fulfill_by) for each in nodes if each.fulfill_by and each.status not in _SENT)
    return min(told, default=None)


def _destination(details: Details, row: rows.OrderRow) -> Destination | None:
    address = details.part("destination", row.shipping_address, rows.Address)
    if address is None:
        return None
    return Destination(
        country=address.country_code,
        region=address.province_code or address.province,
        postal_code=address.zip,
    )


def _line(
    details: Details, line: rows.Line, dispatch: Dispatch, *, is_edited: bool, with_buyer: bool
) -> OrderLine:
    ordered = quantity(line.quantity)
    current = details.quantity("lines.quantity", line.current_quantity)
    is_less = current is not None and number_of(current) < number_of(ordered)
    kept = current if is_edited and current is not None and is_less else ordered
    unit_price = amount(details, "lines.unit_price", line.original_unit_price_set)
    line_id = number(line.id)
    fulfilled, refunded, cancelled = _pieces(dispatch.pieces, line_id, kept, current)

    discounts = _told(details, "lines.discount", line.discount_allocations, rows.Discount)
    tax = _told(details, "lines.tax", line.tax_lines, rows.TaxLine)
    liable = [each for each in tax or () if each.channel_liable]
    variant_title = details.text("lines.variant_title", line.variant_title)
    return OrderLine(
        id=line_id,
        sku=details.text("lines.sku", line.sku),
        # None once the product or variant is deleted.
        product_id=node_id(details, "lines.product_id", line.product),
        variant_id=node_id(details, "lines.variant_id", line.variant),
        title=details.text("lines.title", line.title),
        variant_title=None if variant_title == NO_VARIANT else variant_title,
        quantity=kept,
        quantity_fulfilled=fulfilled,
        quantity_refunded=refunded,
        quantity_cancelled=cancelled,
        unit_price=unit_price,
        subtotal=details.read("lines.subtotal", _times, unit_price, kept),
        discount=details.read("lines.discount", _discount, discounts, unit_price, ordered, kept),
        tax=None if kept != ordered else details.read("lines.tax", _taxes, tax, unit_price),
        marketplace_tax=None
        if kept != ordered or not liable
        else details.read("lines.marketplace_tax", _taxes, liable, unit_price),
        properties=_properties(details, line) if with_buyer else (),
        requires_shipping=details.flag("lines.requires_shipping", line.requires_shipping),
        gift_card=line.is_gift_card is True,
        parent_id=node_id(details, "lines.parent_id", line.line_item_group),
    )


def _pieces(
    told: Pieces, line_id: str, kept: Quantity, current: Quantity | None
) -> tuple[Quantity | None, Quantity | None, Quantity | None]:
    """The pieces of a line that were sent, refunded and cancelled.

    Pieces that are missing from the order and were not refunded are cancelled, unless they were sent.
    """
    whole = number_of(kept)
    if whole < 0:
        return None, None, None

    def of(part: dict[str, Quantity] | None) -> Number | None:
        return None if part is None else min(whole, number_of(part.get(line_id, 0)))

    fulfilled, refunded, cancelled = of(told.fulfilled), of(told.refunded), of(told.cancelled)
    if refunded is not None and cancelled is not None:
        if current is not None:
            missing = less(less(whole, number_of(current)), refunded)
            cancelled = max(cancelled, missing)
        cancelled = min(cancelled, less(whole, fulfilled or 0))
    found = [None if each is None else quantity(each) for each in (fulfilled, refunded, cancelled)]
    return found[0], found[1], found[2]


def _times(unit: Money | None, pieces: Quantity) -> Money | None:
    if unit is None or pieces == 1:
        return unit
    return money(EXACT.multiply(Decimal(unit.amount), Decimal(pieces)), unit.currency)


def _share(whole: Money | None, ordered: Quantity, kept: Quantity) -> Money | None:
    """The exact share of the units that edits have left in the order.

    Raises:
        RecordInvalid: There is none.
    """
    if whole is None or kept == ordered:
        return whole
    value = EXACT.multiply(Decimal(whole.amount), Decimal(kept))
    return money(EXACT.divide(value, Decimal(ordered)), whole.currency)


def _told(details: Details, name: str, value: object, kind: type[T]) -> list[T] | None:
    """A list; None if it was not asked for, or with a warning if it is none."""
    if value is not None and type(value) is not list:
        details.note(name)
        return None
    return None if value is None else details.items(name, value, kind)


def _discount(
    shares: list[rows.Discount] | None, unit: Money | None, ordered: Quantity, kept: Quantity
) -> Money | None:
    """All discounts of the line, those of the whole order among them, for the units that are left.

    `discountedTotalSet` leaves out code discounts unless it is asked for them, and those of the whole order
    always: they are in the allocations alone.
    """
    if shares is None or unit is None:
        return None
    if not shares:
        return money(0, unit.currency)
    return _share(sum_of_all(_plain(each.allocated_amount_set) for each in shares), ordered, kept)


def _taxes(taxes: list[rows.TaxLine] | None, unit: Money | None) -> Money | None:
    if taxes is None or unit is None:
        return None
    return sum_of_all(_plain(each.price_set) for each in taxes) or money(0, unit.currency)


def _plain(bag: Bag) -> Money:
    return money(bag.shop_money.amount, bag.shop_money.currency_code)


def _properties(details: Details, line: rows.Line) -> tuple[Attribute, ...]:
    told = details.items("lines.properties", line.custom_attributes, rows.Attribute) or ()
    return tuple(Attribute(name=each.key, value=each.value or "") for each in told)


def _buyer(raw: bytes) -> Buyer:
    row = msgspec.json.decode(raw, type=rows.Person)
    address = row.shipping_address or rows.Address()
    return Buyer(
        name=(row.customer and row.customer.display_name) or address.name,
        company=address.company,
        email=row.email,
        phone=row.phone or address.phone,
        street=joined(address.address1, address.address2),
        city=address.city,
        region=address.province,
        postal_code=address.zip,
        country=address.country_code,
        note=row.note,
    )
