"""A shop's data as Shopify's nodes, and as the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Line, Sale, State, decimal, iso, mix
from local.sandbox.truth import true_money, true_order, true_product, true_stock

Node = dict[str, Any]
#: Names of the locations with stock; the last one is inactive and has stock of few items.
LOCATIONS = ("Cape Town", "Jo'burg (Midrand)", "Old store")
#: Financial and fulfilment status of a sale, and its normalized status.
_STATES: dict[State, tuple[str, str, str]] = {
    "unpaid": ("PENDING", "UNFULFILLED", "pending"),
    "open": ("PAID", "UNFULFILLED", "open"),
    "partly_shipped": ("PAID", "PARTIALLY_FULFILLED", "partially_fulfilled"),
    "shipped": ("PAID", "FULFILLED", "fulfilled"),
    "cancelled": ("VOIDED", "UNFULFILLED", "cancelled"),
    "refunded": ("REFUNDED", "FULFILLED", "refunded"),
    "returned": ("PARTIALLY_REFUNDED", "FULFILLED", "fulfilled"),
}
_ONLY_PAGE: Node = {"hasNextPage": False, "endCursor": None}
_QUANTITIES = ("available", "on_hand", "committed", "reserved", "incoming")


def shop(account: Account) -> Node:
    """The shop itself."""
    return {
        "id": f"gid://shopify/Shop/{7_000 + account.number}",
        "name": f"Sandbox {account.number}",
        "myshopifyDomain": f"sandbox-{account.number}.myshopify.com",
        "currencyCode": account.currency,
    }


def order(account: Account, sale: Sale) -> Node:
    """An order; its line items are a list, not a connection."""
    financial, fulfillment, _ = _STATES[sale.state]
    refunded = {"refunded": sale.total, "returned": sale.lines[0].price}.get(sale.state, 0)
    current = 0 if sale.state == "cancelled" else sale.total - refunded
    buyer = f"Buyer {sale.buyer} Ñandú"
    email = f"buyer{sale.buyer}@example.com"
    return {
        "id": f"gid://shopify/Order/{sale.id}",
        "legacyResourceId": str(sale.id),
        "name": sale.number,
        "createdAt": iso(sale.created),
        "updatedAt": iso(sale.updated),
        "processedAt": iso(sale.created),
        "cancelledAt": iso(sale.updated) if sale.state == "cancelled" else None,
        "closedAt": None,
        "test": sale.test,
        "edited": False,
        "currencyCode": account.currency,
        "displayFinancialStatus": financial,
        "displayFulfillmentStatus": fulfillment,
        "totalPriceSet": _money(account, sale.total),
        "currentTotalPriceSet": _money(account, current),
        "totalRefundedSet": _money(account, refunded),
        "email": email,
        "phone": "+27210000000",
        "customer": {"id": f"gid://shopify/Customer/{sale.buyer}", "displayName": buyer},
        "shippingAddress": {
            "name": buyer,
            "phone": None,
            "address1": f"{sale.buyer % 200} Long Street",
            "address2": "",
            "city": "Cape Town",
            "province": "Western Cape",
            "zip": "8001",
            "countryCodeV2": "ZA",
        },
        "lineItems": [_line(account, sale, number, line) for number, line in enumerate(sale.lines)],
    }


def product(item: Item) -> Node:
    """A product; its variants are a list, not a connection."""
    return {
        "id": f"gid://shopify/Product/{item.id}",
        "legacyResourceId": str(item.id),
        "title": item.title,
        "handle": f"product-{item.id}",
        "status": item.status.upper(),
        "vendor": "Sandbox",
        "productType": "",
        "createdAt": iso(item.created),
        "updatedAt": iso(item.updated),
        "variants": [_variant(item, number) for number in range(item.variants)],
    }


def location(account: Account, place: int) -> Node:
    """A location without its levels."""
    return {
        "id": f"gid://shopify/Location/{_location_id(account, place)}",
        "name": LOCATIONS[place],
        "isActive": place < len(LOCATIONS) - 1,
    }


def holds(index: int, place: int) -> bool:
    """Whether an item is stocked at a place."""
    return place < len(LOCATIONS) - 1 or index % 10 == 0


def level(account: Account, index: int, variant: int, place: int) -> Node:
    """The stock of one variant at one location."""
    item = account.item(index)
    quantity, updated = account.stock(index, variant, place)
    item_id = _variant_id(item, variant)
    location_id = _location_id(account, place)
    amounts = {
        "available": quantity,
        "on_hand": quantity + 2,
        "committed": 2,
        "reserved": 0,
        "incoming": quantity % 3,
    }

    def quantities(names: Sequence[str]) -> list[Node]:
        known = [name for name in names if name in _QUANTITIES]
        return [{"name": name, "quantity": amounts[name], "updatedAt": iso(updated)} for name in known]

    return {
        "id": f"gid://shopify/InventoryLevel/{location_id}?inventory_item_id={item_id}",
        "createdAt": iso(item.created),
        "updatedAt": iso(updated),
        "item": {
            "id": f"gid://shopify/InventoryItem/{item_id}",
            "sku": _sku(item, variant),
            "tracked": True,
            "variants": lambda **_: {"nodes": [_variant(item, variant)], "pageInfo": _ONLY_PAGE},
        },
        "location": location(account, place),
        "quantities": quantities,
    }


def stock_id(account: Account, index: int, place: int) -> str:
    """Inventory item of the first variant, and location."""
    return _stock_id(account, index, 0, place)


def _stock_id(account: Account, index: int, variant: int, place: int) -> str:
    return f"{_variant_id(account.item(index), variant)}@{_location_id(account, place)}"


def truth(account: Account) -> Iterator[Node]:
    """All orders, products and stock levels of a shop."""
    for sale in map(account.sale, range(account.sales)):
        total = true_money(sale.total, account.currency)
        yield true_order(sale, str(sale.id), sale.number, _STATES[sale.state][2], total)
    for index in account.listed():
        item = account.item(index)
        skus = [_sku(item, number) or None for number in range(item.variants)]
        price = true_money(item.price, account.currency)
        yield true_product(str(item.id), item.title, item.status, skus, price)
        for place in range(len(LOCATIONS)):
            if holds(index, place):
                for variant in range(item.variants):
                    available = account.stock(index, variant, place)[0]
                    yield true_stock(_stock_id(account, index, variant, place), available)


def _money(account: Account, cents: int) -> Node:
    # Shopify writes one decimal if the second is zero: `599.0`, `2.55`.
    money = {"amount": decimal(cents).removesuffix("0"), "currencyCode": account.currency}
    return {"shopMoney": money, "presentmentMoney": money}


def _line(account: Account, sale: Sale, number: int, line: Line) -> Node:
    known = None if line.item is None else account.item(line.item)
    # A line remains after its variant is deleted.
    variant = None if known is None else {"id": f"gid://shopify/ProductVariant/{_variant_id(known, 0)}"}
    removed = line.quantity if sale.state in {"cancelled", "refunded"} else int(sale.state == "returned")
    # Per unit. A code discount is left out of the line's total by default, one of the whole order always.
    by_code, by_order = {0: (line.price // 10, 0), 1: (0, line.price // 5)}.get(mix(sale.id) % 8, (0, 0))
    original = line.price + by_code + by_order

    def discounted(with_code_discounts: bool = False) -> Node:
        unit = original - (by_code if with_code_discounts else 0)
        return _money(account, unit * line.quantity)

    discounts = [each * line.quantity for each in (by_code, by_order) if each]
    return {
        "id": f"gid://shopify/LineItem/{sale.id * 1000 + number}",
        "sku": line.sku,
        "title": line.title,
        "quantity": line.quantity,
        "currentQuantity": line.quantity - (removed if number == 0 or sale.state != "returned" else 0),
        "variant": variant,
        "product": None if known is None else {"id": f"gid://shopify/Product/{known.id}"},
        "originalUnitPriceSet": _money(account, original),
        "discountedTotalSet": discounted,
        "discountAllocations": [{"allocatedAmountSet": _money(account, each)} for each in discounts],
    }


def _variant(item: Item, number: int) -> Node:
    return {
        "id": f"gid://shopify/ProductVariant/{_variant_id(item, number)}",
        "product": {"id": f"gid://shopify/Product/{item.id}"},
        "sku": _sku(item, number),
        "barcode": item.barcode if number == 0 else None,
        "title": "Default Title" if item.variants == 1 else f"Variant {number + 1}",
        "price": decimal(item.price),
        "compareAtPrice": None if item.list_price is None else decimal(item.list_price),
    }


def _variant_id(item: Item, number: int) -> int:
    return item.id * 100 + number


def _sku(item: Item, number: int) -> str:
    return f"{item.sku}-{number}" if number else item.sku


def _location_id(account: Account, place: int) -> int:
    return 900_100 + account.number * 10 + place
