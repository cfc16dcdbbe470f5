"""eBay's orders as normalized records.

Source: eBay's own description of Fulfillment 1.20.7, read 2026-11-28.

A detail that cannot be read is null, and is named in the record's `warnings`. The total of an order and the
quantities of its lines are never guessed: they make a reject.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from orchestrator.marketplaces.ebay.order_amounts import (
    LineTaxes,
    added,
    money_of,
    prices_of,
    refunds_of,
    taxes_of,
)
from orchestrator.marketplaces.ebay.order_people import (
    Instructions,
    buyer_of,
    destination_of,
    instructions_of,
)
from orchestrator.marketplaces.ebay.order_rows import (
    Aspect,
    Deadlines,
    LineItem,
    OrderRow,
    Parcel,
    Payment,
    Payments,
    Program,
)
from orchestrator.marketplaces.typed_rows import Rows
from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.values import (
    Details,
    id_at,
    number_of,
    plain_text,
    quantity,
    total_quantity,
    utc,
)
from orchestrator.model.records.record import (
    Attribute,
    Charge,
    FulfilledBy,
    Fulfillment,
    FulfillmentStatus,
    LinePart,
    Order,
    OrderLine,
    PaymentStatus,
    Quantity,
)

#: Raw fields that hold personal data.
PERSONAL_FIELDS = frozenset(
    {
        *("buyer", "buyerCheckoutNotes", "fulfillmentStartInstructions", "giftDetails", "shipTo"),
        *("taxIdentifier", "taxAddress", "buyerRegistrationAddress", "finalDestinationAddress"),
        *("ebayReference", "linkedOrderLineItems", "appointment", "compatibilityProperties"),
    }
)
#: The states of a payment, by OrderPaymentStatusEnum.
PAYMENTS: dict[str, PaymentStatus] = {
    "PENDING": "pending",
    "FAILED": "pending",
    "PAID": "paid",
    "PARTIALLY_REFUNDED": "partially_refunded",
    "FULLY_REFUNDED": "refunded",
}
#: The states of a shipment, by OrderFulfillmentStatus; the lines have the same.
FULFILLMENTS: dict[str, FulfillmentStatus] = {
    "FULFILLED": "fulfilled",
    "IN_PROGRESS": "partially_fulfilled",
    "NOT_STARTED": "unfulfilled",
}
#: Payments with which eBay lets the seller ship.
_RELEASED = frozenset({"PAID", "PARTIALLY_REFUNDED"})
#: The party that ships, by FulfilledByEnum.
SHIPPERS: dict[str, FulfilledBy] = {"EBAY": "marketplace"}

order_id = id_at("orderId", kind=str)
_rows = Rows(OrderRow)


def order(raw: bytes, with_buyer: bool) -> Order:
    """An order; amounts are as eBay converted them to the seller's currency."""
    row, details = _rows.decode(raw), Details()
    cancelled = row.cancel_status.cancel_state
    words = [row.order_payment_status, row.order_fulfillment_status]
    told = instructions_of(details, row)
    taxes = [taxes_of(details, item) for item in row.line_items]
    prices, holds_collected = prices_of(details, row.pricing_summary, taxes)
    if not holds_collected:
        taxes = [LineTaxes(own=each.own) for each in taxes]
    shipper = _shipper(details, row, told)
    parcels = _parcels(details, row, shipper)
    payments = details.part("payments", row.payment_summary, Payments) or Payments()
    paid = [
        each
        for each in details.items("paid_at", payments.payments, Payment) or ()
        if each.payment_status != "FAILED"
    ]
    facts = OrderFacts(
        id=row.order_id,
        number=row.order_id,
        cancelled=cancelled == "CANCELED",
        payment=PAYMENTS.get(row.order_payment_status, "unknown"),
        fulfillment=_fulfillment(row, told),
        released=row.order_payment_status in _RELEASED,
        fulfilled_by=shipper,
        marketplace_status="/".join(words if cancelled == "NONE_REQUESTED" else [*words, cancelled]),
        sales_channel=_channel(details, row.line_items),
        created_at=utc(row.creation_date),
        updated_at=utc(row.last_modified_date),
        paid_at=_first(details.moment("paid_at", each.payment_date) for each in paid),
        cancelled_at=details.moment("cancelled_at", row.cancel_status.cancelled_date),
        deliver_by=_deliver_by(details, row.line_items) or told.deliver_by,
        shipping_method=told.service,
        taxes_included=False,
        **msgspec.structs.asdict(prices),
        refunds=refunds_of(details, row),
        fee_lines=_fees(details, row.total_marketplace_fee),
        destination=destination_of(told),
        payment_methods=tuple(
            method for each in paid if (method := details.text("payment_methods", each.payment_method))
        ),
        lines=tuple(
            _line(details, item, each, told, parcels)
            for item, each in zip(row.line_items, taxes, strict=True)
        ),
        fulfillments=parcels,
        buyer=buyer_of(details, row, told) if with_buyer else None,
    )
    return order_of(facts, details, with_buyer=with_buyer)


def _fulfillment(row: OrderRow, told: Instructions) -> FulfillmentStatus:
    """The state of the shipment; of downloads and the like that nobody ships, `not_required`."""
    found = FULFILLMENTS.get(row.order_fulfillment_status, "unknown")
    return "not_required" if told.is_digital and found != "fulfilled" else found


def _shipper(details: Details, row: OrderRow, told: Instructions) -> FulfilledBy | None:
    """The party that ships; the seller, unless eBay names itself."""
    program = details.part("fulfilled_by", row.program, Program)
    if program and program.fulfillment_program:
        return SHIPPERS.get(str(program.fulfillment_program.fulfilled_by), "unknown")
    return told.shipper or "merchant"


def _channel(details: Details, items: Iterable[LineItem]) -> str | None:
    """The site where the buyer bought."""
    for item in items:
        site = item.purchase_marketplace_id or item.listing_marketplace_id
        if found := details.text("sales_channel", site):
            return found
    return None


def _deliver_by(details: Details, items: Iterable[LineItem]) -> datetime | None:
    return _first(
        details.moment("deliver_by", deadlines.max_estimated_delivery_date)
        for item in items
        if (deadlines := details.part("deliver_by", item.line_item_fulfillment_instructions, Deadlines))
    )


def _fees(details: Details, value: object) -> tuple[Charge, ...]:
    """The fees of eBay until now; later ones are told by another API alone."""
    amount = money_of(details, "fees", value)
    return (Charge(kind="marketplace_fee", amount=amount),) if amount else ()


def _line(
    details: Details,
    item: LineItem,
    taxes: LineTaxes,
    told: Instructions,
    parcels: tuple[Fulfillment, ...] | None,
) -> OrderLine:
    sold = quantity(item.quantity)
    sku = details.text("lines.sku", item.sku)
    cost = money_of(details, "lines.subtotal", item.line_item_cost)
    discounted = money_of(details, "lines.total", item.discounted_line_item_cost)
    title = details.text("lines.title", item.title)
    deadlines = details.part("lines.ship_by", item.line_item_fulfillment_instructions, Deadlines)
    return OrderLine(
        id=item.line_item_id,
        # Listings made outside the Inventory model need no SKU.
        sku=sku,
        product_id=sku,
        variant_id=_variant_id(details, item, sku),
        title=plain_text(title) if title else None,
        quantity=sold,
        quantity_fulfilled=_sent(details, item, sold, parcels),
        subtotal=cost,
        # Only a line with a discount tells its cost after discounts.
        total=discounted if item.discounted_line_item_cost is not None else cost,
        tax=added(details, "lines.tax", [taxes.own, taxes.collected]),
        marketplace_tax=taxes.remitted,
        options=tuple(
            Attribute(name=plain_text(aspect.name), value=plain_text(aspect.value))
            for aspect in details.items("lines.options", item.variation_aspects, Aspect) or ()
        ),
        requires_shipping=False if told.is_digital else None,
        gift_card=item.gift_details is not None,
        ship_by=details.moment("lines.ship_by", deadlines.ship_by_date) if deadlines else None,
        marketplace_status=details.text("lines.marketplace_status", item.line_item_fulfillment_status),
    )


def _sent(
    details: Details, item: LineItem, sold: Quantity, parcels: tuple[Fulfillment, ...] | None
) -> Quantity | None:
    """The pieces that are sent: by the line's own word, else by the parcels."""
    match item.line_item_fulfillment_status:
        case "FULFILLED":
            return sold
        case "NOT_STARTED":
            return 0
    if not parcels:
        return None
    ours = [part.quantity for each in parcels for part in each.lines if part.line_id == item.line_item_id]
    sent = details.read("lines.quantity_fulfilled", total_quantity, *ours)
    return None if sent is None else min(sold, sent, key=number_of)


def _variant_id(details: Details, item: LineItem, sku: str | None) -> str | None:
    """The listing, which joins the line to its variant; without a SKU also the listing's variation.

    Variations of the Inventory model have SKUs, and their offers name the listing alone.
    """
    listing = details.part("lines.variant_id", item.legacy_item_id, str)
    if sku is not None or listing is None:
        return listing
    return details.read("lines.variant_id", _variation_id, listing, item)


def _variation_id(listing: str, item: LineItem) -> str:
    variation = msgspec.convert(item.legacy_variation_id, str | None)
    if not variation:
        aspects = msgspec.convert(item.variation_aspects or [], list[Aspect])
        variation = ",".join(sorted(f"{aspect.name}={aspect.value}" for aspect in aspects))
    return f"{listing}/{variation}" if variation else listing


def _parcels(details: Details, row: OrderRow, shipper: FulfilledBy | None) -> tuple[Fulfillment, ...] | None:
    """The parcels; None if they are not told: eBay's own, or those of an order without its details."""
    if row.shipping_fulfillments is None:
        return None if row.fulfillment_hrefs or shipper == "marketplace" else ()
    rows = details.items("fulfillments", row.shipping_fulfillments, Parcel)
    return None if rows is None else tuple(_parcel(details, each) for each in rows)


def _parcel(details: Details, parcel: Parcel) -> Fulfillment:
    number = details.text("fulfillments.tracking_numbers", parcel.shipment_tracking_number)
    return Fulfillment(
        id=parcel.fulfillment_id,
        # The seller makes one once the parcel is sent. Nothing tells its delivery.
        status="shipped",
        shipped_at=details.moment("fulfillments.shipped_at", parcel.shipped_date),
        carrier=details.text("fulfillments.carrier", parcel.shipping_carrier_code),
        tracking_numbers=(number,) if number else (),
        lines=tuple(
            LinePart(line_id=part.line_item_id, quantity=quantity(part.quantity))
            for part in parcel.line_items
        ),
    )


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment), default=None)
