"""A shop's data as Shopify's nodes, and as the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Sale, iso
from local.sandbox.shopify import orders, products
from local.sandbox.shopify.orders import STATES, Priced
from local.sandbox.shopify.products import DESCRIPTION, Shown, sku, variant_id
from local.sandbox.truth import true_amounts, true_money, true_order, true_product, true_stock

Node = dict[str, Any]
#: Names of the locations with stock; the last one is inactive and has stock of few items.
LOCATIONS = ("Cape Town", "Jo'burg (Midrand)", "Old store")
_ONLY_PAGE: Node = {"hasNextPage": False, "endCursor": None}
_QUANTITIES = (
    "available",
    "on_hand",
    "committed",
    "reserved",
    "incoming",
    "damaged",
    "safety_stock",
    "quality_control",
)


def shop(account: Account) -> Node:
    """The shop itself."""
    return {
        "id": f"gid://shopify/Shop/{7_000 + account.number}",
        "name": f"Sandbox {account.number}",
        "myshopifyDomain": f"sandbox-{account.number}.myshopify.com",
        "currencyCode": account.currency,
    }


def priced(account: Account, sale: Sale) -> Priced:
    """A sale with its amounts."""
    return Priced(sale, _location_id(account, 0))


def order(account: Account, sale: Sale) -> Node:
    """An order; its lines, parcels and refunds are lists."""
    return orders.order(account, priced(account, sale))


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
    item_id = variant_id(item, variant)
    location_id = _location_id(account, place)
    amounts = {
        "available": quantity,
        "on_hand": quantity + 2,
        "committed": 2,
        "reserved": 0,
        "incoming": quantity % 3,
        "damaged": quantity % 5,
        "safety_stock": quantity % 4,
        "quality_control": quantity % 2,
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
            "sku": sku(item, variant),
            "tracked": True,
            "variants": lambda **_: {
                "nodes": [products.variant(account, item, variant)],
                "pageInfo": _ONLY_PAGE,
            },
        },
        "location": location(account, place),
        "quantities": quantities,
    }


def _true_order(account: Account, order: Priced) -> Node:
    sale = order.sale
    status = STATES[sale.state][2]
    total = true_money(order.total, account.currency)
    amounts = true_amounts(
        account.currency,
        subtotal=sale.total + order.discount,
        discount_total=order.discount,
        shipping_total=order.shipping or 0,
        tax_total=order.all_tax,
        marketplace_tax=order.line_tax if order.is_liable else None,
        other_total=order.tip + order.duties,
        refunded=order.refunded,
        net=order.net,
    )
    return true_order(sale, str(sale.id), sale.number, status, total) | amounts


def _true_product(account: Account, item: Item) -> Node:
    shown, numbers = Shown(item), range(item.variants)
    skus = [sku(item, number) or None for number in numbers]
    price = true_money(item.price, account.currency)
    costs = [shown.cost(number) for number in numbers]
    return true_product(
        str(item.id),
        item.title,
        item.status,
        skus,
        price,
        brand=shown.vendor or None,
        product_type=shown.type or None,
        category=shown.category["fullName"] if shown.category else None,
        description=DESCRIPTION if shown.description else None,
        url=shown.url,
        image_urls=shown.images,
        tags=sorted(shown.tags),
        costs=[None if each is None else true_money(each, account.currency) for each in costs],
    )


def stock_id(account: Account, index: int, place: int) -> str:
    """Inventory item of the first variant, and location."""
    return _stock_id(account, index, 0, place)


def _stock_id(account: Account, index: int, variant: int, place: int) -> str:
    return f"{variant_id(account.item(index), variant)}@{_location_id(account, place)}"


def truth(account: Account) -> Iterator[Node]:
    """All orders, products and stock levels of a shop."""
    for sale in map(account.sale, range(account.sales)):
        yield _true_order(account, priced(account, sale))
    for index in account.listed():
        yield _true_product(account, account.item(index))
        for place in range(len(LOCATIONS)):
            if holds(index, place):
                for variant in range(account.item(index).variants):
                    available = account.stock(index, variant, place)[0]
                    yield true_stock(_stock_id(account, index, variant, place), available)


def _location_id(account: Account, place: int) -> int:
    return 900_100 + account.number * 10 + place
