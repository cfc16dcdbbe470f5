"""A site's data as WooCommerce's orders, and as the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Line, Sale, State, decimal
from local.sandbox.truth import true_amounts, true_money, true_order, true_product, true_stock
from local.sandbox.woocommerce import items

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
_TAX_PERCENT = 15


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
    coupons = [{"id": sale.id + 2, "code": f"welcome{sale.buyer % 5}"}] if _discount(sale) else []
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
        "discount_total": decimal(sum(_discounted(sale, line) for line in sale.lines)),
        "shipping_total": decimal(_shipping(sale)),
        "total": decimal(_charged(sale)),
        "total_tax": decimal(_tax(sale)),
        "payment_method": "cod" if sale.buyer % 6 == 0 else "payfast",
        # Some buyers are guests.
        "customer_id": 0 if sale.buyer % 3 == 0 else sale.buyer,
        "customer_note": "" if sale.buyer % 4 else f"Ring at buyer {sale.buyer}'s door",
        "billing": _address(sale)
        | {"email": f"buyer{sale.buyer}@example.com", "phone": f"+27{sale.buyer:08d}"},
        "shipping": _address(sale) if sale.buyer % 2 else dict.fromkeys(_address(sale), ""),
        "line_items": lines,
        "shipping_lines": [{"id": sale.id + 3, "method_title": "Courier", "total": decimal(_shipping(sale))}],
        "fee_lines": [{"id": sale.id + 4, "name": "Gift wrap", "total": decimal(_fee(sale))}]
        if _fee(sale)
        else [],
        "coupon_lines": coupons,
        "refunds": _refunds(sale),
    }


def refunds(account: Account, sale: Sale) -> list[Node]:
    """The refunds of an order with their lines, whose quantities and amounts are negative."""
    shares = [-int(refund["total"].replace(".", "")) for refund in _refunds(sale)]
    return [
        {
            "id": sale.id + 1,
            **items.times(account, "date_created", sale.updated),
            "amount": decimal(share),
            "reason": "",
            "line_items": [
                {
                    "id": sale.id * 10_000 + number,
                    "quantity": -line.quantity,
                    "total": decimal(-_net(line)),
                    "meta_data": [
                        {"id": 1, "key": "_refunded_item_id", "value": str(sale.id * 1000 + number)}
                    ],
                }
                for number, line in enumerate(sale.lines[:1])
            ],
        }
        for share in shares
    ]


def _discount(sale: Sale) -> int:
    """Per cent off each line."""
    return 10 if sale.id % 5 == 0 else 0


def _discounted(sale: Sale, line: Line) -> int:
    return _net(line) * _discount(sale) // 100


def _shipping(sale: Sale) -> int:
    return 0 if sale.id % 4 == 0 else 6_000


def _fee(sale: Sale) -> int:
    """A surcharge that the buyer pays."""
    return 1_500 if sale.id % 6 == 0 else 0


def _line_tax(sale: Sale, line: Line) -> int:
    return (_net(line) - _discounted(sale, line)) * _TAX_PERCENT // 100


def _tax(sale: Sale) -> int:
    """Of the lines and of shipping."""
    return sum(_line_tax(sale, line) for line in sale.lines) + _shipping(sale) * _TAX_PERCENT // 100


def _charged(sale: Sale) -> int:
    """The amount that the buyer pays, in cents."""
    lines = sum(_net(line) - _discounted(sale, line) for line in sale.lines)
    return lines + _shipping(sale) + _fee(sale) + _tax(sale)


def truth(account: Account) -> Iterator[Node]:
    """All orders, products and stock levels of a site."""
    for index in range(account.sales):
        sale = account.sale(index)
        status = "cancelled" if is_trashed(index, sale) else _STATES[sale.state][1]
        total = true_money(_charged(sale), account.currency)
        record = true_order(sale, str(sale.id), sale.number.removeprefix("#"), status, total)
        amounts = true_amounts(
            account.currency,
            subtotal=sum(_net(line) for line in sale.lines) if sale.lines else None,
            discount_total=sum(_discounted(sale, line) for line in sale.lines) if sale.lines else None,
            shipping_total=_shipping(sale),
            tax_total=_tax(sale),
            other_total=_fee(sale) if sale.lines else None,
        )
        yield record | amounts | {"marketplace_status": status_of(index, sale)}
    for index in account.listed():
        item = account.item(index)
        skus = [items.sku(item, number) or None for number in range(item.variants)]
        price = true_money(item.price, account.currency)
        yield true_product(str(item.id), item.title, items.STATUSES[item.status][1], skus, price)
        for number in range(item.variants):
            yield true_stock(items.level_id(item, number), items.quantity(account, index, number))


def _line(account: Account, sale: Sale, number: int, line: Line) -> Node:
    item = None if line.item is None else account.item(line.item)
    net = _net(line)
    return {
        "id": sale.id * 1000 + number,
        "name": line.title,
        "product_id": item.id if item else 0,
        "variation_id": items.variation_id(item, 0) if item and item.variants > 1 else 0,
        "quantity": line.quantity,
        "subtotal": decimal(net),
        "total": decimal(net - _discounted(sale, line)),
        "total_tax": decimal(_line_tax(sale, line)),
        "sku": line.sku or None,
        "price": net / 100 / line.quantity if line.quantity else 0,
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


def _net(line: Line) -> int:
    """The price of a line without its tax."""
    return round(line.total * 100 / (100 + _TAX_PERCENT))


def _refunds(sale: Sale) -> list[Node]:
    share = {"refunded": _charged(sale), "returned": _charged(sale) // 2}.get(sale.state)
    # Sites were reported in 2026 whose refunded orders have an empty list of refunds.
    if share is None or (sale.state == "refunded" and sale.id % 3 == 0):
        return []
    return [{"id": sale.id + 1, "reason": "", "total": decimal(-share)}]


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
