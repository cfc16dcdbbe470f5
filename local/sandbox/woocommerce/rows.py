"""An account's data as WooCommerce's objects, and what a connector is to make of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Line, Sale, State

Node = dict[str, Any]
#: The name of a state, and what a connector is to make of it. What is partly shipped has no word.
_STATES: dict[State, tuple[str, str]] = {
    "unpaid": ("pending", "pending"),
    "open": ("processing", "open"),
    "partly_shipped": ("processing", "open"),
    "shipped": ("completed", "fulfilled"),
    "cancelled": ("cancelled", "cancelled"),
    "refunded": ("refunded", "refunded"),
    "returned": ("completed", "fulfilled"),
}
_STATUSES = {
    "active": ("publish", "active"),
    "draft": ("draft", "draft"),
    "archived": ("private", "inactive"),
}
_TAX_PERCENT = 15


def zone(account: Account) -> timezone:
    """The site's own zone; never UTC."""
    return timezone(timedelta(hours=2 if account.number % 2 == 0 else -5))


def local(account: Account, seconds: int) -> str:
    """A time in the site's zone, without a suffix."""
    return f"{datetime.fromtimestamp(seconds, zone(account)):%Y-%m-%dT%H:%M:%S}"


def may_be_trashed(index: int) -> bool:
    """Whether an order is one that may lie in the trash; so that not every one has to be looked at."""
    return index % 8 == 1


def is_trashed(index: int, sale: Sale) -> bool:
    """Some orders that came to nothing lie in the trash."""
    return may_be_trashed(index) and sale.state in {"cancelled", "unpaid"}


def status_of(index: int, sale: Sale) -> str:
    """WooCommerce's word for an order's state."""
    return "trash" if is_trashed(index, sale) else _STATES[sale.state][0]


def order(account: Account, index: int, sale: Sale) -> Node:
    """An order."""
    total = sum(line.price * line.quantity for line in sale.lines)
    lines = [_line(account, sale, number, line) for number, line in enumerate(sale.lines)]
    tax = sum(line.price * line.quantity - _net(line) for line in sale.lines)
    paid = None if sale.state == "unpaid" else sale.created
    return {
        "id": sale.id,
        "parent_id": 0,
        "number": sale.number.removeprefix("#"),
        "order_key": f"wc_order_{sale.id}",
        "status": status_of(index, sale),
        "currency": account.currency,
        "prices_include_tax": True,
        **_times(account, "date_created", sale.created),
        **_times(account, "date_modified", sale.updated),
        **_times(account, "date_paid", paid),
        "discount_total": "0.00",
        "shipping_total": "0.00",
        "total": cents(total),
        "total_tax": cents(tax),
        # Some buy as guests.
        "customer_id": 0 if sale.buyer % 3 == 0 else sale.buyer,
        "customer_note": "" if sale.buyer % 4 else f"Ring at buyer {sale.buyer}'s door",
        "billing": _address(sale)
        | {"email": f"buyer{sale.buyer}@example.com", "phone": f"+27{sale.buyer:08d}"},
        "shipping": _address(sale) if sale.buyer % 2 else dict.fromkeys(_address(sale), ""),
        "line_items": lines,
        "refunds": _refunds(sale, total),
    }


def product(account: Account, index: int) -> Node:
    """A product; one with several variants names its variations."""
    item = account.item(index)
    is_variable = item.variants > 1
    return {
        "id": item.id,
        "name": item.title,
        "type": "variable" if is_variable else "simple",
        "status": _STATUSES[item.status][0],
        **_times(account, "date_created", item.created),
        **_times(account, "date_modified", item.updated),
        "sku": item.sku,
        "parent_id": 0,
        **_priced(item, 0),
        **_stocked(account, index, None if is_variable else 0),
        "variations": [_variation_id(item, number) for number in range(item.variants)] if is_variable else [],
    }


def variation(account: Account, index: int, number: int) -> Node:
    """One variation of a product."""
    item = account.item(index)
    return {
        "id": _variation_id(item, number),
        "parent_id": item.id,
        "status": "publish",
        **_times(account, "date_created", item.created),
        # Edited variations have missed their dates.
        **_times(account, "date_modified", item.created),
        "sku": _sku(item, number),
        **_priced(item, number),
        **_stocked(account, index, number),
        "attributes": [{"id": 0, "name": "Kind", "option": f"Kind {number + 1}"}],
    }


def stock_id(account: Account, index: int, number: int = 0) -> str:
    """A stock level's id, as the connector forms it; stock lies in one place."""
    item = account.item(index)
    return f"{_variation_id(item, number) if item.variants > 1 else item.id}@shop"


def truth(account: Account) -> Iterator[Node]:
    """What a complete sync must hold, by normalized field."""
    for index in range(account.sales):
        sale = account.sale(index)
        total = sum(line.price * line.quantity for line in sale.lines)
        yield {
            "stream": "orders",
            "id": str(sale.id),
            "number": sale.number.removeprefix("#"),
            "status": "cancelled" if is_trashed(index, sale) else _STATES[sale.state][1],
            "marketplace_status": status_of(index, sale),
            "total": {"amount": cents(total), "currency": account.currency},
            "quantities": [line.quantity for line in sale.lines],
        }
    for index in account.listed():
        item = account.item(index)
        yield {
            "stream": "products",
            "id": str(item.id),
            "title": item.title or None,
            "status": _STATUSES[item.status][1],
            "skus": [_sku(item, number) or None for number in range(item.variants)],
            "price": {"amount": cents(item.price), "currency": account.currency},
        }
        for number in range(item.variants):
            yield {
                "stream": "inventory",
                "id": stock_id(account, index, number),
                "available": _quantity(account, index, number),
            }


def cents(amount: int) -> str:
    """Two decimals."""
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02d}"


def _times(account: Account, name: str, seconds: int | None) -> Node:
    """A time twice: as the site's clock shows it, and in UTC; neither has a suffix."""
    if seconds is None:
        return {name: None, f"{name}_gmt": None}
    utc = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
    return {name: local(account, seconds), f"{name}_gmt": utc}


def _line(account: Account, sale: Sale, number: int, line: Line) -> Node:
    item = None if line.item is None else account.item(line.item)
    net = _net(line)
    return {
        "id": sale.id * 1000 + number,
        "name": line.title,
        "product_id": item.id if item else 0,
        "variation_id": _variation_id(item, 0) if item and item.variants > 1 else 0,
        "quantity": line.quantity,
        "subtotal": cents(net),
        "total": cents(net),
        "total_tax": cents(line.price * line.quantity - net),
        "sku": line.sku or None,
        "price": net / 100 / line.quantity if line.quantity else 0,
        "meta_data": [{"id": number, "key": "engraving", "value": f"For buyer {sale.buyer}"}],
    }


def _net(line: Line) -> int:
    """A line without its tax."""
    return round(line.price * line.quantity * 100 / (100 + _TAX_PERCENT))


def _refunds(sale: Sale, total: int) -> list[Node]:
    share = {"refunded": total, "returned": total // 2}.get(sale.state)
    # Reported in 2026: refunded orders whose list of refunds is empty.
    if share is None or (sale.state == "refunded" and sale.id % 3 == 0):
        return []
    return [{"id": sale.id + 1, "reason": "", "total": cents(-share)}]


def _address(sale: Sale) -> Node:
    return {
        "first_name": f"Buyer {sale.buyer}",
        "last_name": "Ñandú",
        "company": "",
        "address_1": f"{sale.buyer % 200} Long Street",
        "address_2": "",
        "city": "Cape Town",
        "state": "WC",
        "postcode": "8001",
        "country": "ZA",
    }


def _priced(item: Item, number: int) -> Node:
    return {
        "global_unique_id": (item.barcode or "") if number == 0 else "",
        "price": cents(item.price),
        "regular_price": cents(item.list_price or item.price),
        "sale_price": "" if item.list_price is None else cents(item.price),
    }


def _stocked(account: Account, index: int, number: int | None) -> Node:
    """Stock, where it is kept; a variable product leaves it to its variations."""
    if number is None:
        return {"manage_stock": False, "stock_quantity": None, "stock_status": "instock"}
    quantity = _quantity(account, index, number)
    status = "instock" if quantity > 0 else "outofstock"
    return {"manage_stock": True, "stock_quantity": quantity, "stock_status": status}


def _quantity(account: Account, index: int, number: int) -> int:
    """What lies at both places that other marketplaces tell apart."""
    return sum(account.stock(index, number, place)[0] for place in range(2))


def _variation_id(item: Item, number: int) -> int:
    return item.id * 100 + number


def _sku(item: Item, number: int) -> str:
    return f"{item.sku}-{number}" if number else item.sku
