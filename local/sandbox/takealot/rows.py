"""A seller's data as Takealot's order items and offers, and as the truth.

An item is an offer, a line of a sale an order item. Amounts are whole rand; an amount of real data in another
currency is converted at 20 rand a unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Line, Sale, State
from local.sandbox.truth import true_money, true_order, true_product, true_stock

#: In every value that is personal data, and in no other.
MARK = "Kanarie"
SAST = timezone(timedelta(hours=2))
#: Takealot's and the normalized status of an order item.
_STATES: dict[State, tuple[str, str]] = {
    "unpaid": ("pending_payment", "pending"),
    "open": ("Preparing for Customer", "open"),
    "partly_shipped": ("shipped_to_customer", "fulfilled"),
    "shipped": ("Shipped to Customer", "fulfilled"),
    "cancelled": ("cancelled_by_customer", "cancelled"),
    "refunded": ("refunded", "refunded"),
    "returned": ("Returned", "returned"),
}
#: Takealot's status of an offer.
_OFFERS = {"active": "buyable", "draft": "not_buyable", "archived": "disabled_by_seller"}
#: The regions of Takealot's own warehouses.
_REGIONS = ("JHB", "CPT")


def truth(account: Account) -> Iterator[dict[str, Any]]:
    """All orders, offers and stock levels of a seller."""
    for sale in map(account.sale, range(account.sales)):
        total = sum(_rand(account, line.total) for line in sale.lines)
        record = true_order(sale, str(sale.id), str(sale.id), _STATES[sale.state][1], _true_rand(total))
        lost = sale.state in ("cancelled", "refunded", "returned")
        fees = sum(fees_of(sale).values()) * len(sale.lines)
        yield record | {
            "subtotal": _true_rand(total),
            "other_total": None,
            "net": _true_rand(0 if lost else total),
            "fees": true_money(fees, "ZAR"),
        }
    for index in account.listed():
        item = account.item(index)
        status = "active" if item.status == "active" else "inactive"
        price = _true_rand(_rand(account, item.price))
        yield true_product(str(item.id), item.title, status, [item.sku or None], price)
        for place in range(1 + len(_REGIONS)):
            if _holds(index, place):
                yield true_stock(stock_id(account, index, place), account.stock(index, 0, place)[0])


def stock_id(account: Account, index: int, place: int) -> str:
    """Offer and warehouse or region: place 0 is the seller's warehouse."""
    location = _REGIONS[place - 1] if place else str(_warehouse(account))
    return f"{account.item(index).id}@{location}"


def order_item(account: Account, sale: Sale, number: int, line: Line) -> dict[str, Any]:
    """One line of a sale."""
    item = None if line.item is None else account.item(line.item)
    return {
        "order_item_id": sale.id * 1000 + number,
        "order_id": sale.id,
        "order_date": _local(sale.created),
        "sale_status": _STATES[sale.state][0],
        "offer_id": item and item.id,
        "tsin_id": item and item.id + 7,
        "sku": line.sku,
        "product_title": line.title,
        "selling_price": _rand(account, line.total),
        "quantity": line.quantity,
        **{name: cents / 100 for name, cents in fees_of(sale).items()},
        # Without the stock transfer, as the description says.
        "total_fees": (sum(fees_of(sale).values()) - fees_of(sale)["stock_transfer_fee"]) / 100,
        "sales_region": _REGIONS[sale.id % 2],
        # A lead-time item lies with the seller.
        "stock_source_region": None if sale.id % 5 == 0 else "CPT",
    }


def fees_of(sale: Sale) -> dict[str, int]:
    """Takealot's fees for each item of a sale, in cents."""
    transfer = 525 if sale.id % 3 == 0 else 0
    return {
        "success_fee": 4_140,
        "fulfillment_fee": 2_500,
        "courier_collection_fee": 350,
        "stock_transfer_fee": transfer,
    }


def offer(account: Account, index: int, expands: Sequence[str]) -> dict[str, Any]:
    """An offer, with the kinds of stock that `expands` names."""
    item: Item = account.item(index)
    row: dict[str, Any] = {
        "offer_id": item.id,
        "tsin_id": item.id + 7,
        "sku": item.sku,
        "barcode": item.barcode,
        "product_label": f"99{item.id:011d}",
        "title": item.title,
        "selling_price": _rand(account, item.price),
        "rrp": None if item.list_price is None else _rand(account, item.list_price),
        "minimum_leadtime_days": 3,
        "condition": "New",
        "image_url": f"https://media.example/{item.id}.jpg" if index % 4 else None,
        "weight_grams": 345.8 if index % 3 else 0,
        "productline_id": item.id // 2,
        "status": _OFFERS[item.status],
        "created_at": _local(item.created),
        "updated_at": _local(item.updated),
    }
    if "seller_warehouse_stock" in expands:
        quantity = account.stock(index, 0, 0)[0]
        row["seller_warehouse_stock"] = [
            {"seller_warehouse_id": _warehouse(account), "quantity_available": quantity}
        ]
    if "takealot_warehouse_stock" in expands:
        row["takealot_warehouse_stock"] = [
            {
                "region": region,
                "quantity_available": account.stock(index, 0, place)[0],
                "stock_on_way": index % 4,
                "stock_in_receiving": index % 2,
            }
            for place, region in enumerate(_REGIONS, 1)
            if _holds(index, place)
        ]
    return row


def _holds(index: int, place: int) -> bool:
    """Whether an offer has stock at a place."""
    return place < len(_REGIONS) or index % 3 > 0


def _warehouse(account: Account) -> int:
    return 28_676 + account.number


def _rand(account: Account, cents: int) -> int:
    """Whole rand; another currency is converted at 20 rand a unit."""
    return cents // 100 if account.currency == "ZAR" else round(cents / 5)


def _true_rand(rand: int) -> dict[str, str]:
    return true_money(rand * 100, "ZAR")


def _local(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(SAST).isoformat()
