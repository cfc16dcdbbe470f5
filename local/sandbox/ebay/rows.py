"""A seller's data as eBay's rows, and as the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Line, Sale, State, iso, mix
from local.sandbox.ebay.orders import (
    STATES,
    Priced,
    amount,
    deadlines,
    line_amounts,
    line_id,
    line_status,
    moment,
    order_id,
    parcels,
    payments,
    priced,
    pricing,
)
from local.sandbox.ebay.people import gift, line_people, people
from local.sandbox.ebay.query import FULFILLMENT
from local.sandbox.truth import true_amounts, true_money, true_order, true_product, true_stock

_SITE = "EBAY_GB"
#: The normalized status of a sale.
_STATUSES: dict[State, str] = {
    "open": "open",
    "partly_shipped": "partially_fulfilled",
    "shipped": "fulfilled",
    "cancelled": "cancelled",
    "refunded": "refunded",
    "returned": "fulfilled",
}
#: Status of an offer and of its listing, and the product's normalized status.
_OFFERS = {
    "active": ("PUBLISHED", "ACTIVE", "active"),
    "draft": ("UNPUBLISHED", None, "draft"),
    "archived": ("PUBLISHED", "ENDED", "inactive"),
}
#: Indices of items by SKU, for each account of this process.
_indices: dict[int, dict[str, int]] = {}


def truth(account: Account) -> Iterator[dict[str, Any]]:
    """All orders, inventory items and stock levels."""
    for sale in filter(is_order, map(account.sale, range(account.sales))):
        yield _true_order(account, priced(sale))
    for index in account.listed():
        item = account.item(index)
        price = true_money(item.price, account.currency)
        yield true_product(item.sku, item.title, _OFFERS[item.status][2], [item.sku], price)
        for place in range(2):
            yield true_stock(stock_id(account, index, place), account.stock(index, 0, place)[0])


def _true_order(account: Account, order: Priced) -> dict[str, Any]:
    sale = order.sale
    status = _STATUSES[sale.state]
    if order.digital and status in {"open", "partially_fulfilled"}:
        # Nothing of it is to be sent by post.
        status = "fulfilled"
    total = true_money(order.total, account.currency)
    amounts = true_amounts(
        account.currency,
        subtotal=sale.total,
        discount_total=order.discounts,
        shipping_total=order.shipping,
        tax_total=order.all_tax,
        marketplace_tax=order.all_collected,
        other_total=order.fee + order.adjustment,
        refunded=order.refunded,
        net=order.seller_part - order.refunded,
        fees=order.market_fee,
    )
    record = true_order(sale, order_id(sale), order_id(sale), status, total)
    to_ship = status in {"open", "partially_fulfilled"} and not order.by_ebay
    return record | amounts | {"updated_at": iso(sale.updated), "to_ship": to_ship}


def stock_id(account: Account, index: int, place: int) -> str:
    """SKU and location: place 0 is stock to be sent, place 1 stock to be picked up in a shop."""
    where = f"pickup:{_shop(account)}" if place else "warehouse-1" if _is_placed(index) else "ship_to_home"
    return f"{account.item(index).sku}@{where}"


def is_order(sale: Sale) -> bool:
    """Whether a sale is an order: an unpaid checkout is not."""
    return sale.state != "unpaid"


def index_of(account: Account, sku: str) -> int | None:
    """The listed item with an SKU."""
    if account.serial not in _indices:
        _indices[account.serial] = {account.item(index).sku: index for index in range(account.items)}
    index = _indices[account.serial].get(sku)
    return None if index is None or index in account.vanished else index


def order(account: Account, sale: Sale, *, breakdown: bool = True) -> dict[str, Any]:
    """An order; without a breakdown of taxes its totals lack the tax that eBay collects."""
    found, currency = priced(sale), account.currency
    fulfilment, payment = STATES[sale.state]
    cancel: dict[str, Any] = {"cancelState": "NONE_REQUESTED", "cancelRequests": []}
    if sale.state == "cancelled":
        cancel |= {"cancelState": "CANCELED", "cancelledDate": moment(sale.updated)}
    row: dict[str, Any] = {
        "orderId": order_id(sale),
        "legacyOrderId": order_id(sale),
        "creationDate": moment(sale.created),
        "lastModifiedDate": moment(sale.updated),
        "orderFulfillmentStatus": fulfilment,
        "orderPaymentStatus": payment,
        "sellerId": f"sandbox-seller-{account.number}",
        "pricingSummary": pricing(found, currency, breakdown=breakdown),
        "cancelStatus": cancel,
        "paymentSummary": payments(found, currency),
        "totalMarketplaceFee": amount(found.market_fee, currency),
        "fulfillmentHrefs": [
            f"https://api.ebay.com{FULFILLMENT}order/{order_id(sale)}/shipping_fulfillment/"
            f"{parcel['fulfillmentId']}"
            for parcel in parcels(found)
        ],
        "lineItems": [
            _line(account, found, number, line) | line_amounts(found, number, currency, breakdown=breakdown)
            for number, line in enumerate(sale.lines)
        ],
    }
    if found.by_ebay:
        row["program"] = {"fulfillmentProgram": {"fulfilledBy": "EBAY"}}
    return row | people(found)


def _line(account: Account, order: Priced, number: int, line: Line) -> dict[str, Any]:
    listing = mix(order.sale.id, number) % 10**12 if line.item is None else account.item(line.item).id
    row: dict[str, Any] = {
        "lineItemId": line_id(order.sale, number),
        "legacyItemId": str(listing),
        # Some titles come with their HTML entities.
        "title": line.title.replace("&", "&amp;").replace('"', "&quot;"),
        "quantity": line.quantity,
        "soldFormat": "FIXED_PRICE",
        "listingMarketplaceId": _SITE,
        "purchaseMarketplaceId": "EBAY_US" if order.abroad else _SITE,
        "lineItemFulfillmentStatus": line_status(order, number),
        "lineItemFulfillmentInstructions": deadlines(order),
        "itemLocation": {"location": "London", "countryCode": "GB", "postalCode": "E1 1AA"},
        **line_people(order),
    }
    if order.digital:
        row["giftDetails"] = gift(order)
    # Listings made with eBay's older tools may lack an SKU; such a listing may have variations.
    if line.sku:
        return row | {"sku": line.sku}
    aspects = [{"name": "Colour", "value": "Blue &amp; white"}]
    return row | {"legacyVariationId": str(mix(listing) % 10**12), "variationAspects": aspects}


def inventory_item(account: Account, index: int) -> dict[str, Any]:
    """An inventory item with its stock; every fourth one tells only the required fields."""
    item, stock = account.item(index), account.stock(index, 0, 0)[0]
    product: dict[str, Any] = {"title": item.title.replace("&", "&amp;").replace('"', "&quot;")}
    if item.barcode:
        product["ean"] = [item.barcode]
    row: dict[str, Any] = {"sku": item.sku, "locale": "en_GB", "condition": "NEW", "product": product}
    home: dict[str, Any] = {"quantity": stock}
    if index % 4:
        product |= {
            "description": f"<p>{item.title}</p><p>Made by hand &amp; with care.</p>",
            "brand": "Sandbox &amp; Sons",
            "mpn": f"MPN-{item.id}",
            "aspects": {"Brand": ["Sandbox & Sons"], "Colour": ["Blue", "White"]},
            "imageUrls": [f"https://i.ebayimg.com/images/g/{item.id}/s-l{size}.jpg" for size in (1600, 500)],
        }
        unit = ("KILOGRAM", "GRAM", "POUND", "OUNCE")[index // 4 % 4]
        row["packageWeightAndSize"] = {"weight": {"value": 1.25, "unit": unit}, "packageType": "LETTER"}
        home["allocationByFormat"] = {"auction": 0, "fixedPrice": stock}
    if index % 8 == 5:
        row |= {"inventoryItemGroupKeys": [f"GROUP-{index // 8}"], "groupIds": [f"GROUP-{index // 8}"]}
    if _is_placed(index):
        home["availabilityDistributions"] = [{"merchantLocationKey": "warehouse-1", "quantity": stock}]
    shop = {
        "merchantLocationKey": _shop(account),
        "quantity": account.stock(index, 0, 1)[0],
        "availabilityType": ("IN_STOCK", "OUT_OF_STOCK", "SHIP_TO_STORE")[index % 3],
    }
    availability = {"shipToLocationAvailability": home, "pickupAtLocationAvailability": [shop]}
    return row | {"availability": availability}


def offer(account: Account, index: int) -> dict[str, Any]:
    """The item's offer; an unpublished one may have no description and no category yet."""
    item = account.item(index)
    status, listing_status, _ = _OFFERS[item.status]
    row: dict[str, Any] = {
        "offerId": str(item.id + 500),
        "sku": item.sku,
        "marketplaceId": _SITE,
        "format": "FIXED_PRICE",
        "availableQuantity": account.stock(index, 0, 0)[0],
        "pricingSummary": _prices(account, item),
        "status": status,
    }
    if listing_status:
        row |= {
            "listing": {"listingId": str(item.id), "listingStatus": listing_status, "soldQuantity": 0},
            "listingDescription": f"<p>{item.title}</p>" * 20,
            "categoryId": str(20_000 + index % 7),
        }
    if index % 4 == 1:
        row |= {
            "storeCategoryNames": ["/Kitchen/Mugs", "/Offers"],
            "listingStartDate": iso(item.created),
        }
    return row


def _prices(account: Account, item: Item) -> dict[str, Any]:
    prices = {"price": amount(item.price, account.currency)}
    if item.list_price is not None:
        prices["originalRetailPrice"] = amount(item.list_price, account.currency)
    return prices


def _is_placed(index: int) -> bool:
    """Whether the seller tells eBay the location of the stock."""
    return index % 3 == 0


def _shop(account: Account) -> str:
    return f"shop-{account.number}"
