"""A seller's data as eBay's rows, and as the truth."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import DAY, Item, Line, Sale, State, decimal, iso, mix
from local.sandbox.truth import true_money, true_order, true_product, true_stock

_SITE = "EBAY_GB"
#: Fulfilment and payment status of a sale, and its normalized status.
_STATES: dict[State, tuple[str, str, str]] = {
    "open": ("NOT_STARTED", "PAID", "open"),
    "partly_shipped": ("IN_PROGRESS", "PAID", "partially_fulfilled"),
    "shipped": ("FULFILLED", "PAID", "fulfilled"),
    "cancelled": ("NOT_STARTED", "FULLY_REFUNDED", "cancelled"),
    "refunded": ("FULFILLED", "FULLY_REFUNDED", "refunded"),
    "returned": ("FULFILLED", "PARTIALLY_REFUNDED", "fulfilled"),
}
#: Status of an offer and of its listing, and the product's normalized status.
_OFFERS = {
    "active": ("PUBLISHED", "ACTIVE", "active"),
    "draft": ("UNPUBLISHED", None, "draft"),
    "archived": ("PUBLISHED", "ENDED", "inactive"),
}
#: eBay hides the buyers of older orders.
_BUYER_DAYS = 90
#: Indices of items by SKU, for each account of this process.
_indices: dict[int, dict[str, int]] = {}


def truth(account: Account) -> Iterator[dict[str, Any]]:
    """All orders, inventory items and stock levels."""
    for sale in filter(is_order, map(account.sale, range(account.sales))):
        total = true_money(sale.total, account.currency)
        record = true_order(sale, order_id(sale), order_id(sale), _STATES[sale.state][2], total)
        yield record | {"updated_at": iso(sale.updated)}
    for index in account.listed():
        item = account.item(index)
        price = true_money(item.price, account.currency)
        yield true_product(item.sku, item.title, _OFFERS[item.status][2], [item.sku], price)
        for place in range(2):
            yield true_stock(stock_id(account, index, place), account.stock(index, 0, place)[0])


def stock_id(account: Account, index: int, place: int) -> str:
    """SKU and location: place 0 is stock to be sent, place 1 stock to be picked up in a shop."""
    where = f"pickup:{_shop(account)}" if place else "warehouse-1" if _is_placed(index) else "ship_to_home"
    return f"{account.item(index).sku}@{where}"


def order_id(sale: Sale) -> str:
    """An order id in eBay's form: 23-41900-00815."""
    digits = f"{sale.id:012d}"
    return f"{digits[:-10]}-{digits[-10:-5]}-{digits[-5:]}"


def is_order(sale: Sale) -> bool:
    """Whether a sale is an order: an unpaid checkout is not."""
    return sale.state != "unpaid"


def index_of(account: Account, sku: str) -> int | None:
    """The listed item with an SKU."""
    if account.serial not in _indices:
        _indices[account.serial] = {account.item(index).sku: index for index in range(account.items)}
    index = _indices[account.serial].get(sku)
    return None if index is None or index in account.vanished else index


def order(account: Account, sale: Sale) -> dict[str, Any]:
    """An order."""
    fulfilment, payment, _ = _STATES[sale.state]
    total = _amount(account, sale.total)
    refunds: list[dict[str, Any]] = []
    if payment != "PAID":
        amount = total if payment == "FULLY_REFUNDED" else _amount(account, sale.lines[0].price)
        refunds = [{"amount": amount, "refundDate": _time(sale.updated), "refundStatus": "REFUNDED"}]
    cancel: dict[str, Any] = {"cancelState": "NONE_REQUESTED", "cancelRequests": []}
    if sale.state == "cancelled":
        cancel |= {"cancelState": "CANCELED", "cancelledDate": _time(sale.updated)}
    row = {
        "orderId": order_id(sale),
        "legacyOrderId": order_id(sale),
        "creationDate": _time(sale.created),
        "lastModifiedDate": _time(sale.updated),
        "orderFulfillmentStatus": fulfilment,
        "orderPaymentStatus": payment,
        "sellerId": f"sandbox-seller-{account.number}",
        "pricingSummary": {"priceSubtotal": total, "total": total},
        "cancelStatus": cancel,
        "paymentSummary": {"totalDueSeller": total, "refunds": refunds, "payments": []},
        "lineItems": [_line(account, sale, number, line) for number, line in enumerate(sale.lines)],
    }
    return row | _buyer(sale)


def _line(account: Account, sale: Sale, number: int, line: Line) -> dict[str, Any]:
    cost = _amount(account, line.total)
    listing = mix(sale.id, number) % 10**12 if line.item is None else account.item(line.item).id
    row: dict[str, Any] = {
        "lineItemId": f"{sale.id}{number:02d}",
        "legacyItemId": str(listing),
        "title": line.title,
        "quantity": line.quantity,
        "soldFormat": "FIXED_PRICE",
        "listingMarketplaceId": _SITE,
        "purchaseMarketplaceId": _SITE,
        "lineItemFulfillmentStatus": _STATES[sale.state][0],
        "lineItemCost": cost,
        "total": cost,
        "refunds": [],
        "taxes": [],
    }
    # Listings made with eBay's older tools may lack an SKU; such a listing may have variations.
    if line.sku:
        return row | {"sku": line.sku}
    aspects = [{"name": "Colour", "value": "Blue"}]
    return row | {"legacyVariationId": str(mix(listing) % 10**12), "variationAspects": aspects}


def _buyer(sale: Sale) -> dict[str, Any]:
    if sale.created < time.time() - _BUYER_DAYS * DAY:
        return {"buyer": {"username": "********"}, "fulfillmentStartInstructions": []}
    number = sale.buyer
    address = {
        "addressLine1": f"{number % 300 + 1} Sandbox Street",
        "city": "London",
        "postalCode": "N1 9GU",
        "countryCode": "GB",
    }
    ship_to = {
        "fullName": f"Buyer Number {number}",
        "contactAddress": address,
        "primaryPhone": {"phoneNumber": f"+44 20 7946 {number % 10_000:04d}"},
        "email": f"buyer-{number}@members.example.com",
    }
    instruction = {"fulfillmentInstructionsType": "SHIP_TO", "shippingStep": {"shipTo": ship_to}}
    return {
        "buyer": {"username": f"buyer_{number}"},
        "buyerCheckoutNotes": f"Please leave it with Neighbour {number}",
        "fulfillmentStartInstructions": [instruction],
    }


def inventory_item(account: Account, index: int) -> dict[str, Any]:
    """An inventory item with its stock."""
    item = account.item(index)
    product: dict[str, Any] = {"title": item.title, "description": item.title}
    if item.barcode:
        product["ean"] = [item.barcode]
    home: dict[str, Any] = {"quantity": account.stock(index, 0, 0)[0]}
    if _is_placed(index):
        home["availabilityDistributions"] = [{"merchantLocationKey": "warehouse-1", **home}]
    shop = {
        "merchantLocationKey": _shop(account),
        "quantity": account.stock(index, 0, 1)[0],
        "availabilityType": "IN_STOCK",
    }
    return {
        "sku": item.sku,
        "locale": "en_GB",
        "condition": "NEW",
        "product": product,
        "availability": {"shipToLocationAvailability": home, "pickupAtLocationAvailability": [shop]},
    }


def offer(account: Account, index: int) -> dict[str, Any]:
    """The item's offer."""
    item = account.item(index)
    status, listing_status, _ = _OFFERS[item.status]
    row: dict[str, Any] = {
        "offerId": str(item.id + 500),
        "sku": item.sku,
        "marketplaceId": _SITE,
        "format": "FIXED_PRICE",
        "listingDescription": f"<p>{item.title}</p>" * 20,
        "availableQuantity": account.stock(index, 0, 0)[0],
        "pricingSummary": _prices(account, item),
        "status": status,
    }
    if listing_status:
        row["listing"] = {"listingId": str(item.id), "listingStatus": listing_status, "soldQuantity": 0}
    return row


def _prices(account: Account, item: Item) -> dict[str, Any]:
    prices = {"price": _amount(account, item.price)}
    if item.list_price is not None:
        prices["originalRetailPrice"] = _amount(account, item.list_price)
    return prices


def _is_placed(index: int) -> bool:
    """Whether the seller tells eBay the location of the stock."""
    return index % 3 == 0


def _shop(account: Account) -> str:
    return f"shop-{account.number}"


def _amount(account: Account, cents: int) -> dict[str, str]:
    return {"value": decimal(cents), "currency": account.currency}


def _time(seconds: int) -> str:
    return iso(seconds).replace("Z", ".000Z")
