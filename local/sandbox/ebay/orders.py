"""Orders as eBay shows them: their amounts, taxes, refunds, destination and parcels.

A hash of the sale's id chooses the order's features: discounts, tax that eBay collects, special fees, a hub
between seller and buyer, a shipment by eBay itself, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.sandbox.catalogue import DAY, Line, Sale, State, decimal, iso, mix

#: Fulfilment and payment status of a sale.
STATES: dict[State, tuple[str, str]] = {
    "open": ("NOT_STARTED", "PAID"),
    "partly_shipped": ("IN_PROGRESS", "PAID"),
    "shipped": ("FULFILLED", "PAID"),
    "cancelled": ("NOT_STARTED", "FULLY_REFUNDED"),
    "refunded": ("FULFILLED", "FULLY_REFUNDED"),
    "returned": ("FULFILLED", "PARTIALLY_REFUNDED"),
}
#: A cent of the seller's currency in cents of the buyer's, of a sale on another site.
_CONVERTED = 2


@dataclass(frozen=True, slots=True)
class Priced:
    """A sale with its amounts in cents; negative only if a real data set has them so."""

    sale: Sale
    dice: int

    def chance(self, bit: int, of: int) -> bool:
        """Whether the order has something that one in `of` has."""
        return self.sale.total > 0 and (self.dice >> bit) % of == 0

    @property
    def abroad(self) -> bool:
        """Whether it was bought on another site; eBay collects tax there."""
        return self.chance(0, 5)

    @property
    def by_ebay(self) -> bool:
        """Whether eBay ships it."""
        return not self.digital and self.chance(4, 19)

    @property
    def digital(self) -> bool:
        """Whether it is a gift card that is sent by e-mail."""
        return self.chance(8, 23)

    @property
    def hub(self) -> str:
        """The program whose hub the parcel goes to."""
        if self.digital or self.by_ebay:
            return ""
        return "authenticator" if self.chance(12, 29) else "international" if self.chance(14, 7) else ""

    def discount(self, number: int) -> int:
        """Off a line."""
        return self.sale.lines[number].total // 10 if number == 0 and self.chance(20, 4) else 0

    def collected(self, number: int) -> int:
        """Tax of a line that eBay remits."""
        return (self.sale.lines[number].total - self.discount(number)) // 5 if self.abroad else 0

    def tax(self, number: int) -> int:
        """Tax of a line that the seller remits."""
        return self.sale.lines[number].total // 20 if self.chance(24, 9) else 0

    @property
    def numbers(self) -> range:
        """Numbers of the lines."""
        return range(len(self.sale.lines))

    @property
    def discounts(self) -> int:
        """Off all lines."""
        return sum(map(self.discount, self.numbers))

    @property
    def all_collected(self) -> int:
        """Tax that eBay remits."""
        return sum(map(self.collected, self.numbers))

    @property
    def all_tax(self) -> int:
        """All tax."""
        return self.all_collected + sum(map(self.tax, self.numbers))

    @property
    def delivery(self) -> int:
        """Before its discount."""
        return 0 if self.digital or self.sale.total <= 0 else (0, 350, 499)[(self.dice >> 28) % 3]

    @property
    def delivery_discount(self) -> int:
        """Off the delivery."""
        return min(self.delivery, 100) if self.chance(30, 3) else 0

    @property
    def fee(self) -> int:
        """Of recycling."""
        return 25 if self.chance(34, 11) else 0

    @property
    def adjustment(self) -> int:
        """Agreed on after the sale."""
        return -10 if self.chance(38, 13) else 0

    @property
    def shipping(self) -> int:
        """After its discount."""
        return self.delivery - self.delivery_discount

    @property
    def seller_part(self) -> int:
        """The total without the tax that eBay remits."""
        own = self.all_tax - self.all_collected + self.fee + self.adjustment
        return self.sale.total - self.discounts + self.shipping + own

    @property
    def total(self) -> int:
        """The amount that the buyer was charged."""
        return self.seller_part + self.all_collected

    @property
    def refunded(self) -> int:
        """The seller's part of it."""
        match STATES[self.sale.state][1]:
            case "FULLY_REFUNDED":
                return self.seller_part
            case "PARTIALLY_REFUNDED":
                return min(self.sale.lines[0].price - self.discount(0), self.seller_part)
        return 0

    @property
    def market_fee(self) -> int:
        """The fee of eBay."""
        return max(0, self.total) // 8

    @property
    def has_parcels(self) -> bool:
        """Whether the seller has told eBay of parcels."""
        sent = STATES[self.sale.state][0] != "NOT_STARTED"
        return sent and not self.digital and not self.by_ebay


def priced(sale: Sale) -> Priced:
    """A sale with its amounts."""
    return Priced(sale, mix(sale.id, 77))


def order_id(sale: Sale) -> str:
    """An order id in eBay's form: 23-41900-00815."""
    digits = f"{sale.id:012d}"
    return f"{digits[:-10]}-{digits[-10:-5]}-{digits[-5:]}"


def amount(cents: int, currency: str) -> dict[str, str]:
    """An amount."""
    return {"value": decimal(cents), "currency": currency}


def moment(seconds: int) -> str:
    """A time with milliseconds."""
    return iso(seconds).replace("Z", ".000Z")


def pricing(order: Priced, currency: str, *, breakdown: bool) -> dict[str, Any]:
    """The order's amounts; without a breakdown of taxes the tax that eBay collects is left out."""
    total = amount(order.total if breakdown else order.seller_part, currency)
    if order.abroad:
        converted = decimal(order.total * _CONVERTED)
        total |= {"convertedFromValue": converted, "convertedFromCurrency": "USD"}
    row: dict[str, Any] = {
        "priceSubtotal": amount(order.sale.total, currency),
        "deliveryCost": amount(order.delivery, currency),
        "total": total,
    }
    # eBay does not say whether this holds the collected tax: both readings occur.
    holds = (order.dice >> 44) % 2 == 0
    tax = order.all_tax if holds else order.all_tax - order.all_collected
    optional = {
        "priceDiscount": -order.discounts,
        "deliveryDiscount": -order.delivery_discount,
        "tax": tax,
        "fee": order.fee if breakdown else 0,
        "adjustment": order.adjustment,
    }
    return row | {name: amount(cents, currency) for name, cents in optional.items() if cents}


def payments(order: Priced, currency: str) -> dict[str, Any]:
    """Payments and refunds."""
    paid = {
        "paymentMethod": "CREDIT_CARD" if order.dice % 2 else "EBAY",
        "paymentReferenceId": str(order.sale.id),
        "paymentDate": moment(order.sale.created + 60),
        "amount": amount(order.total, currency),
        "paymentStatus": "PAID",
    }
    failed = {"paymentMethod": "PAYPAL", "paymentDate": moment(order.sale.created), "paymentStatus": "FAILED"}
    return {
        "totalDueSeller": amount(order.seller_part, currency),
        "payments": [failed, paid] if order.chance(48, 10) else [paid],
        "refunds": _refunds(order, currency),
    }


def _refunds(order: Priced, currency: str) -> list[dict[str, Any]]:
    """The order's own refunds: one by line is here without its id, or not at all."""
    refund: dict[str, Any] = {
        "refundDate": moment(order.sale.updated),
        "amount": amount(order.refunded, currency),
        "refundStatus": "REFUNDED",
        "refundReferenceId": f"{order.sale.id}9",
    }
    match STATES[order.sale.state][1]:
        case "FULLY_REFUNDED":
            return [refund | {"refundId": str(order.sale.id)}]
        case "PARTIALLY_REFUNDED":
            pending = {"refundStatus": "PENDING", "refundId": "1", "amount": amount(100, currency)}
            return [pending] if _at_the_line_alone(order) else [refund, pending]
    return []


def _at_the_line_alone(order: Priced) -> bool:
    return (order.dice >> 50) % 2 == 0


def line_refunds(order: Priced, number: int, currency: str) -> list[dict[str, Any]]:
    """The refunds of a line."""
    if number or STATES[order.sale.state][1] != "PARTIALLY_REFUNDED":
        return []
    found = {"refundId": f"{order.sale.id}7", "refundDate": moment(order.sale.updated)}
    return [{**found, "amount": amount(order.refunded, currency)}]


def line_amounts(order: Priced, number: int, currency: str, *, breakdown: bool) -> dict[str, Any]:
    """The amounts of a line."""
    line, discount = order.sale.lines[number], order.discount(number)
    collected, tax = order.collected(number), order.tax(number)
    row: dict[str, Any] = {
        "lineItemCost": amount(line.total, currency),
        "total": amount(line.total - discount + tax + (collected if breakdown else 0), currency),
        "deliveryCost": {"shippingCost": amount(0, currency)},
        "appliedPromotions": [],
        "taxes": [],
        "refunds": line_refunds(order, number, currency),
    }
    if discount:
        promotion = {"promotionId": f"{order.sale.id}5", "discountAmount": amount(discount, currency)}
        row |= {
            "discountedLineItemCost": amount(line.total - discount, currency),
            "appliedPromotions": [promotion],
        }
    if breakdown and tax:
        row["taxes"].append({"amount": amount(tax, currency), "taxType": "VAT"})
    if breakdown and collected:
        found = {"amount": amount(collected, currency), "taxType": "STATE_SALES_TAX"}
        row["taxes"].append(found)
        reference = {"name": "IOSS", "value": f"IM{order.sale.buyer:010d}"}
        row["ebayCollectAndRemitTaxes"] = [{**found, "collectionMethod": "NET", "ebayReference": reference}]
    if breakdown and order.fee and number == 0:
        row["taxes"].append({"amount": amount(order.fee, currency), "taxType": "TIRE_RECYCLING_FEE"})
    return row


def line_status(order: Priced, number: int) -> str:
    """How much of a line is sent; of a partly shipped order, the first line or a part of it."""
    word = STATES[order.sale.state][0]
    if word != "IN_PROGRESS" or len(order.sale.lines) == 1:
        return word
    return "NOT_STARTED" if number else "FULFILLED"


def parcels(order: Priced) -> list[dict[str, Any]]:
    """The shipping fulfillments: one with the first line, one with the others."""
    if not order.has_parcels:
        return []
    groups: list[list[tuple[int, Line]]] = [list(enumerate(order.sale.lines))]
    if order.sale.state == "partly_shipped" or order.dice % 3 == 0:
        groups = [groups[0][:1], groups[0][1:]]
    if order.sale.state == "partly_shipped":
        del groups[1:]
    return [_parcel(order, place, lines) for place, lines in enumerate(groups) if lines]


def _parcel(order: Priced, place: int, lines: list[tuple[int, Line]]) -> dict[str, Any]:
    tracking = f"RM{order.sale.id:012d}{place}GB"
    row: dict[str, Any] = {
        "fulfillmentId": tracking,
        "shippedDate": moment(order.sale.updated),
        "lineItems": [
            {"lineItemId": line_id(order.sale, number), "quantity": max(1, line.quantity)}
            for number, line in lines
        ],
    }
    # Carrier and number are told only if the seller told them.
    if order.dice % 5:
        row |= {"shipmentTrackingNumber": tracking, "shippingCarrierCode": "ROYAL_MAIL"}
    return row


def line_id(sale: Sale, number: int) -> str:
    """A line's id."""
    return f"{sale.id}{number:02d}"


def deadlines(order: Priced) -> dict[str, str]:
    """When a line should be sent and arrive."""
    return {
        "minEstimatedDeliveryDate": moment(order.sale.created + 4 * DAY),
        "maxEstimatedDeliveryDate": moment(order.sale.created + 7 * DAY),
        "shipByDate": moment(order.sale.created + 2 * DAY),
    }
