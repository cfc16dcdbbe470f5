"""A site's products as WooCommerce's objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, decimal

Node = dict[str, Any]
_SHOP = "https://shop.example.com"
#: WooCommerce's and the normalized status of a product.
STATUSES = {
    "active": ("publish", "active"),
    "draft": ("draft", "draft"),
    "archived": ("private", "inactive"),
}


def zone(account: Account) -> timezone:
    """The site's time zone; never UTC."""
    return timezone(timedelta(hours=2 if account.number % 2 == 0 else -5))


def times(account: Account, name: str, seconds: int | None) -> Node:
    """A time twice, in the site's zone and in UTC; neither text names its zone."""
    if seconds is None:
        return {name: None, f"{name}_gmt": None}
    local, utc = (datetime.fromtimestamp(seconds, each) for each in (zone(account), UTC))
    return {name: f"{local:%Y-%m-%dT%H:%M:%S}", f"{name}_gmt": f"{utc:%Y-%m-%dT%H:%M:%S}"}


def product(account: Account, index: int) -> Node:
    """A product; one with several variants lists its variations' ids."""
    item = account.item(index)
    is_variable = item.variants > 1
    return {
        "id": item.id,
        # WordPress escapes the names that authors without the right to write HTML have saved.
        "name": item.title.replace("&", "&amp;") if item.id % 2 else item.title,
        "type": "variable" if is_variable else "simple",
        "status": STATUSES[item.status][0],
        **times(account, "date_created", item.created),
        **times(account, "date_modified", item.updated),
        "sku": item.sku,
        "parent_id": 0,
        **_priced(item, 0),
        **_stocked(account, index, None if is_variable else 0),
        "variations": [variation_id(item, number) for number in range(item.variants)] if is_variable else [],
        **_sold(item),
        **_described(item),
        "permalink": f"{_SHOP}/product/{item.id}/",
        "attributes": [
            {"id": 1, "name": "Material", "variation": False, "options": ["Steel"]},
            *_kinds(item),
        ],
    }


def variation(account: Account, index: int, number: int) -> Node:
    """One variation of a product."""
    item = account.item(index)
    return {
        "id": variation_id(item, number),
        "parent_id": item.id,
        "status": "publish",
        **times(account, "date_created", item.created),
        # Editing a variation does not always change its modification time.
        **times(account, "date_modified", item.created),
        "sku": sku(item, number),
        **_priced(item, number),
        **_stocked(account, index, number),
        **_sold(item),
        # Its own weight, or none: then the product's counts.
        "weight": f"{number}.25" if number else "",
        "tax_status": "parent" if number else "taxable",
        "image": {"id": item.id + number, "src": _image(item, number)} if item.id % 2 else None,
        "permalink": f"{_SHOP}/product/{item.id}/?attribute_kind=Kind+{number + 1}",
        "attributes": [{"id": 0, "name": "Kind", "option": f"Kind {number + 1}"}],
    }


def stock_id(account: Account, index: int, place: int) -> str:  # noqa: ARG001 - a shop has one place
    """The product's stock, or its first variation's."""
    return level_id(account.item(index), 0)


def level_id(item: Item, number: int) -> str:
    """A stock level's id, as the connector forms it."""
    return f"{variation_id(item, number) if item.variants > 1 else item.id}@shop"


def _priced(item: Item, number: int) -> Node:
    return {
        "global_unique_id": (item.barcode or "") if number == 0 else "",
        "price": decimal(item.price),
        "regular_price": decimal(item.list_price or item.price),
        "sale_price": "" if item.list_price is None else decimal(item.price),
    }


def _sold(item: Item) -> Node:
    """The fields that a product without variations and a variation share."""
    return {
        "virtual": item.id % 9 == 0,
        "weight": "" if item.id % 4 == 0 else f"{item.id % 7}.5",
        "tax_status": "none" if item.id % 5 == 0 else "taxable",
        "backorders": "notify" if item.id % 6 == 0 else "no",
        # Sites tell it since WooCommerce 9.5, if its feature is on.
        "cost_of_goods_sold": {"values": [], "total_value": item.price / 200} if item.id % 3 else None,
    }


def _described(item: Item) -> Node:
    """The fields of a product's page; sites before WooCommerce 9.6 tell no brands."""
    kinds = [{"id": 15, "name": "Mugs &amp; cups", "slug": "mugs"}, {"id": 9, "name": "Uncategorized"}]
    return {
        "description": ""
        if item.id % 8 == 0
        else f"<p>{item.title}.</p>\n<ul><li>Dishwasher-safe</li></ul>\n",
        "short_description": f"<p>{item.title}</p>\n",
        "categories": kinds[item.id % 2 :],
        "tags": [{"id": 34, "name": "New", "slug": "new"}] if item.id % 2 else [],
        "brands": [{"id": 7, "name": "Ñandú", "slug": "nandu"}] if item.id % 3 else [],
        "images": [{"id": item.id + n, "src": _image(item, n), "alt": ""} for n in range(item.id % 3)],
    }


def _kinds(item: Item) -> list[Node]:
    """The attribute that the variations of a product differ by."""
    if item.variants == 1:
        return []
    names = [f"Kind {number + 1}" for number in range(item.variants)]
    return [{"id": 0, "name": "Kind", "variation": True, "options": names}]


def _image(item: Item, number: int) -> str:
    return f"{_SHOP}/wp-content/uploads/{item.id}-{number}.jpg"


def _stocked(account: Account, index: int, number: int | None) -> Node:
    """The fields of a stock level; a variable product has none, its variations do."""
    if number is None:
        return {"manage_stock": False, "stock_quantity": None, "stock_status": "instock"}
    pieces = quantity(account, index, number)
    status = "instock" if pieces > 0 else "outofstock"
    return {"manage_stock": True, "stock_quantity": pieces, "stock_status": status}


def quantity(account: Account, index: int, number: int) -> int:
    """The quantity at both places, which other marketplaces tell apart."""
    return sum(account.stock(index, number, place)[0] for place in range(2))


def variation_id(item: Item, number: int) -> int:
    """A variation's id."""
    return item.id * 100 + number


def sku(item: Item, number: int) -> str:
    """A variation's SKU; the first one has its product's."""
    return f"{item.sku}-{number}" if number else item.sku
