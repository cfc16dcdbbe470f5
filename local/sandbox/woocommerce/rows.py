"""A site's data as WooCommerce's orders, and as the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Line, Sale, State, decimal
from local.sandbox.truth import true_amounts, true_money, true_order, true_product, true_stock
from local.sandbox.woocommerce import items, refunds
from local.sandbox.woocommerce.amounts import (
    charged,
    discount,
    discounted,
    fee,
    line_tax,
    net,
    shipping,
    tax,
)

Node = dict[str, Any]
#: WooCommerce's and the normalized status of an order. WooCommerce has no word for partly shipped.
_STATES: dict[State, tuple[str, str]] = {
    "unpaid": ("pending", "pending"),
    "open": ("processing", "open"),
    "partly_shipped": ("processing", "open"),
    "shipped": ("completed", "fulfilled"),
    "cancelled": ("cancelled", "cancelled"),
    "refunded": ("refunded", "refunded"),
    "returned": ("completed", "fulfilled"),
}


def may_be_trashed(index: int) -> bool:
    """Whether the order at an index can be in the trash; spares a look at all other orders."""
    return index % 8 == 1


def is_trashed(index: int, sale: Sale) -> bool:
    """Whether an order is in the trash, as some cancelled and unpaid ones are."""
    return may_be_trashed(index) and sale.state in {"cancelled", "unpaid"}


def status_of(index: int, sale: Sale) -> str:
    """WooCommerce's word for an order's state."""
    return "trash" if is_trashed(index, sale) else _STATES[sale.state][0]


def order(account: Account, index: int, sale: Sale) -> Node:
    """An order."""
    lines = [_line(account, sale, number, line) for number, line in enumerate(sale.lines)]
    paid = None if sale.state == "unpaid" else sale.created
    completed = sale.updated if sale.state in {"shipped", "returned"} else None
    coupons = [{"id": sale.id + 2, "code": f"welcome{sale.buyer % 5}"}] if discount(sale) else []
    return {
        "id": sale.id,
        "parent_id": 0,
        "number": sale.number.removeprefix("#"),
        "order_key": f"wc_order_{sale.id}",
        "status": status_of(index, sale),
        "currency": account.currency,
        "created_via": "admin" if sale.id % 7 == 0 else "checkout",
        "prices_include_tax": True,
        **items.times(account, "date_created", sale.created),
        **items.times(account, "date_modified", sale.updated),
        **items.times(account, "date_paid", paid),
        **items.times(account, "date_completed", completed),
        "discount_total": decimal(sum(discounted(sale, line) for line in sale.lines)),
        "shipping_total": decimal(shipping(sale)),
        "total": decimal(charged(sale)),
        "total_tax": decimal(tax(sale)),
        "payment_method": "cod" if sale.buyer % 6 == 0 else "payfast",
        # Some buyers are guests.
        "customer_id": 0 if sale.buyer % 3 == 0 else sale.buyer,
        "customer_note": "" if sale.buyer % 4 else f"Ring at buyer {sale.buyer}'s door",
        "billing": _address(sale)
        | {"email": f"buyer{sale.buyer}@example.com", "phone": f"+27{sale.buyer:08d}"},
        "shipping": _address(sale) if sale.buyer % 2 else dict.fromkeys(_address(sale), ""),
        "line_items": lines,
        "shipping_lines": [{"id": sale.id + 3, "method_title": "Courier", "total": decimal(shipping(sale))}],
        "fee_lines": [{"id": sale.id + 4, "name": "Gift wrap", "total": decimal(fee(sale))}]
        if fee(sale)
        else [],
        "coupon_lines": coupons,
        "refunds": refunds.listed(sale),
    }


def truth(account: Account) -> Iterator[Node]:
    """All orders, products and stock levels of a site."""
    for index in range(account.sales):
        sale = account.sale(index)
        status = _true_status(index, sale)
        total = true_money(charged(sale), account.currency)
        record = true_order(sale, str(sale.id), sale.number.removeprefix("#"), status, total)
        amounts = true_amounts(
            account.currency,
            subtotal=sum(net(line) for line in sale.lines) if sale.lines else None,
            discount_total=sum(discounted(sale, line) for line in sale.lines) if sale.lines else None,
            shipping_total=shipping(sale),
            tax_total=tax(sale),
            other_total=fee(sale) if sale.lines else None,
            refunded=refunds.refunded(sale),
            net=0
            if status == "cancelled" and sale.state == "unpaid"
            else charged(sale) - refunds.refunded(sale),
        )
        yield record | amounts | {"marketplace_status": status_of(index, sale)}
    for index in account.listed():
        item = account.item(index)
        skus = [items.sku(item, number) or None for number in range(item.variants)]
        price = true_money(item.price, account.currency)
        yield true_product(str(item.id), item.title, items.STATUSES[item.status][1], skus, price)
        for number in range(item.variants):
            yield true_stock(items.level_id(item, number), items.quantity(account, index, number))


def _true_status(index: int, sale: Sale) -> str:
    """The normalized status; a returned order is refunded if its one piece was all that was paid for."""
    if is_trashed(index, sale):
        return "cancelled"
    return "refunded" if 0 < charged(sale) <= refunds.refunded(sale) else _STATES[sale.state][1]


def _line(account: Account, sale: Sale, number: int, line: Line) -> Node:
    item = None if line.item is None else account.item(line.item)
    before, after = net(line), net(line) - discounted(sale, line)
    return {
        "id": sale.id * 1000 + number,
        "name": line.title,
        "product_id": item.id if item else 0,
        "variation_id": items.variation_id(item, 0) if item and item.variants > 1 else 0,
        "quantity": line.quantity,
        "subtotal": decimal(before),
        "total": decimal(after),
        "total_tax": decimal(line_tax(sale, line)),
        "sku": line.sku or None,
        # Of one piece after discounts, not rounded.
        "price": after / 100 / line.quantity if line.quantity else 0,
        "meta_data": [
            {
                "id": number,
                "key": "engraving",
                "value": f"For buyer {sale.buyer}",
                "display_key": "Engraving",
            },
            {"key": "pa_colour", "value": "blue", "display_key": "Colour"},
            {"key": "_reduced_stock", "value": str(line.quantity)},
        ],
    }


def _address(sale: Sale) -> Node:
    return {
        "first_name": f"Buyer {sale.buyer}",
        "last_name": "Ñandú",
        "company": f"Buyer {sale.buyer} Ltd" if sale.buyer % 5 == 0 else "",
        "address_1": f"{sale.buyer % 200} Long Street",
        "address_2": "",
        "city": "Cape Town",
        "state": "WC",
        "postcode": "8001",
        "country": "ZA",
    }
