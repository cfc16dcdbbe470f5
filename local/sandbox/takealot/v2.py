"""Pages of Takealot's older Seller API v2: the rows of v1 in v2's form, for the same sellers.

Account i has the key `sandbox-v2-key-{i}`. The latest sales come first.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from local.sandbox.account import Account
from local.sandbox.catalogue import DAY
from local.sandbox.http import Request
from local.sandbox.takealot import rows
from local.sandbox.takealot.listings import days_of, items_of

_EPOCH = date(1970, 1, 1)
_LARGEST_PAGE = 100
#: Days that a query may span.
_LONGEST = 180
_WAREHOUSES = {"JHB": 3, "CPT": 1}


class Refused(Exception):
    """The call is refused; the message is the answer's."""


def sales(account: Account, request: Request) -> dict[str, Any]:
    """`GET /v2/sales`: order items of a range of days.

    Raises:
        Refused: A parameter is not valid.
    """
    days = days_of(account)
    first, last = _range(request.one("filters"))
    found = [
        msgspec.json.decode(item)
        for day in range(min(last + 1, days.stop) - 1, max(first, days.start) - 1, -1)
        for item in items_of(account, day)
    ]
    number, size = _page(request)
    shown: list[dict[str, Any]] = [_sale(item) for item in found[(number - 1) * size : number * size]]
    if request.malformed:
        shown.insert(len(shown) // 2, {"order_item_id": 999_000_111, "sale_status": None})
    return {"page_summary": {"total": len(found), "page_size": size, "page_number": number}, "sales": shown}


def offers(account: Account, request: Request) -> dict[str, Any]:
    """`GET /v2/offers`: offers with their stock.

    Raises:
        Refused: A parameter is not valid.
    """
    number, size = _page(request)
    listed = list(account.listed())
    expands = ("seller_warehouse_stock", "takealot_warehouse_stock")
    shown = [
        _offer(rows.offer(account, index, expands)) for index in listed[(number - 1) * size : number * size]
    ]
    if request.malformed:
        shown.insert(len(shown) // 2, {"offer_id": 999_000_111, "sku": 5})
    return {"total_results": len(listed), "page_size": size, "page_number": number, "offers": shown}


def _range(filters: str) -> tuple[int, int]:
    """First and last day, at most 180 days apart; without a filter, the last thirty days."""
    given = dict(re.findall(r"(start_date|end_date):([^;]*)", filters))
    if not given:
        today = int(time.time() + 2 * 3600) // DAY
        return today - 29, today
    last = _day(given["end_date"]) if "end_date" in given else _day(given["start_date"]) + _LONGEST
    first = _day(given["start_date"]) if "start_date" in given else last - _LONGEST
    if last - first > _LONGEST:
        raise Refused(f"The date range may not exceed {_LONGEST} days")
    return first, last


def _day(text: str) -> int:
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise Refused("Dates take the form YYYY-MM-DD") from None


def _page(request: Request) -> tuple[int, int]:
    number, size = request.one("page_number", "1"), request.one("page_size", "100")
    if not number.isdigit() or not size.isdigit() or int(number) < 1:
        raise Refused("page_number takes 1 and more, page_size 1 to 100")
    return int(number), min(_LARGEST_PAGE, int(size))


def _sale(item: dict[str, Any]) -> dict[str, Any]:
    kept = ("order_item_id", "order_id", "sale_status", "offer_id", "sku", "product_title")
    return {
        **{name: item[name] for name in (*kept, "selling_price", "quantity", "stock_source_region")},
        "tsin": item["tsin_id"],
        "order_date": _time(item["order_date"]),
        "customer": f"{rows.MARK}-{item['order_id']}, Name",
        "dc": item["stock_source_region"],
        "customer_dc": item["sales_region"],
        "promotion": None,
        "po_number": None if item["stock_source_region"] else f"PO{item['order_id']}",
        "success_fee": item["success_fee"],
        "fulfillment_fee": item["fulfillment_fee"],
        "courier_collection_fee": item["courier_collection_fee"],
        "auto_ibt_fee": item["stock_transfer_fee"],
        "total_fee": item["total_fees"],
    }


def _offer(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("tsin_id", "offer_id", "sku", "barcode", "selling_price", "title")
    own = row["seller_warehouse_stock"]
    theirs = row["takealot_warehouse_stock"]
    return {
        **{name: row[name] for name in kept},
        "rrp": row["rrp"] or 0,
        "status": row["status"].replace("_", " ").title().replace(" By ", " by "),
        "date_created": _time(row["created_at"]),
        "offer_url": f"https://www.takealot.example/x/PLID{row['productline_id']}",
        "leadtime_days": 3,
        "leadtime_stock": [
            {
                "merchant_warehouse": {"warehouse_id": stock["seller_warehouse_id"], "name": "My warehouse"},
                "quantity_available": stock["quantity_available"],
            }
            for stock in own
        ],
        "stock_at_takealot": [_stock(stock["region"], stock["quantity_available"]) for stock in theirs],
        "stock_on_way": [_stock(stock["region"], stock["stock_on_way"]) for stock in theirs],
        "stock_at_takealot_total": sum(stock["quantity_available"] for stock in theirs),
    }


def _stock(region: str, quantity: int) -> dict[str, Any]:
    warehouse = {"warehouse_id": _WAREHOUSES[region], "name": region}
    return {"warehouse": warehouse, "quantity_available": quantity}


def _time(text: str) -> str:
    moment = datetime.fromisoformat(text).astimezone(UTC).astimezone(rows.SAST)
    return moment.strftime("%d %b %Y %H:%M:%S")
