"""A seller's sales as Amazon's orders, and as the truth.

Every field that holds personal data has the word `MARK`. A third of the orders has its tax on top of the
prices, a third has it inside, a third has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from local.sandbox.account import Account
from local.sandbox.amazon.fields import MARKETPLACES, amount, asin, marketplace
from local.sandbox.catalogue import DAY, Line, Sale, State, iso, mix
from local.sandbox.truth import true_money, true_order

#: In every value that is personal data, and in no other.
MARK = "Kanarie"
#: Amazon's and the normalized status of an order.
STATES: dict[State, tuple[str, str]] = {
    "unpaid": ("PENDING", "pending"),
    "open": ("UNSHIPPED", "open"),
    "partly_shipped": ("PARTIALLY_SHIPPED", "partially_fulfilled"),
    "shipped": ("SHIPPED", "fulfilled"),
    "cancelled": ("CANCELLED", "cancelled"),
    # A refund or a return does not change the status.
    "refunded": ("SHIPPED", "fulfilled"),
    "returned": ("SHIPPED", "fulfilled"),
}
_LEVELS = ("STANDARD", "EXPEDITED", "NEXT_DAY", "FREE_ECONOMY")
#: Status and detailed status of a package.
_PACKED = (
    ("SHIPPED", "PICKED_UP"),
    ("IN_TRANSIT", "OUT_FOR_DELIVERY"),
    ("DELIVERED", "DELIVERED"),
    ("UNDELIVERABLE", "RETURNED_TO_SELLER"),
    ("PENDING", None),
)


def order_id(sale: Sale) -> str:
    """Three, seven and seven digits."""
    digits = f"{sale.id:017d}"
    return f"{digits[:3]}-{digits[3:10]}-{digits[10:]}"


def order(account: Account, sale: Sale, included: Collection[str]) -> dict[str, Any]:
    """An order with the requested sets of data."""
    channel = {"channelName": "AMAZON", "marketplaceId": marketplace(sale.id)}
    row: dict[str, Any] = {
        "orderId": order_id(sale),
        "createdTime": iso(sale.created),
        "lastUpdatedTime": iso(sale.updated),
        "programs": ["PRIME"] if sale.id % 6 == 0 else [],
        "salesChannel": channel | {"marketplaceName": MARKETPLACES[marketplace(sale.id)]},
        "orderItems": [_order_item(account, sale, number, included) for number in range(len(sale.lines))],
    }
    if _by_amazon(sale) and sale.id % 16 == 7:
        row["salesChannel"] = {"channelName": "NON_AMAZON"}
    if "FULFILLMENT" in included:
        row["fulfillment"] = {
            "fulfillmentStatus": STATES[sale.state][0],
            "fulfilledBy": "AMAZON" if _by_amazon(sale) else "MERCHANT",
            "fulfillmentServiceLevel": _LEVELS[sale.id % len(_LEVELS)],
            "shipByWindow": _window(sale.created + DAY),
            "deliverByWindow": _window(sale.created + 3 * DAY),
        }
    if "PROCEEDS" in included and sale.state != "unpaid":
        row["proceeds"] = _proceeds(account, sale)
    if "PACKAGES" in included and not _by_amazon(sale) and (package := _package(sale)):
        row["packages"] = [package]
    return row | _personal(sale, included)


def true_sale(account: Account, sale: Sale) -> dict[str, Any]:
    """An order of the truth; a pending one has no amounts yet."""

    def told(cents: int) -> dict[str, str] | None:
        return None if sale.state == "unpaid" else true_money(cents, account.currency)

    total = told(_total(sale))
    record = true_order(sale, order_id(sale), order_id(sale), STATES[sale.state][1], total)
    return record | {
        "updated_at": iso(sale.updated),
        "subtotal": told(sale.total),
        "discount_total": told(sum(_discount(sale, line)[0] for line in sale.lines)),
        "shipping_total": told(sum(_shipping(sale, line) - _discount(sale, line)[1] for line in sale.lines)),
        "tax_total": told(sum(_tax(sale, line) for line in sale.lines)),
        # Gift wrap, and the tip.
        "other_total": told(sum(_gift_wrap(sale, line) for line in sale.lines) + _tip(sale)),
    }


def _by_amazon(sale: Sale) -> bool:
    return sale.id % 4 == 3


def _window(until: int) -> dict[str, str]:
    return {"earliestDateTime": iso(until - DAY // 2), "latestDateTime": iso(until)}


# Amounts, in cents


def _shipping(sale: Sale, line: Line) -> int:
    return 0 if line.total <= 0 or sale.id % 3 == 2 else 1_500


def _discount(sale: Sale, line: Line) -> tuple[int, int]:
    """On the item, and on its shipping."""
    if line.total <= 0 or mix(sale.id, 5) % 3:
        return 0, 0
    return line.total // 10, _shipping(sale, line) // 3


def _gift_wrap(sale: Sale, line: Line) -> int:
    return 2_500 if line.total > 0 and mix(sale.id, 6) % 4 == 0 else 0


def _tax(sale: Sale, line: Line) -> int:
    return 0 if sale.id % 3 == 0 else max(0, line.total) * 15 // 100


def _tip(sale: Sale) -> int:
    return 500 if sale.id % 10 == 1 else 0


def _total(sale: Sale) -> int:
    """Each kind of proceeds of the lines, and the tip."""
    found = _tip(sale)
    for line in sale.lines:
        found += line.total + _shipping(sale, line) + _gift_wrap(sale, line) - sum(_discount(sale, line))
        found += _tax(sale, line) if sale.id % 3 == 1 else 0
    return found


def _proceeds(account: Account, sale: Sale) -> dict[str, Any]:
    found: dict[str, Any] = {"grandTotal": amount(account, _total(sale))}
    if _tip(sale):
        tip = {"type": "DELIVERY_TIP", "status": "FINALIZED", "subtotal": amount(account, _tip(sale))}
        found["breakdowns"] = [tip]
    return found


def _breakdowns(account: Account, sale: Sale, line: Line) -> Iterator[dict[str, Any]]:
    """A kind without proceeds is absent; whether a discount is negative differs, as nothing says it."""
    yield {"type": "ITEM", "subtotal": amount(account, line.total)}
    for kind, cents in (
        ("SHIPPING", _shipping(sale, line)),
        ("GIFT_WRAP", _gift_wrap(sale, line)),
        ("TAX", _tax(sale, line)),
    ):
        if cents:
            yield {"type": kind, "subtotal": amount(account, cents)}
    on_item, on_shipping = _discount(sale, line)
    if on_item or on_shipping:
        sign = -1 if sale.id % 2 else 1
        kinds = {"ITEM": on_item, "SHIPPING": on_shipping}
        parts = [
            {"subtype": kind, "value": amount(account, sign * cents)}
            for kind, cents in kinds.items()
            if cents
        ]
        whole = amount(account, sign * (on_item + on_shipping))
        yield {"type": "DISCOUNT", "subtotal": whole, "detailedBreakdowns": parts}


# Items and packages


def _order_item(account: Account, sale: Sale, number: int, included: Collection[str]) -> dict[str, Any]:
    line = sale.lines[number]
    product: dict[str, Any] = {"title": line.title}
    if line.item is not None:
        product["asin"] = asin(account.item(line.item))
    if line.sku:
        product["sellerSku"] = line.sku
    if sale.id % 9 == 0:
        product["customization"] = {"customizedUrl": f"https://a.example/custom/{MARK}-{sale.buyer}.zip"}
    row: dict[str, Any] = {
        "orderItemId": _item_id(sale, number),
        "quantityOrdered": line.quantity,
        "product": product,
    }
    if sale.state != "unpaid":
        product["price"] = {"unitPrice": amount(account, line.price)}
        if "PROCEEDS" in included:
            breakdowns = list(_breakdowns(account, sale, line))
            charged = line.total + _shipping(sale, line) + _gift_wrap(sale, line) - sum(_discount(sale, line))
            row["proceeds"] = {"proceedsTotal": amount(account, charged), "breakdowns": breakdowns}
    if "FULFILLMENT" in included and line.quantity > 0:
        done = _fulfilled(sale, number)
        left = 0 if sale.state == "cancelled" else line.quantity - done
        row["fulfillment"] = {"quantityFulfilled": done, "quantityUnfulfilled": left}
        if _gift_wrap(sale, line):
            gift = {"giftMessage": f"Happy birthday, {MARK} {sale.buyer}", "giftWrapLevel": "PREMIUM"}
            row["fulfillment"]["packing"] = {"giftOption": gift}
    if "PROMOTION" in included and _discount(sale, line)[0]:
        row["promotion"] = {"breakdowns": [{"promotionId": f"PROMO-{sale.id % 7}"}]}
    if "CANCELLATION" in included and sale.state == "cancelled":
        row["cancellation"] = {
            "cancellationRequest": {"requester": "BUYER", "cancelReason": f"{MARK} changed my mind"},
            "cancellationExecution": {"cancelledBy": "MERCHANT", "cancelReason": "Buyer requested it"},
        }
    if "TAX" in included and sale.id % 3 == 1:
        row["tax"] = {"taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon"}]}
    if number == 0 and len(sale.lines) > 1 and sale.id % 7 == 0:
        service = {"orderItemId": _item_id(sale, 1), "associationType": "VALUE_ADD_SERVICE"}
        row["associatedOrderItems"] = [service | {"orderId": order_id(sale)}]
    return row


def _item_id(sale: Sale, number: int) -> str:
    return str(sale.id * 100 + number)


def _fulfilled(sale: Sale, number: int) -> int:
    """The pieces of a line that are sent; a partly shipped order lacks its last piece."""
    line = sale.lines[number]
    if sale.state in ("unpaid", "open", "cancelled"):
        return 0
    is_last = number == len(sale.lines) - 1
    return line.quantity - (1 if sale.state == "partly_shipped" and is_last else 0)


def _package(sale: Sale) -> dict[str, Any] | None:
    """The package with all that is sent; None if nothing is."""
    sent = [
        {"orderItemId": _item_id(sale, number), "quantity": done}
        for number in range(len(sale.lines))
        if (done := _fulfilled(sale, number)) > 0
    ]
    if not sent:
        return None
    status, detailed = _PACKED[sale.id % len(_PACKED)]
    package: dict[str, Any] = {
        "packageReferenceId": f"PKG-{sale.id}",
        "createdTime": iso(sale.created + DAY // 2),
        "packageStatus": {"status": status} | ({"detailedStatus": detailed} if detailed else {}),
        "carrier": "The Courier Guy",
        "shippingService": "Economy",
        "packageItems": sent,
    }
    if status != "PENDING":
        package |= {"shipTime": iso(sale.created + DAY), "trackingNumber": f"TCG{sale.id}"}
    return package


# Personal data


def _personal(sale: Sale, included: Collection[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    name = f"Buyer {sale.buyer} {MARK}"
    if "BUYER" in included:
        found["buyer"] = {"buyerName": name, "buyerCompanyName": f"{MARK} {sale.buyer} Ltd"}
        if not _by_amazon(sale):
            found["buyer"]["buyerEmail"] = f"b{sale.buyer}.{MARK}@marketplace.amazon.co.za"
    if "RECIPIENT" in included and not _by_amazon(sale):
        found["recipient"] = {
            "deliveryAddress": {
                "name": name,
                "companyName": f"{MARK} {sale.buyer} Ltd" if sale.buyer % 2 else "",
                "addressLine1": f"{sale.buyer} {MARK} Long Street",
                "city": f"{MARK} Bay",
                "stateOrRegion": "Western Cape",
                "postalCode": f"8001-{MARK}",
                "countryCode": "ZA",
                "phone": f"+27 21 {sale.buyer:07d} {MARK}",
                "addressType": "RESIDENTIAL",
            },
            "deliveryPreference": {"addressInstruction": f"Ask for {MARK} at the gate"},
        }
    if "TAX" in included and sale.buyer % 2:
        registration = {"legalName": name, "taxRegistrationNumber": f"4{sale.buyer}-{MARK}"}
        found["tax"] = {
            "taxRegistrations": [
                {"entityType": "BUYER", "taxRegistrationType": "VAT"} | registration,
                {"entityType": "MERCHANT", "taxRegistrationNumber": "4000000001"},
            ]
        }
    return found
