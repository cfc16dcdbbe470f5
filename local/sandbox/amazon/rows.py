"""A seller's data as Amazon's rows, and as the truth: listings and stock; `order_rows` has the orders."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from local.sandbox.account import Account
from local.sandbox.amazon import order_rows
from local.sandbox.amazon.fields import amount, asin, marketplace
from local.sandbox.catalogue import Item, iso
from local.sandbox.truth import true_money, true_product, true_stock

#: Amazon's and the normalized status of a listing.
_LISTED = {
    "active": (["BUYABLE", "DISCOVERABLE"], "active"),
    "draft": ([], "inactive"),
    "archived": (["DISCOVERABLE"], "inactive"),
}


def lies_with_amazon(item: Item) -> bool:
    """Whether Amazon, and not the seller, stores and sends the item."""
    return item.id % 2 == 1


def product_id(item: Item) -> str:
    """SKU and marketplace."""
    return f"{item.sku}@{marketplace(item.id)}"


def stock_id(account: Account, index: int, place: int) -> str:  # noqa: ARG001 - an item has one place here
    """Listing and channel."""
    return _stock_id(account.item(index))


def _stock_id(item: Item) -> str:
    return f"{product_id(item)}/{f'AMAZON/{_fn_sku(item)}' if lies_with_amazon(item) else 'DEFAULT'}"


def listing(account: Account, item: Item, included: Collection[str]) -> dict[str, Any]:
    """A listing with the requested sets of data."""
    place = marketplace(item.id)
    row: dict[str, Any] = {"sku": item.sku}
    if "summaries" in included:
        row["summaries"] = [
            {
                "marketplaceId": place,
                "asin": asin(item),
                "productType": "HOME",
                "conditionType": "new_new",
                "status": _LISTED[item.status][0],
                "itemName": item.title,
                "mainImage": {
                    "link": f"https://m.media.example/{asin(item)}.jpg",
                    "height": 500,
                    "width": 500,
                },
                "createdDate": iso(item.created),
                "lastUpdatedDate": iso(item.updated),
            }
        ]
    if "offers" in included:
        price = amount(account, item.price)
        business = amount(account, item.price - 100)
        row["offers"] = [
            {"marketplaceId": place, "offerType": "B2B", "price": business},
            {"marketplaceId": place, "offerType": "B2C", "price": price},
        ]
    if "attributes" in included:
        row["attributes"] = _attributes(account, item)
    if "relationships" in included:
        row["relationships"] = [{"marketplaceId": place, "relationships": _family(item)}]
    if "fulfillmentAvailability" in included:
        with_seller = {"fulfillmentChannelCode": "DEFAULT", "quantity": _quantity(account, item)}
        with_amazon = {"fulfillmentChannelCode": "AMAZON_EU"}
        row["fulfillmentAvailability"] = [with_amazon if lies_with_amazon(item) else with_seller]
    return row


def _attributes(account: Account, item: Item) -> dict[str, Any]:
    """The attributes; each product type of Amazon's has others."""
    place = marketplace(item.id)

    def told(value: Any, **more: Any) -> dict[str, Any]:
        return {"value": value, "marketplace_id": place} | more

    other = {"value": "elsewhere", "marketplace_id": "ATVPDKIKX0DER"}
    found: dict[str, Any] = {
        "brand": [other, told("Kopje & Co", language_tag="en_GB")],
        "bullet_point": [told("Dishwasher safe"), told("Made in Cape Town")],
        "item_weight": [told(item.id % 900 + 0.5, unit="grams")],
        "color": [told(("blue", "red", "natural")[item.id % 3], language_tag="en_GB")],
        # An attribute whose value has parts.
        "size": [{"size": "m", "size_class": "alpha", "marketplace_id": place}],
        "other_product_image_locator_1": [
            {"media_location": f"https://m.media.example/{asin(item)}-2.jpg", "marketplace_id": place}
        ],
    }
    if item.id % 3:
        found["product_description"] = [told(f"<p>{item.title}</p><p>Boxed &amp; wrapped</p>")]
    if item.barcode:
        found["externally_assigned_product_identifier"] = [told(item.barcode, type="ean")]
    if item.list_price:
        price = {"currency": account.currency, "marketplace_id": place}
        name = "value_with_tax" if item.id % 5 == 4 else "value"
        found["list_price"] = [price | {name: item.list_price / 100}]
    return found


def _family(item: Item) -> list[dict[str, Any]]:
    """Every third item is a variation."""
    if item.id % 3:
        return []
    theme = {"attributes": ["color", "size"], "theme": "SIZE/COLOR"}
    return [{"type": "VARIATION", "parentSkus": [f"{item.sku}-PARENT"], "variationTheme": theme}]


def summary(account: Account, item: Item) -> dict[str, Any]:
    """Amazon's stock of an item; the stock of some has no time of change."""
    held, coming, broken = _quantity(account, item), item.id % 9, item.id % 4
    index = _index(account, item)
    moved = max(account.stock(index, 0, place)[1] for place in (0, 1))
    return {
        "asin": asin(item),
        "fnSku": _fn_sku(item),
        "sellerSku": item.sku,
        "condition": "NewItem",
        "inventoryDetails": {
            "fulfillableQuantity": held,
            "inboundWorkingQuantity": 0,
            "inboundShippedQuantity": coming,
            "inboundReceivingQuantity": 0,
            "reservedQuantity": {
                "totalReservedQuantity": 2,
                "pendingCustomerOrderQuantity": 1,
                "pendingTransshipmentQuantity": 1,
                "fcProcessingQuantity": 0,
            },
            "researchingQuantity": {"totalResearchingQuantity": item.id % 2},
            "unfulfillableQuantity": {
                "totalUnfulfillableQuantity": broken,
                "customerDamagedQuantity": broken,
                "warehouseDamagedQuantity": 0,
                "distributorDamagedQuantity": 0,
                "carrierDamagedQuantity": 0,
                "defectiveQuantity": 0,
                "expiredQuantity": 0,
            },
        },
        "lastUpdatedTime": "" if item.id % 7 == 0 else iso(moved),
        "productName": item.title,
        "totalQuantity": held + 2 + coming + broken,
    }


def truth(account: Account) -> Iterator[dict[str, Any]]:
    """All orders, listings and stock levels of a seller."""
    for sale in map(account.sale, range(account.sales)):
        yield order_rows.true_sale(account, sale)
    for item in map(account.item, account.listed()):
        price = true_money(item.price, account.currency)
        yield true_product(product_id(item), item.title, _LISTED[item.status][1], [item.sku], price)
        yield true_stock(_stock_id(item), _quantity(account, item))


def _index(account: Account, item: Item) -> int:
    return item.id - account.item(0).id


def _quantity(account: Account, item: Item) -> int:
    """The quantity at all of the generator's places: Amazon does not tell them apart."""
    return sum(account.stock(_index(account, item), 0, place)[0] for place in (0, 1))


def _fn_sku(item: Item) -> str:
    return f"X{item.id:09d}"
