"""eBay's sandbox: Fulfillment and Inventory v1, and the token endpoint.

All sellers have come through one application: `client_id` `sandbox-app`, `client_secret`
`sandbox-cert`. Account i has the refresh token `sandbox-refresh-{i}`. The day's calls are the
application's, for each API.

An item is an inventory item with one offer. Sales that are not paid are not orders here. Orders
come in no useful order. What eBay refuses as a date in the future begins a day after the data's end,
so that data may be given that lies ahead of this machine's clock.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from local.sandbox.account import Account
from local.sandbox.catalogue import mix
from local.sandbox.distort import Shape
from local.sandbox.ebay import rows
from local.sandbox.http import Reply, Request

_DAY = 86_400
#: Midnight Pacific, after midnight UTC.
_DAY_BEGINS = 8 * 3_600
_TOKEN_S = 7_200
_BASIC = "Basic " + base64.b64encode(b"sandbox-app:sandbox-cert").decode()
_FULFILLMENT, _INVENTORY = "/sell/fulfillment/v1/", "/sell/inventory/v1/"
_MOST_ORDERS, _MOST_ITEMS = 200, 200
_FILTERS = {"creationdate", "lastmodifieddate", "orderfulfillmentstatus"}
_LANGUAGE = re.compile(r"[a-z]{2}-[A-Z]{2}")


class _Refused(Exception):
    def __init__(self, status: int, error_id: int, domain: str, message: str) -> None:
        super().__init__(message)
        error = {"errorId": error_id, "domain": domain, "category": "REQUEST", "message": message}
        self.reply = Reply.json(status, {"errors": [{**error, "longMessage": message}]})


class Ebay:
    """Answers for all sellers; see the module."""

    shape = Shape(
        order_id=rows.order_id,
        product_id=lambda item: item.sku,
        records=lambda answer: next(
            (answer[name] for name in ("orders", "inventoryItems", "offers") if name in answer), None
        ),
        paging=frozenset({"limit", "offset"}),
        words=frozenset(
            {
                *("orderFulfillmentStatus", "orderPaymentStatus", "cancelState", "lineItemFulfillmentStatus"),
                *("status", "listingStatus", "format", "condition", "availabilityType"),
            }
        ),
        optional=frozenset(
            {
                *("cancelStatus", "paymentSummary", "buyer", "fulfillmentStartInstructions", "legacyItemId"),
                *("pricingSummary", "lineItemCost", "discountedLineItemCost", "product", "listing"),
            }
        ),
    )

    def __init__(self, accounts: list[Account], small_buckets: bool) -> None:
        self._accounts = accounts
        self._quota = 100 if small_buckets else 10_000_000
        #: Calls of the running day, by API and day.
        self._used: dict[tuple[str, int], int] = {}
        #: Access tokens: whose, and until when.
        self._tokens: dict[str, tuple[int, float]] = {}

    def answer(self, request: Request) -> Reply:
        """Check token and quota, then answer."""
        if (request.method, request.path) == ("POST", "/identity/v1/oauth2/token"):
            return self._token(request)
        try:
            account = self._accounts[self._caller(request)]
            self._count("fulfillment" if request.path.startswith(_FULFILLMENT) else "inventory")
            if request.path.startswith(_INVENTORY):
                _require_language(request)
            match request.method, request.path:
                case "GET", "/sell/fulfillment/v1/order":
                    return Reply.json(200, _orders(account, request))
                case "GET", "/sell/inventory/v1/inventory_item":
                    return Reply.json(200, _items(account, request))
                case "GET", "/sell/inventory/v1/offer":
                    return Reply.json(200, _offers(account, request))
            raise _Refused(404, 2002, "ACCESS", "Resource not found")
        except _Refused as refused:
            return refused.reply

    def _token(self, request: Request) -> Reply:
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        if request.headers.get("authorization") != _BASIC:
            answer = {"error": "invalid_client", "error_description": "client authentication failed"}
            return Reply.json(401, answer)
        if form.get("grant_type") != "refresh_token":
            return Reply.json(400, {"error": "unsupported_grant_type", "error_description": "not supported"})
        found = re.fullmatch(r"sandbox-refresh-(\d+)", form.get("refresh_token", ""))
        if not found or int(found[1]) >= len(self._accounts):
            description = (
                "the provided authorization refresh token is invalid or was issued to another client"
            )
            return Reply.json(400, {"error": "invalid_grant", "error_description": description})
        token = f"v^1.1#i^1#sandbox#{found[1]}#{len(self._tokens)}"
        self._tokens[token] = (int(found[1]), time.time() + _TOKEN_S)
        granted = {"access_token": token, "expires_in": _TOKEN_S, "token_type": "User Access Token"}
        return Reply.json(200, granted)

    def _caller(self, request: Request) -> int:
        number, until = self._tokens.get(
            request.headers.get("authorization", "").removeprefix("Bearer "), (0, 0.0)
        )
        if until < time.time() or request.expired_access:
            raise _Refused(401, 1001, "OAuth", "Invalid access token")
        return number

    def _count(self, api: str) -> None:
        day = int(time.time() - _DAY_BEGINS) // _DAY
        used = self._used[api, day] = self._used.get((api, day), 0) + 1
        if used > self._quota:
            raise _Refused(429, 2001, "ACCESS", "Too many requests.")

    def truth(self, account: Account) -> Iterator[dict[str, Any]]:
        """All orders, inventory items and stock levels of a seller."""
        return rows.truth(account)

    def stock_id(self, account: Account, index: int, place: int) -> str:
        """SKU and location."""
        return rows.stock_id(account, index, place)


def _require_language(request: Request) -> None:
    if not _LANGUAGE.fullmatch(request.headers.get("accept-language", "")):
        raise _Refused(400, 25_709, "API_INVENTORY", "Invalid value for header Accept-Language.")


def _orders(account: Account, request: Request) -> dict[str, Any]:
    limit = _number(request, "limit", 50, range(1, _MOST_ORDERS + 1), 31_100)
    offset = _number(request, "offset", 0, range(1 << 40), 31_000)
    found = [sale for index in _chosen(account, request) if rows.is_order(sale := account.sale(index))]
    found.sort(key=lambda sale: mix(sale.id))
    page: list[dict[str, Any]] = [rows.order(account, sale) for sale in found[offset : offset + limit]]
    if request.malformed:
        page.insert(len(page) // 2, {"orderId": "99-00001-11111", "lineItems": 5})
    href = f"https://api.ebay.com{_FULFILLMENT}order?limit={limit}&offset="
    answer: dict[str, Any] = {
        "href": f"{href}{offset}",
        "total": len(found),
        "limit": limit,
        "offset": offset,
    }
    if offset + limit < len(found):
        answer["next"] = f"{href}{offset + limit}"
    return {**answer, "orders": page}


def _chosen(account: Account, request: Request) -> list[int]:
    """Indices of the sales that the filter names; of the last 90 days where there is none."""
    now = time.time()
    latest = now - request.late_s if request.late_s else float("inf")
    filters: dict[str, str] = {}
    for name, value in re.findall(r"(\w+):(\[[^\]]*\]|\{[^}]*\})", request.one("filter")):
        if name not in _FILTERS:
            raise _Refused(400, 30_700, "API_FULFILLMENT", f"Invalid filter name: {name}")
        filters[name] = value
    if request.one("filter") and not filters:
        raise _Refused(400, 30_700, "API_FULFILLMENT", "Invalid filter name")
    if "lastmodifieddate" in filters and "creationdate" not in filters:
        first, last = _bounds(account, filters["lastmodifieddate"], now)
        return [index for _, index in _until(account.sales_from(first), min(last, latest))]
    # `creationdate` wins where both are given.
    first, last = _bounds(account, filters.get("creationdate", ""), now)
    return [
        index for index in account.sales_created(first, last + 1) if account.sale(index).updated <= latest
    ]


def _until(pairs: Iterator[tuple[int, int]], last: float) -> Iterator[tuple[int, int]]:
    for updated, index in pairs:
        if updated > last:
            return
        yield updated, index


def _bounds(account: Account, text: str, now: float) -> tuple[int, int]:
    """First and last whole second inside a range such as `[2026-11-23T06:00:00.000Z..]`."""
    if not text:
        return int(now) - 90 * _DAY, int(now)
    start, _, end = text.strip("[]").partition("..")
    if not start:
        raise _Refused(400, 30_820, "API_FULFILLMENT", "Start date is missing")
    first, last = _instant(start), _instant(end) if end else now
    if max(first, last) > max(now, rows.newest(account) + _DAY):
        raise _Refused(400, 30_850, "API_FULFILLMENT", "Start and end dates can't be in the future")
    if first > last:
        raise _Refused(400, 30_840, "API_FULFILLMENT", "Start date should be before end date")
    if last - first > 730 * _DAY:
        message = "Time range between start date and end date must be within '2' years."
        raise _Refused(400, 30_830, "API_FULFILLMENT", message)
    return -int(-first // 1), int(last // 1)


def _instant(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _Refused(400, 30_810, "API_FULFILLMENT", "Invalid date format") from None


def _items(account: Account, request: Request) -> dict[str, Any]:
    limit = _number(request, "limit", 25, range(1, _MOST_ITEMS + 1), 25_706)
    # Unlike that of orders, this offset counts pages.
    page = _number(request, "offset", 0, range(1 << 40), 25_706)
    listed = list(account.listed())
    shown: list[dict[str, Any]] = [
        rows.inventory_item(account, index) for index in listed[page * limit : (page + 1) * limit]
    ]
    if request.malformed:
        shown.insert(len(shown) // 2, {"sku": "MALFORMED", "product": 5, "availability": 5})
    href = f"{_INVENTORY}inventory_item?limit={limit}&offset="
    size = -(-len(listed) // limit)
    answer: dict[str, Any] = {"href": f"{href}{page}", "total": len(listed), "size": size, "limit": limit}
    if page + 1 < size:
        answer["next"] = f"{href}{page + 1}"
    return {**answer, "inventoryItems": shown}


def _offers(account: Account, request: Request) -> dict[str, Any]:
    sku = request.one("sku")
    if not sku or len(sku) > 50:
        message = "This is an invalid value for a SKU. Its length must not exceed 50 characters."
        raise _Refused(400, 25_707, "API_INVENTORY", message)
    index = rows.index_of(account, sku)
    if index is None:
        raise _Refused(404, 25_713, "API_INVENTORY", "This Offer is not available.")
    return {"total": 1, "size": 1, "limit": 25, "offers": [rows.offer(account, index)]}


def _number(request: Request, name: str, default: int, allowed: range, error_id: int) -> int:
    text = request.one(name, str(default))
    if not text.isdigit() or int(text) not in allowed:
        domain = "API_FULFILLMENT" if request.path.startswith(_FULFILLMENT) else "API_INVENTORY"
        raise _Refused(400, error_id, domain, f"Invalid {name}: {text}")
    return int(text)
