"""A seller's data as Amazon's rows, and as the truth: orders, listings and stock."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Sale, State, decimal, iso
from local.sandbox.truth import true_money, true_order, true_product, true_stock

#: A seller's marketplaces: every fifth item and order is in the second, all others in the first.
MARKETPLACES = {"AE08WJ6YKNBMC": "Amazon.co.za", "A1F83G8C2ARO7P": "Amazon.co.uk"}
#: Amazon's and the normalized status of an order.
_STATES: dict[State, tuple[str, str]] = {
    "unpaid": ("PENDING", "pending"),
    "open": ("UNSHIPPED", "open"),
    "partly_shipped": ("PARTIALLY_SHIPPED", "partially_fulfilled"),
    "shipped": ("SHIPPED", "fulfilled"),
    "cancelled": ("CANCELLED", "cancelled"),
    # A refund or a return does not change the status.
    "refunded": ("SHIPPED", "fulfilled"),
    "returned": ("SHIPPED", "fulfilled"),
}
#: Amazon's and the normalized status of a listing.
_LISTED = {
    "active": (["BUYABLE", "DISCOVERABLE"], "active"),
    "draft": ([], "inactive"),
    "archived": (["DISCOVERABLE"], "inactive"),
}


def marketplace(number: int) -> str:
    """The marketplace of the item or the order with this id."""
    return list(MARKETPLACES)[number % 5 == 4]


def lies_with_amazon(item: Item) -> bool:
    """Whether Amazon, and not the seller, stores and sends the item."""
    return item.id % 2 == 1


def order_id(sale: Sale) -> str:
    """Three, seven and seven digits."""
    digits = f"{sale.id:017d}"
    return f"{digits[:3]}-{digits[3:10]}-{digits[10:]}"


def product_id(item: Item) -> str:
    """SKU and marketplace."""
    return f"{item.sku}@{marketplace(item.id)}"


def stock_id(account: Account, index: int, place: int) -> str:  # noqa: ARG001 - an item has one place here
    """Listing and channel."""
    return _stock_id(account.item(index))


def _stock_id(item: Item) -> str:
    return f"{product_id(item)}/{f'AMAZON/{_fn_sku(item)}' if lies_with_amazon(item) else 'DEFAULT'}"


def order(account: Account, sale: Sale, included: Collection[str]) -> dict[str, Any]:
    """An order with the requested sets of data."""
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
        row["proceeds"] = {"grandTotal": _amount(account, sale.total)}
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
            row["proceeds"] = {"proceedsTotal": _amount(account, line.total)}
    return row


def listing(account: Account, item: Item, included: Collection[str]) -> dict[str, Any]:
    """A listing with the requested sets of data."""
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
    """Amazon's stock of an item; the stock of some has no time of change."""
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
        total = None if sale.state == "unpaid" else true_money(sale.total, account.currency)
        record = true_order(sale, order_id(sale), order_id(sale), _STATES[sale.state][1], total)
        yield record | {"updated_at": iso(sale.updated)}
    for item in map(account.item, account.listed()):
        price = true_money(item.price, account.currency)
        yield true_product(product_id(item), item.title, _LISTED[item.status][1], [item.sku], price)
        yield true_stock(_stock_id(item), _quantity(account, item))


def _index(account: Account, item: Item) -> int:
    return item.id - account.item(0).id


def _quantity(account: Account, item: Item) -> int:
    """The quantity at all of the generator's places: Amazon does not tell them apart."""
    return sum(account.stock(_index(account, item), 0, place)[0] for place in (0, 1))


def _asin(item: Item) -> str:
    return f"B{item.id:09d}"


def _fn_sku(item: Item) -> str:
    return f"X{item.id:09d}"


def _amount(account: Account, cents: int) -> dict[str, str]:
    return {"amount": decimal(cents), "currencyCode": account.currency}
