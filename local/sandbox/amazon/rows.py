"""What Amazon's sandbox shows of a seller's data: orders, listings and stock."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Sale, State

#: Where a seller sells: most in the first, every fifth item and order in the second.
MARKETPLACES = {"AE08WJ6YKNBMC": "Amazon.co.za", "A1F83G8C2ARO7P": "Amazon.co.uk"}
_STATES: dict[State, tuple[str, str]] = {
    "unpaid": ("PENDING", "pending"),
    "open": ("UNSHIPPED", "open"),
    "partly_shipped": ("PARTIALLY_SHIPPED", "partially_fulfilled"),
    "shipped": ("SHIPPED", "fulfilled"),
    "cancelled": ("CANCELLED", "cancelled"),
    # A refund or a return leaves an order as shipped as it was.
    "refunded": ("SHIPPED", "fulfilled"),
    "returned": ("SHIPPED", "fulfilled"),
}
_LISTED = {
    "active": (["BUYABLE", "DISCOVERABLE"], "active"),
    "draft": ([], "inactive"),
    "archived": (["DISCOVERABLE"], "inactive"),
}


def marketplace(number: int) -> str:
    """Where the item or the order of this id belongs."""
    return list(MARKETPLACES)[number % 5 == 4]


def lies_with_amazon(item: Item) -> bool:
    """Whether Amazon sends it, and not the seller."""
    return item.id % 2 == 1


def order_id(sale: Sale) -> str:
    """Three, seven and seven digits."""
    digits = f"{sale.id:017d}"
    return f"{digits[:3]}-{digits[3:10]}-{digits[10:]}"


def product_id(item: Item) -> str:
    """SKU and marketplace."""
    return f"{item.sku}@{marketplace(item.id)}"


def stock_id(item: Item) -> str:
    """The one place where an item lies."""
    return f"{product_id(item)}/{f'AMAZON/{_fn_sku(item)}' if lies_with_amazon(item) else 'DEFAULT'}"


def order(account: Account, sale: Sale, included: Collection[str]) -> dict[str, Any]:
    """An order with the sets of data that were asked for."""
    row: dict[str, Any] = {
        "orderId": order_id(sale),
        "createdTime": iso(sale.created),
        "lastUpdatedTime": iso(sale.updated),
        "salesChannel": {
            "channelName": "AMAZON",
            "marketplaceId": marketplace(sale.id),
            "marketplaceName": MARKETPLACES[marketplace(sale.id)],
        },
        "orderItems": [_order_item(account, sale, number, included) for number in range(len(sale.lines))],
    }
    if "FULFILLMENT" in included:
        row["fulfillment"] = {"fulfillmentStatus": _STATES[sale.state][0], "fulfilledBy": "MERCHANT"}
    if "PROCEEDS" in included and sale.state != "unpaid":
        row["proceeds"] = {"grandTotal": _amount(account, _total(sale))}
    if "BUYER" in included:
        row["buyer"] = {
            "buyerName": f"Buyer {sale.buyer}",
            "buyerEmail": f"b{sale.buyer}@marketplace.amazon.co.za",
        }
    if "RECIPIENT" in included:
        row["recipient"] = {
            "deliveryAddress": {
                "name": f"Buyer {sale.buyer}",
                "addressLine1": f"{sale.buyer} Long Street",
                "city": "Cape Town",
                "postalCode": "8001",
                "countryCode": "ZA",
                "phone": f"+27 21 {sale.buyer:07d}",
            }
        }
    return row


def _order_item(account: Account, sale: Sale, number: int, included: Collection[str]) -> dict[str, Any]:
    line = sale.lines[number]
    product: dict[str, Any] = {"title": line.title}
    if line.item is not None:
        product["asin"] = _asin(account.item(line.item))
    if line.sku:
        product["sellerSku"] = line.sku
    row: dict[str, Any] = {
        "orderItemId": str(sale.id * 100 + number),
        "quantityOrdered": line.quantity,
        "product": product,
    }
    if sale.state != "unpaid":
        product["price"] = {"unitPrice": _amount(account, line.price)}
        if "PROCEEDS" in included:
            row["proceeds"] = {"proceedsTotal": _amount(account, line.price * line.quantity)}
    return row


def listing(account: Account, item: Item, included: Collection[str]) -> dict[str, Any]:
    """A listing with the sets of data that were asked for."""
    place = marketplace(item.id)
    row: dict[str, Any] = {"sku": item.sku}
    if "summaries" in included:
        row["summaries"] = [
            {
                "marketplaceId": place,
                "asin": _asin(item),
                "productType": "HOME",
                "conditionType": "new_new",
                "status": _LISTED[item.status][0],
                "itemName": item.title,
                "createdDate": iso(item.created),
                "lastUpdatedDate": iso(item.updated),
            }
        ]
    if "offers" in included:
        price = _amount(account, item.price)
        business = _amount(account, item.price - 100)
        row["offers"] = [
            {"marketplaceId": place, "offerType": "B2B", "price": business},
            {"marketplaceId": place, "offerType": "B2C", "price": price},
        ]
    if "fulfillmentAvailability" in included:
        with_seller = {"fulfillmentChannelCode": "DEFAULT", "quantity": _quantity(account, item)}
        with_amazon = {"fulfillmentChannelCode": "AMAZON_EU"}
        row["fulfillmentAvailability"] = [with_amazon if lies_with_amazon(item) else with_seller]
    return row


def summary(account: Account, item: Item) -> dict[str, Any]:
    """What Amazon holds of an item; some have never moved."""
    held, coming = _quantity(account, item), item.id % 9
    index = _index(account, item)
    moved = max(account.stock(index, 0, place)[1] for place in (0, 1))
    return {
        "asin": _asin(item),
        "fnSku": _fn_sku(item),
        "sellerSku": item.sku,
        "condition": "NewItem",
        "inventoryDetails": {
            "fulfillableQuantity": held,
            "inboundWorkingQuantity": 0,
            "inboundShippedQuantity": coming,
            "inboundReceivingQuantity": 0,
            "reservedQuantity": {"totalReservedQuantity": 2, "pendingCustomerOrderQuantity": 1},
        },
        "lastUpdatedTime": "" if item.id % 7 == 0 else iso(moved),
        "productName": item.title,
        "totalQuantity": held + 2 + coming,
    }


def truth(account: Account) -> Iterator[dict[str, Any]]:
    """All orders, listings and stock levels of a seller."""
    for sale in map(account.sale, range(account.sales)):
        yield {
            "stream": "orders",
            "id": order_id(sale),
            "number": order_id(sale),
            "status": _STATES[sale.state][1],
            "total": None if sale.state == "unpaid" else _told(account, _total(sale)),
            "quantities": [line.quantity for line in sale.lines],
            "updated_at": iso(sale.updated),
        }
    for item in map(account.item, account.listed()):
        yield {
            "stream": "products",
            "id": product_id(item),
            "title": item.title,
            "status": _LISTED[item.status][1],
            "skus": [item.sku],
            "price": _told(account, item.price),
        }
        yield {"stream": "inventory", "id": stock_id(item), "available": _quantity(account, item)}


def iso(seconds: int) -> str:
    """As Amazon writes times."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _index(account: Account, item: Item) -> int:
    return item.id - account.item(0).id


def _quantity(account: Account, item: Item) -> int:
    """What can be sold of an item, wherever the generator says it lies."""
    return sum(account.stock(_index(account, item), 0, place)[0] for place in (0, 1))


def _asin(item: Item) -> str:
    return f"B{item.id:09d}"


def _fn_sku(item: Item) -> str:
    return f"X{item.id:09d}"


def _total(sale: Sale) -> int:
    return sum(line.price * line.quantity for line in sale.lines)


def _amount(account: Account, cents: int) -> dict[str, str]:
    return {"amount": _decimal(cents), "currencyCode": account.currency}


def _told(account: Account, cents: int) -> dict[str, str]:
    return {"amount": _decimal(cents), "currency": account.currency}


def _decimal(cents: int) -> str:
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100}.{cents % 100:02d}"
