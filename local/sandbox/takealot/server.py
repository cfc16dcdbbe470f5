"""Takealot's sandbox: Marketplace API v1, and the older Seller API v2 (see `takealot_v2`).

In v1 account i has the key `sandbox-key-{i}`.

An item is an offer, a line of a sale an order item. Amounts are whole rand; those of real data in
other currencies are taken at 20 rand a unit. Sales of one day come in no useful order. A list of an
account with an even number ends with a blank token, of another one without a token.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Line, Sale, State, mix
from local.sandbox.distort import Shape
from local.sandbox.http import Reply, Request
from local.sandbox.takealot import v2

_SAST = timezone(timedelta(hours=2))
_DAY = 86_400
_EPOCH = date(1970, 1, 1)
_STATES: dict[State, tuple[str, str]] = {
    "unpaid": ("pending_payment", "pending"),
    "open": ("Preparing for Customer", "open"),
    "partly_shipped": ("shipped_to_customer", "fulfilled"),
    "shipped": ("Shipped to Customer", "fulfilled"),
    "cancelled": ("cancelled_by_customer", "cancelled"),
    "refunded": ("refunded", "refunded"),
    "returned": ("Returned", "returned"),
}
_OFFERS = {"active": "buyable", "draft": "not_buyable", "archived": "disabled_by_seller"}
_REGIONS = ("JHB", "CPT")
_LARGEST = 1000
#: Days that are kept encoded, until they hold more order items than this.
_KEPT_ITEMS = 200_000
_days: dict[tuple[int, int, int], list[msgspec.Raw]] = {}


class _Refused(Exception):
    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.reply = Reply.json(status, {"errors": [{"status": status, "title": title}]})


class Takealot:
    """Answers for all sellers; see the module."""

    shape = Shape(
        records=lambda answer: next(
            (answer[name] for name in ("items", "sales", "offers") if name in answer), None
        ),
        paging=frozenset({"continuation_token", "page_number", "page_size"}),
        words=frozenset({"status", "sale_status"}),
        optional=frozenset(
            {"tsin_id", "sku", "barcode", "title", "product_title", "rrp", "created_at", "updated_at"}
        ),
    )

    def __init__(self, accounts: list[Account], small_buckets: bool) -> None:
        self._accounts = accounts
        self._limit, self._window = (5, 1.0) if small_buckets else (1_000_000, 60.0)
        #: Calls in the running window, and its end, by account.
        self._used = [(0, 0.0) for _ in accounts]

    def answer(self, request: Request) -> Reply:
        """Check key and limit, then answer."""
        is_v2 = request.path.startswith("/v2/")
        if is_v2:
            key = re.fullmatch(r"Key sandbox-v2-key-(\d+)", request.headers.get("authorization", ""))
        else:
            key = re.fullmatch(r"sandbox-key-(\d+)", request.headers.get("x-api-key", ""))
        if not key or int(key[1]) >= len(self._accounts):
            title = "Invalid API key"
            errors = [{"status": 401, "title": title}]
            return Reply.json(401, {"message": title} if is_v2 else {"errors": errors})
        account = self._accounts[int(key[1])]
        headers = self._count(account)
        if int(headers["x-RateLimit-Remaining"]) < 0:
            headers["x-RateLimit-Remaining"] = "0"
            return Reply.json(429, {"message": "Too Many Requests"}, headers)
        try:
            match request.method, request.path:
                case "GET", "/v1/seller":
                    body = {
                        "seller_id": 29_840_000 + account.number,
                        "display_name": f"Sandbox {account.number}",
                    }
                    return Reply.json(200, body, headers)
                case "GET", "/v1/sales":
                    return Reply.json(200, _sales(account, request), headers)
                case "GET", "/v1/offers":
                    return Reply.json(200, _offers(account, request), headers)
                case "GET", "/v2/sales":
                    today = int(time.time() + 2 * 3600) // _DAY
                    listing = v2.sales(request, lambda day: _items_of(account, day), today, _days_of(account))
                    return Reply.json(200, listing, headers)
                case "GET", "/v2/offers":
                    expands = ["seller_warehouse_stock", "takealot_warehouse_stock"]
                    offers = [_offer(account, index, expands) for index in account.listed()]
                    return Reply.json(200, v2.offers(request, offers), headers)
        except _Refused as refused:
            return refused.reply
        except v2.Refused as refused:
            return Reply.json(400, {"message": str(refused)}, headers)
        return Reply.json(404, {"message": "Not Found"}, headers)

    def _count(self, account: Account) -> dict[str, str]:
        used, end = self._used[account.number]
        now = time.monotonic()
        if now >= end:
            used, end = 0, now + self._window
        self._used[account.number] = (used + 1, end)
        return {
            "x-RateLimit-Limit": str(self._limit),
            "x-RateLimit-Remaining": str(self._limit - used - 1),
            "x-RateLimit-Reset": f"{end - now:.3f}",
        }

    def truth(self, account: Account) -> Iterator[dict[str, Any]]:
        """All orders, offers and stock levels of a seller."""
        for index in range(account.sales):
            sale = account.sale(index)
            total = sum(_rand(account, line.price * line.quantity) for line in sale.lines)
            yield {
                "stream": "orders",
                "id": str(sale.id),
                "number": str(sale.id),
                "status": _STATES[sale.state][1],
                "total": {"amount": f"{total}.00", "currency": "ZAR"},
                "quantities": [line.quantity for line in sale.lines],
            }
        for index in account.listed():
            item = account.item(index)
            yield {
                "stream": "products",
                "id": str(item.id),
                "title": item.title,
                "status": "active" if item.status == "active" else "inactive",
                "skus": [item.sku or None],
                "price": {"amount": f"{_rand(account, item.price)}.00", "currency": "ZAR"},
            }
            for place in range(1 + len(_REGIONS)):
                if _holds(index, place):
                    yield {
                        "stream": "inventory",
                        "id": self.stock_id(account, index, place),
                        "available": account.stock(index, 0, place)[0],
                    }

    def stock_id(self, account: Account, index: int, place: int) -> str:
        """Offer and warehouse or region."""
        location = _REGIONS[place - 1] if place else str(_warehouse(account))
        return f"{account.item(index).id}@{location}"


def _sales(account: Account, request: Request) -> dict[str, Any]:
    limit, token = _limit(request), _token(request, 4)
    since, until = request.one("order_date__gte"), request.one("order_date__lte")
    first, last = _day(since, 0), _day(until, 1 << 20)
    offset = 0
    if token:
        if (since or until) and (token[2], token[3]) != (first, last):
            raise _Refused(400, "continuation_token belongs to another query")
        day, offset, first, last = token
    else:
        day = first
    days = _days_of(account)
    day, last_day = max(day, days.start), min(last, days.stop - 1)
    items: list[dict[str, Any] | msgspec.Raw] = []
    following: list[int] | None = None
    while day <= last_day:
        of_day = _items_of(account, day)[offset:]
        room = limit - len(items)
        items += of_day[:room]
        if len(of_day) > room:
            following = [day, offset + room, first, last]
            break
        day, offset = day + 1, 0
    if request.malformed:
        items.insert(len(items) // 2, {"order_item_id": 999_000_111, "sale_status": None})
    return _envelope(account, items, following) | {"limit": limit}


def _days_of(account: Account) -> range:
    """The days that have sales, and perhaps some beside them."""
    if not account.sales:
        return range(0)
    return range(account.sale(0).created // _DAY - 1, account.sale(account.sales - 1).created // _DAY + 2)


def _items_of(account: Account, day: int) -> list[msgspec.Raw]:
    """The order items of a South African calendar day, in no useful order."""
    key = (account.serial, account.changes, day)
    if key not in _days:
        start = day * _DAY - 2 * 3600
        found = [
            _order_item(account, sale, number, line)
            for sale in map(account.sale, account.sales_created(start, start + _DAY))
            for number, line in enumerate(sale.lines)
        ]
        found.sort(key=lambda row: mix(row["order_item_id"]))
        # Counting them all costs something: now and then is enough.
        if len(_days) % 64 == 0 and sum(map(len, _days.values())) > _KEPT_ITEMS:
            _days.clear()
        _days[key] = [msgspec.Raw(msgspec.json.encode(row)) for row in found]
    return _days[key]


def _offers(account: Account, request: Request) -> dict[str, Any]:
    limit, token = _limit(request), _token(request, 1)
    expands = request.query.get("expands", [])
    listed = list(account.listed())
    offset = token[0] if token else 0
    items = [_offer(account, index, expands) for index in listed[offset : offset + limit]]
    following = [offset + limit] if offset + limit < len(listed) else None
    if request.malformed:
        items.insert(len(items) // 2, {"offer_id": 999_000_111, "sku": 5})
    envelope = _envelope(account, items, following) | {"limit": limit}
    if request.one("include_count").lower() == "true":
        envelope["count"] = len(listed)
    return envelope


def _envelope(
    account: Account, items: Sequence[dict[str, Any] | msgspec.Raw], following: list[int] | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"items": items}
    if following:
        body["continuation_token"] = base64.b64encode(msgspec.json.encode(following)).decode()
    elif account.number % 2 == 0:
        body["continuation_token"] = ""
    return body


def _limit(request: Request) -> int:
    limit = request.one("limit", "100")
    if not limit.isdigit() or not 1 <= int(limit) <= _LARGEST:
        raise _Refused(400, f"limit takes 1 to {_LARGEST}")
    return int(limit)


def _token(request: Request, length: int) -> list[int] | None:
    text = request.one("continuation_token")
    if not text:
        return None
    try:
        token = msgspec.json.decode(base64.b64decode(text), type=list[int])
    except (msgspec.DecodeError, ValueError):
        token = []
    if len(token) != length or request.expired_token:
        raise _Refused(400, "continuation_token is not valid")
    return token


def _day(text: str, default: int) -> int:
    """Days since 1970 of a calendar date."""
    if not text:
        return default
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise _Refused(400, "order_date takes YYYY-MM-DD") from None


def _order_item(account: Account, sale: Sale, number: int, line: Line) -> dict[str, Any]:
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
        "selling_price": _rand(account, line.price * line.quantity),
        "quantity": line.quantity,
        "success_fee": 41.4,
        "fulfillment_fee": 25.0,
        "courier_collection_fee": 0,
        "stock_transfer_fee": 0,
        "total_fees": 66.4,
        "sales_region": "JHB",
        "stock_source_region": "CPT",
    }


def _offer(account: Account, index: int, expands: list[str]) -> dict[str, Any]:
    item: Item = account.item(index)
    offer: dict[str, Any] = {
        "offer_id": item.id,
        "tsin_id": item.id + 7,
        "sku": item.sku,
        "barcode": item.barcode,
        "product_label": item.title,
        "title": item.title,
        "selling_price": _rand(account, item.price),
        "rrp": None if item.list_price is None else _rand(account, item.list_price),
        "minimum_leadtime_days": 3,
        "status": _OFFERS[item.status],
        "created_at": _local(item.created),
        "updated_at": _local(item.updated),
    }
    if "seller_warehouse_stock" in expands:
        quantity = account.stock(index, 0, 0)[0]
        offer["seller_warehouse_stock"] = [
            {"seller_warehouse_id": _warehouse(account), "quantity_available": quantity}
        ]
    if "takealot_warehouse_stock" in expands:
        offer["takealot_warehouse_stock"] = [
            {
                "region": region,
                "quantity_available": account.stock(index, 0, place)[0],
                "stock_on_way": index % 4,
                "stock_in_receiving": index % 2,
            }
            for place, region in enumerate(_REGIONS, 1)
            if _holds(index, place)
        ]
    return offer


def _holds(index: int, place: int) -> bool:
    return place < len(_REGIONS) or index % 3 > 0


def _warehouse(account: Account) -> int:
    return 28_676 + account.number


def _rand(account: Account, cents: int) -> int:
    return cents // 100 if account.currency == "ZAR" else round(cents / 5)


def _local(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(_SAST).isoformat()
