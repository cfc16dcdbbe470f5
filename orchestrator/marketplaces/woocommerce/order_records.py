"""WooCommerce's orders as normalized records.

Amounts of lines, shipping, discounts and fees are without tax, whatever `prices_include_tax` says: that is
about the prices' entry in the shop. Only `total` contains the tax.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.typed_rows import Rows
from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.unified.statuses import payment_by_amounts
from orchestrator.marketplaces.values import (
    EXACT,
    Details,
    Id,
    Many,
    Number,
    id_at,
    listed,
    money,
    quantity,
    sum_of,
    total_quantity,
)
from orchestrator.marketplaces.woocommerce.fields import instant, moment, reference, title
from orchestrator.marketplaces.woocommerce.order_parts.buyers import Address, buyer, destination
from orchestrator.marketplaces.woocommerce.order_parts.parcels import Shipment, Tracking, fulfilled, parcels
from orchestrator.model.records.record import (
    Attribute,
    Fulfillment,
    FulfillmentStatus,
    LinePart,
    Money,
    Order,
    OrderLine,
    PaymentStatus,
    Quantity,
    Refund,
)

#: Raw fields that hold personal data; plugins put buyers' own words into `meta_data`, and carriers' links can
#: hold the buyer's postal code.
PERSONAL_FIELDS = frozenset(
    {"billing", "shipping", "customer_note", "customer_ip_address", "customer_user_agent", "meta_data"}
    | {"tracking_link"}
)
#: States that WordPress and WooCommerce keep for themselves: such a row is nothing that anybody has saved
#: (woocommerce: src/Enums/OrderStatus.php; WordPress: register_post_status).
INTERNAL_ORDERS = frozenset({"auto-draft", "checkout-draft", "draft", "inherit", "new"})

#: `refunded` is told by the time of completion.
_FULFILLMENT: dict[str, FulfillmentStatus] = {
    "pending": "unfulfilled",
    "on-hold": "unfulfilled",
    "failed": "unfulfilled",
    "processing": "unfulfilled",
    "ready-for-pickup": "unfulfilled",
    "completed": "fulfilled",
    "cancelled": "cancelled",
    "trash": "cancelled",
    "refunded": "cancelled",
}
_CANCELLED = frozenset({"cancelled", "trash"})
#: States with which the shop lets the seller ship.
_RELEASED = frozenset({"processing", "ready-for-pickup", "completed"})
#: The key by which a refund's line names the order's (woocommerce: class-wc-order-refund.php).
_REFUNDED_LINE = "_refunded_item_id"
#: Attributes of the shop's own begin with this; any other key may hold the buyer's words.
_OPTION = "pa_"


class _Meta(msgspec.Struct, kw_only=True):
    key: str
    value: object = None
    display_key: str | None = None


class _Line(msgspec.Struct, kw_only=True):
    id: int
    name: Annotated[object, str] = None
    product_id: Annotated[object, Id] = None
    variation_id: Annotated[object, Id] = None
    sku: Annotated[object, str] = None
    quantity: Number
    subtotal: Annotated[object, str] = None
    total: Annotated[object, str] = None
    total_tax: Annotated[object, str] = None
    #: A number: `total` by quantity, rounded.
    price: object = None
    meta_data: Annotated[object, list[_Meta]] = None


class _Shipping(msgspec.Struct):
    method_title: str | None = None


class _Coupon(msgspec.Struct):
    code: str


class _ListedRefund(msgspec.Struct):
    total: Number


class _RefundLine(msgspec.Struct, kw_only=True):
    quantity: Number = 0
    total: object = None
    meta_data: object = None


class _Refund(msgspec.Struct, kw_only=True):
    id: int
    date_created_gmt: object = None
    amount: object = None
    reason: object = None
    line_items: Many[_RefundLine] = []


class _Order(msgspec.Struct, kw_only=True):
    id: int
    number: Annotated[object, Id] = None
    status: str
    currency: str
    created_via: Annotated[object, str] = None
    date_created_gmt: str
    date_modified_gmt: Annotated[object, str] = None
    date_paid_gmt: Annotated[object, str] = None
    date_completed_gmt: Annotated[object, str] = None
    total: str
    discount_total: Annotated[object, str] = None
    shipping_total: Annotated[object, str] = None
    total_tax: Annotated[object, str] = None
    payment_method: Annotated[object, str] = None
    line_items: Many[_Line]
    shipping_lines: Annotated[object, list[_Shipping]] = None
    coupon_lines: Annotated[object, list[_Coupon]] = None
    refunds: Annotated[object, list[_ListedRefund]] = None
    #: The refunds with their lines, and the parcels by their source: made by `order_details.with_details`.
    whole_refunds: Annotated[object, list[_Refund]] = None
    core: Annotated[object, list[Shipment]] = None
    shipment_tracking: Annotated[object, list[Tracking]] = None
    billing: Annotated[object, Address] = None
    shipping: Annotated[object, Address] = None
    customer_note: Annotated[object, str] = None


order_id = id_at("id", kind=int)
_rows = Rows(_Order)


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order, as it is listed or with its refunds' lines."""
    row = _rows.decode(raw)
    if row.status in INTERNAL_ORDERS:
        raise RecordInvalid(f"no order: {row.status} is a state that WordPress keeps for itself")
    details = Details()
    charged = money(row.total, row.currency)
    listed_refunds = details.items("refunded", row.refunds, _ListedRefund)
    refunded = _refunded(details, row, listed_refunds, charged)
    refunds = _refunds(details, row, listed_refunds, refunded)
    sent = parcels(details, row.core, row.shipment_tracking, with_buyer=with_buyer)
    lines = tuple(_line(details, line, row.currency, refunds, sent) for line in listed(row.line_items))
    paid_at = moment(details, "paid_at", row.date_paid_gmt)
    completed_at = moment(details, "fulfillment_status", row.date_completed_gmt)
    facts = OrderFacts(
        id=str(row.id),
        number=details.text("number", row.number) or str(row.id),
        marketplace_status=row.status,
        created_at=instant(row.date_created_gmt),
        updated_at=moment(details, "updated_at", row.date_modified_gmt),
        paid_at=paid_at,
        cancelled=row.status in _CANCELLED,
        payment=_payment(row.status, paid_at, charged, refunded),
        fulfillment=_fulfillment(row.status, completed_at),
        released=row.status in _RELEASED,
        fulfilled_by="merchant",
        sales_channel=details.text("sales_channel", row.created_via),
        shipping_method=_shipping_method(details, row.shipping_lines),
        taxes_included=False,
        discount_total=_discount(details, row, lines),
        shipping_total=details.money("shipping_total", row.shipping_total, row.currency),
        tax_total=details.money("tax_total", row.total_tax, row.currency),
        total=charged,
        refunded=refunded,
        destination=destination(details, row.billing, row.shipping),
        discount_codes=tuple(
            coupon.code for coupon in details.items("discount_codes", row.coupon_lines, _Coupon) or ()
        ),
        payment_methods=tuple(filter(None, [details.text("payment_methods", row.payment_method)])),
        lines=lines,
        lines_as_listed=True,
        fulfillments=sent,
        refunds=refunds,
        buyer=buyer(details, row.billing, row.shipping, row.customer_note) if with_buyer else None,
    )
    return order_of(facts, details, with_buyer=with_buyer)


def _payment(word: str, paid_at: datetime | None, charged: Money, refunded: Money | None) -> PaymentStatus:
    """The state of the payment; a completed order counts as paid even if nobody has noted the time."""
    if word == "refunded":
        return "refunded"
    if word not in _FULFILLMENT and paid_at is None:
        return "unknown"
    is_paid = paid_at is not None or word == "completed"
    return payment_by_amounts(paid=is_paid, cancelled=word in _CANCELLED, total=charged, refunded=refunded)


def _fulfillment(word: str, completed_at: datetime | None) -> FulfillmentStatus:
    """The state of the shipment; a refunded order was shipped before, or never is."""
    if word == "refunded" and completed_at is not None:
        return "fulfilled"
    return _FULFILLMENT.get(word, "unknown")


def _shipping_method(details: Details, lines: object) -> str | None:
    found = details.items("shipping_method", lines, _Shipping) or ()
    return next((line.method_title for line in found if line.method_title), None)


def _discount(details: Details, row: _Order, lines: Sequence[OrderLine]) -> Money | None:
    """The order's own sum; None if its lines tell it, whose amounts are rounded less."""
    if all(line.subtotal and line.total for line in lines):
        return None
    return details.money("discount_total", row.discount_total, row.currency)


def _refunded(
    details: Details, row: _Order, listed: Sequence[_ListedRefund] | None, charged: Money
) -> Money | None:
    """The sum of an order's refunds, whose amounts are negative."""
    if listed is None:
        return None
    if not listed:
        # Some versions leave the list of a refunded order empty.
        return charged if row.status == "refunded" else money(0, row.currency)
    return details.read("refunded", _refunded_sum, listed, row.currency)


def _refunded_sum(listed: Sequence[_ListedRefund], currency: str) -> Money:
    found = sum_of((refund.total for refund in listed), currency)
    return money(Decimal(found.amount).copy_negate(), currency)


def _refunds(
    details: Details, row: _Order, listed: Sequence[_ListedRefund] | None, refunded: Money | None
) -> tuple[Refund, ...] | None:
    """The refunds with their lines; none if the order lists none; None if only their sum is known."""
    # A refund of nothing takes pieces back into the stock.
    if not listed and refunded is not None and not Decimal(refunded.amount):
        return ()
    found = details.items("refunds", row.whole_refunds, _Refund)
    if not found:
        return None
    return details.read("refunds", _whole_refunds, details, found, row.currency)


def _whole_refunds(details: Details, rows: Sequence[_Refund], currency: str) -> tuple[Refund, ...]:
    return tuple(_refund(details, each, currency) for each in rows)


def _refund(details: Details, refund: _Refund, currency: str) -> Refund:
    return Refund(
        id=str(refund.id),
        created_at=moment(details, "refunds.created_at", refund.date_created_gmt),
        reason=details.text("refunds.reason", refund.reason),
        amount=_positive(details, "refunds.amount", refund.amount, currency),
        lines=tuple(
            LinePart(
                line_id=line_id,
                quantity=quantity(-line.quantity if line.quantity < 0 else line.quantity),
                amount=_positive(details, "refunds.lines.amount", line.total, currency),
            )
            for line in listed(refund.line_items)
            if (line_id := _refunded_line(details, line)) is not None
        ),
    )


def _refunded_line(details: Details, line: _RefundLine) -> str | None:
    """The id of the order's line; None if the refund names none."""
    found = details.items("refunds.lines", line.meta_data, _Meta) or ()
    named = (details.text("refunds.lines", each.value) for each in found if each.key == _REFUNDED_LINE)
    return next(named, None)


def _positive(details: Details, name: str, amount: object, currency: str) -> Money | None:
    """An amount of a refund, which the sites write as a negative one in some places."""
    found = details.money(name, amount, currency)
    return None if found is None else money(Decimal(found.amount).copy_abs(), currency)


def _line(
    details: Details,
    line: _Line,
    currency: str,
    refunds: Sequence[Refund] | None,
    sent: Sequence[Fulfillment] | None,
) -> OrderLine:
    line_id, pieces = str(line.id), quantity(line.quantity)
    product = reference(details, "lines.product_id", line.product_id)
    options, properties = _attributes(details.items("lines.options", line.meta_data, _Meta) or ())
    subtotal = details.money("lines.subtotal", line.subtotal, currency)
    charged = details.money("lines.total", line.total, currency)
    return OrderLine(
        id=line_id,
        sku=details.text("lines.sku", line.sku),
        product_id=product,
        variant_id=reference(details, "lines.variant_id", line.variation_id) or product if product else None,
        title=title(details, "lines.title", line.name),
        quantity=pieces,
        quantity_fulfilled=fulfilled(line_id, sent),
        quantity_refunded=_given_back(line_id, refunds),
        unit_price=_unit_price(details, line.price, currency, subtotal or charged, pieces),
        subtotal=subtotal,
        tax=details.money("lines.tax", line.total_tax, currency),
        total=charged,
        options=options,
        properties=properties,
    )


def _given_back(line_id: str, refunds: Sequence[Refund] | None) -> Quantity | None:
    if not refunds:
        return None if refunds is None else 0
    parts = (part for refund in refunds for part in refund.lines if part.line_id == line_id)
    return total_quantity(*(part.quantity for part in parts))


def _unit_price(
    details: Details, price: object, currency: str, whole: Money | None, pieces: Quantity
) -> Money | None:
    """The price, unless it is rounded or reduced: times quantity it must be the whole."""
    unit = details.money("lines.unit_price", price, currency)
    if whole is None or unit is None:
        return None
    if pieces == 1:
        return unit if unit == whole else None
    product = EXACT.multiply(Decimal(unit.amount), Decimal(pieces))
    return unit if product == Decimal(whole.amount) else None


def _attributes(metas: Sequence[_Meta]) -> tuple[tuple[Attribute, ...], tuple[Attribute, ...]]:
    """The options and the properties of a line; a value of a plugin's own form is left out."""
    options: list[Attribute] = []
    properties: list[Attribute] = []
    texts = Details()
    for each in metas:
        value = None if each.key.startswith("_") else texts.text("value", each.value)
        if value is None:
            continue
        found = options if each.key.startswith(_OPTION) else properties
        found.append(Attribute(name=each.display_key or each.key.removeprefix(_OPTION), value=value))
    return tuple(options), tuple(properties)
