"""Orders of a shop as Shopify's nodes: their amounts, parcels, refunds and buyers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import DAY, Line, Sale, State, decimal, iso, mix

Node = dict[str, Any]
#: Financial and fulfilment status of a sale, and its normalized status.
STATES: dict[State, tuple[str, str, str]] = {
    "unpaid": ("PENDING", "UNFULFILLED", "pending"),
    "open": ("PAID", "UNFULFILLED", "open"),
    "partly_shipped": ("PAID", "PARTIALLY_FULFILLED", "partially_fulfilled"),
    "shipped": ("PAID", "FULFILLED", "fulfilled"),
    "cancelled": ("VOIDED", "UNFULFILLED", "cancelled"),
    "refunded": ("REFUNDED", "FULFILLED", "refunded"),
    "returned": ("PARTIALLY_REFUNDED", "FULFILLED", "fulfilled"),
}
#: One euro is this many of the shop's.
_RATE = 20
_SHOWN = ("FULFILLED", "IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED", "MARKED_AS_FULFILLED", None)


@dataclass(frozen=True)
class Priced:
    """A sale with all amounts that Shopify tells, in cents."""

    sale: Sale
    #: The location that sends its parcels.
    location: int

    @cached_property
    def dice(self) -> int:
        """Decides about the order's kind."""
        return mix(self.sale.id, 11)

    @property
    def taxes_included(self) -> bool:
        """Whether prices contain the tax."""
        return self.dice % 2 == 0

    @property
    def is_liable(self) -> bool:
        """Whether the sales channel remits the tax."""
        return self.dice >> 3 & 7 == 0

    @property
    def is_abroad(self) -> bool:
        """Whether the buyer pays in another currency."""
        return self.dice >> 6 & 7 == 0

    @property
    def shipping(self) -> int | None:
        """The costs of shipping after discounts; None if nothing is shipped."""
        return (0, 6_500, 9_900, None)[self.dice >> 9 & 3]

    @property
    def tip(self) -> int:
        """The buyer's tip; on no field that is asked for."""
        return 1_000 if self.dice >> 11 & 7 == 0 else 0

    @property
    def duties(self) -> int:
        """Duties; on no field that is asked for."""
        return 2_300 if self.dice >> 14 & 15 == 0 else 0

    @property
    def by_third_party(self) -> bool:
        """Whether another company sends it."""
        return self.dice >> 18 & 3 == 0

    def tax(self, line: Line) -> int:
        """The tax of a line."""
        return self._tax_of(line.total)

    @property
    def shipping_tax(self) -> int:
        """The tax of shipping."""
        return self._tax_of(self.shipping or 0)

    @property
    def line_tax(self) -> int:
        """The tax of all lines."""
        return sum(map(self.tax, self.sale.lines))

    @property
    def all_tax(self) -> int:
        """The tax of lines and shipping."""
        return self.line_tax + self.shipping_tax

    @property
    def total(self) -> int:
        """The amount that the buyer was charged."""
        more = 0 if self.taxes_included else self.all_tax
        return self.sale.total + (self.shipping or 0) + self.tip + self.duties + more

    @property
    def refunded(self) -> int:
        """The amount that the buyer got back."""
        return {"refunded": self.total, "returned": self.sale.lines[0].price}.get(self.sale.state, 0)

    @property
    def remaining(self) -> int:
        """The total after refunds and cancellation."""
        return 0 if self.sale.state == "cancelled" else self.total - self.refunded

    @property
    def net(self) -> int:
        """The seller's part of that; nothing of an order that was cancelled, or paid back whole."""
        if self.remaining == 0:
            return 0
        collected = self.line_tax if self.is_liable else 0
        return self.remaining - min(collected, max(self.remaining, 0))

    def _tax_of(self, cents: int) -> int:
        return cents * 15 // (115 if self.taxes_included else 100)

    def discounts(self, line: Line) -> list[int]:
        """The discounts of a line: by a code, and of the whole order."""
        by_code, by_order = {0: (line.price // 10, 0), 1: (0, line.price // 5)}.get(
            mix(self.sale.id) % 8, (0, 0)
        )
        return [each * line.quantity for each in (by_code, by_order) if each]

    @property
    def discount(self) -> int:
        """The discounts of all lines."""
        return sum(sum(self.discounts(line)) for line in self.sale.lines)

    def left(self, number: int) -> int:
        """The pieces of a line that were not refunded or cancelled."""
        line = self.sale.lines[number]
        if self.sale.state in {"cancelled", "refunded"}:
            return 0
        return line.quantity - (self.sale.state == "returned" and number == 0)

    def parcels(self) -> list[list[tuple[int, int]]]:
        """The lines and pieces of each parcel that was sent."""
        everything = [(number, line.quantity) for number, line in enumerate(self.sale.lines)]
        if self.sale.state == "partly_shipped":
            first, pieces = everything[0]
            return [everything[:1] if len(everything) > 1 else [(first, max(1, pieces // 2))]]
        if self.sale.state not in {"shipped", "refunded", "returned"}:
            return []
        if self.dice >> 20 & 3 == 0 and len(everything) > 1:
            return [everything[:1], everything[1:]]
        return [everything]

    @property
    def failed_parcels(self) -> int:
        """The parcels that were cancelled before one was sent: now and then more than an order shows."""
        return 11 if self.dice >> 22 & 31 == 0 and self.parcels() else 0


def bag(account: Account, cents: int, *, euros: bool = False) -> Node:
    """An amount in the shop's currency and in the buyer's."""
    # Shopify writes one decimal if the second is zero: `599.0`, `2.55`.
    money = {"amount": decimal(cents).removesuffix("0"), "currencyCode": account.currency}
    if not euros:
        return {"shopMoney": money, "presentmentMoney": money}
    return {
        "shopMoney": money,
        "presentmentMoney": {"amount": decimal(cents // _RATE), "currencyCode": "EUR"},
    }


def order(account: Account, priced: Priced) -> Node:
    """An order; its lines, parcels and refunds are lists, and so are the lines of those."""
    sale = priced.sale
    financial, fulfillment, _ = STATES[sale.state]
    is_cancelled = sale.state == "cancelled"
    euros = priced.is_abroad
    shipping = priced.shipping
    return {
        "id": f"gid://shopify/Order/{sale.id}",
        "legacyResourceId": str(sale.id),
        "name": sale.number,
        "createdAt": iso(sale.created),
        "updatedAt": iso(sale.updated),
        "processedAt": iso(sale.created),
        "cancelledAt": iso(sale.updated) if is_cancelled else None,
        "cancelReason": "INVENTORY" if is_cancelled else None,
        "closedAt": None,
        "test": sale.test,
        "edited": False,
        "currencyCode": account.currency,
        "presentmentCurrencyCode": "EUR" if euros else account.currency,
        "displayFinancialStatus": financial,
        "displayFulfillmentStatus": fulfillment,
        "returnStatus": "RETURNED" if sale.state == "refunded" else "NO_RETURN",
        "sourceName": "web" if priced.dice >> 28 & 1 else "pos",
        "attribution": {"handle": "online_store", "displayName": "Online Store"}
        if priced.dice >> 29 & 1
        else None,
        "tags": ["wholesale", "VIP"] if priced.dice >> 30 & 1 else [],
        "discountCodes": ["SPRING10"] if priced.discount else [],
        "paymentGatewayNames": [] if sale.state == "unpaid" else ["shopify_payments"],
        "taxesIncluded": priced.taxes_included,
        "totalPriceSet": bag(account, priced.total, euros=euros),
        "currentTotalPriceSet": bag(account, priced.remaining, euros=euros),
        "totalTaxSet": bag(account, priced.all_tax),
        "currentTotalTaxSet": bag(account, 0 if is_cancelled else priced.all_tax),
        "totalRefundedSet": bag(account, priced.refunded),
        "shippingLine": None
        if shipping is None
        else {"title": "Courier", "code": "courier", "discountedPriceSet": bag(account, shipping)},
        **_people(sale),
        "lineItems": [_line(account, priced, number, line) for number, line in enumerate(sale.lines)],
        "fulfillments": parcels(priced),
        "refunds": refunds(account, priced),
        "fulfillmentOrders": _deadlines(priced),
    }


def line_gid(sale: Sale, number: int) -> str:
    """The global id of a line."""
    return f"gid://shopify/LineItem/{sale.id * 1000 + number}"


def parcels(priced: Priced) -> list[Node]:
    """All parcels of an order."""
    sale, sent = priced.sale, priced.parcels()
    shown = [*([sent[0]] * priced.failed_parcels if sent else []), *sent]
    return [
        _parcel(priced, number, parts, is_sent=number >= priced.failed_parcels)
        | {"id": f"gid://shopify/Fulfillment/{sale.id * 100 + number}"}
        for number, parts in enumerate(shown)
    ]


def _parcel(priced: Priced, number: int, parts: list[tuple[int, int]], *, is_sent: bool) -> Node:
    sale = priced.sale
    word = _SHOWN[(priced.dice >> 31) % len(_SHOWN)] if is_sent else "CANCELED"
    sent = sale.created + DAY
    tracked = {
        "company": "The Courier Guy",
        "number": f"TCG{sale.id}{number}",
        "url": f"https://track.example.com/TCG{sale.id}{number}",
    }
    return {
        "status": "SUCCESS" if is_sent else "CANCELLED",
        "displayStatus": word,
        "createdAt": iso(sent),
        "inTransitAt": iso(sent + 3_600) if word in {"IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED"} else None,
        "deliveredAt": iso(sent + DAY) if word == "DELIVERED" else None,
        "estimatedDeliveryAt": None,
        "totalQuantity": sum(pieces for _, pieces in parts),
        "trackingInfo": [tracked] if priced.dice >> 34 & 3 else [],
        "service": {"type": "THIRD_PARTY" if priced.by_third_party else "MANUAL", "handle": "manual"},
        "location": {
            "id": f"gid://shopify/Location/{priced.location}",
            "name": "Cape Town",
            "isActive": True,
        },
        "fulfillmentLineItems": [
            {"quantity": pieces, "lineItem": {"id": line_gid(sale, line)}} for line, pieces in parts
        ],
    }


def refunds(account: Account, priced: Priced) -> list[Node]:
    """All refunds of an order; now and then with removals that give nothing back."""
    sale = priced.sale
    if sale.state not in {"refunded", "returned"}:
        return []
    removals = 5 if priced.dice >> 36 & 3 == 0 else 0
    lines = [
        {
            "quantity": line.quantity - priced.left(number),
            "restockType": "RETURN",
            "lineItem": {"id": line_gid(sale, number)},
            "subtotalSet": bag(account, line.price * (line.quantity - priced.left(number))),
        }
        for number, line in enumerate(sale.lines)
        if priced.left(number) != line.quantity
    ]
    return [
        {
            "id": f"gid://shopify/Refund/{sale.id * 100 + number}",
            "createdAt": iso(sale.updated),
            "note": None if number else "arrived broken",
            "totalRefundedSet": bag(account, 0 if number else priced.refunded),
            "refundLineItems": [] if number else lines,
        }
        for number in range(1 + removals)
    ]


def _deadlines(priced: Priced) -> list[Node]:
    """The fulfilment orders: what was sent is closed, and its deadline passed before that of the rest."""
    sale = priced.sale
    states = {"cancelled": ["CANCELLED"], "partly_shipped": ["CLOSED", "IN_PROGRESS"]}.get(
        sale.state, ["CLOSED" if STATES[sale.state][1] == "FULFILLED" else "OPEN"]
    )
    return [
        {
            "id": f"gid://shopify/FulfillmentOrder/{sale.id * 100 + number}",
            "status": status,
            # Locations without a deadline have none.
            "fulfillBy": None if priced.dice >> 44 & 3 == 0 else iso(sale.created + (3 + number) * DAY),
        }
        for number, status in enumerate(states)
    ]


def _people(sale: Sale) -> Node:
    """The buyer's fields, each with the buyer's number in it."""
    number = sale.buyer
    buyer = f"Buyer {number} Ñandú"
    return {
        "email": f"buyer{number}@example.com",
        "phone": f"+27 21 000 {number}",
        "note": f"Please ring at Neighbour {number}" if number % 2 else None,
        "poNumber": f"PO-{number}",
        "customAttributes": [{"key": "gift message", "value": f"Many happy returns from Gifter {number}"}],
        "customer": {"id": f"gid://shopify/Customer/{number}", "displayName": buyer},
        "shippingAddress": {
            "name": buyer,
            "company": f"Company of Buyer {number}" if number % 3 == 0 else None,
            "phone": f"+27 82 000 {number}",
            "address1": f"{number} Long Street",
            "address2": f"Flat {number}",
            "city": f"Buyerton {number}",
            "province": "Western Cape",
            "provinceCode": "WC",
            "zip": f"Z{number}",
            "countryCodeV2": "ZA",
        },
    }


def _line(account: Account, priced: Priced, number: int, line: Line) -> Node:
    sale = priced.sale
    known = None if line.item is None else account.item(line.item)
    # A line remains after its variant is deleted.
    variant = None if known is None else {"id": f"gid://shopify/ProductVariant/{known.id * 100}"}
    discounts = priced.discounts(line)
    original = line.price + (sum(discounts) // line.quantity if line.quantity else 0)

    def discounted(with_code_discounts: bool = False) -> Node:  # noqa: ARG001 - Shopify's argument
        return bag(account, line.total)

    tax = {"priceSet": bag(account, priced.tax(line)), "channelLiable": priced.is_liable, "title": "VAT"}
    group = {"id": f"gid://shopify/LineItemGroup/{sale.id}", "variantId": None}
    return {
        "id": line_gid(sale, number),
        "sku": line.sku,
        "title": line.title,
        "variantTitle": "Default Title" if known is None or known.variants == 1 else "Variant 1",
        "quantity": line.quantity,
        "currentQuantity": priced.left(number),
        "unfulfilledQuantity": 0,
        "requiresShipping": priced.shipping is not None,
        "isGiftCard": priced.shipping is None and number == 0,
        "variant": variant,
        "product": None if known is None else {"id": f"gid://shopify/Product/{known.id}"},
        "lineItemGroup": group if priced.dice >> 40 & 15 == 0 else None,
        "originalUnitPriceSet": bag(account, original),
        "discountedTotalSet": discounted,
        "discountAllocations": [{"allocatedAmountSet": bag(account, each)} for each in discounts],
        "taxLines": lambda **_: [tax],
        "customAttributes": [{"key": "Engraving", "value": f"For Engraved {sale.buyer}"}],
    }
