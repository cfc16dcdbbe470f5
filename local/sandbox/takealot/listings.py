"""Pages of Takealot's Marketplace API v1: order items of a range of days, and offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from local.sandbox.account import Account
from local.sandbox.catalogue import DAY, mix
from local.sandbox.http import Request
from local.sandbox.takealot import rows
from local.sandbox.takealot.query import (
    LARGEST_SALES_PAGE,
    Refused,
    day,
    new_token,
    page_size,
    read_token,
)

#: The encoded days are dropped when they hold more order items than this.
_KEPT_ITEMS = 200_000
_days: dict[tuple[int, int, int], list[msgspec.Raw]] = {}


def sales(account: Account, request: Request) -> dict[str, Any]:
    """`GET /v1/sales`. Sales of one day come in no useful order.

    Raises:
        Refused: A parameter is not valid.
    """
    limit, token = page_size(request, LARGEST_SALES_PAGE), read_token(request, 4)
    since, until = request.one("order_date__gte"), request.one("order_date__lte")
    first, last = day(since, 0), day(until, 1 << 20)
    at, offset = first, 0
    if token:
        if (since or until) and (token[2], token[3]) != (first, last):
            raise Refused(400, "continuation_token belongs to another query")
        at, offset, first, last = token
    days = days_of(account)
    at, last_day = max(at, days.start), min(last, days.stop - 1)
    items: list[dict[str, Any] | msgspec.Raw] = []
    following: list[int] | None = None
    while at <= last_day:
        of_day = items_of(account, at)[offset:]
        room = limit - len(items)
        items += of_day[:room]
        if len(of_day) > room:
            following = [at, offset + room, first, last]
            break
        at, offset = at + 1, 0
    if request.malformed:
        items.insert(len(items) // 2, {"order_item_id": 999_000_111, "sale_status": None})
    envelope = _envelope(account, items, following) | {"limit": limit}
    if request.one("include_count").lower() == "true":
        counted = range(max(first, days.start), last_day + 1)
        envelope["count"] = sum(len(items_of(account, number)) for number in counted)
    return envelope


def offers(account: Account, request: Request) -> dict[str, Any]:
    """`GET /v1/offers`.

    Raises:
        Refused: A parameter is not valid.
    """
    limit, token = page_size(request), read_token(request, 1)
    expands = request.query.get("expands", [])
    listed = list(account.listed())
    offset = token[0] if token else 0
    items = [rows.offer(account, index, expands) for index in listed[offset : offset + limit]]
    following = [offset + limit] if offset + limit < len(listed) else None
    if request.malformed:
        items.insert(len(items) // 2, {"offer_id": 999_000_111, "sku": 5})
    envelope = _envelope(account, items, following) | {"limit": limit}
    if request.one("include_count").lower() == "true":
        envelope["count"] = len(listed)
    return envelope


def days_of(account: Account) -> range:
    """Days since 1970 from the account's first sale to its last; a day more at each end."""
    if not account.sales:
        return range(0)
    return range(account.sale(0).created // DAY - 1, account.sale(account.sales - 1).created // DAY + 2)


def items_of(account: Account, at: int) -> list[msgspec.Raw]:
    """The encoded order items of a South African calendar day, in no useful order."""
    key = (account.serial, account.changes, at)
    if key not in _days:
        start = at * DAY - 2 * 3600
        found = [
            rows.order_item(account, sale, number, line)
            for sale in map(account.sale, account.sales_created(start, start + DAY))
            for number, line in enumerate(sale.lines)
        ]
        found.sort(key=lambda row: mix(row["order_item_id"]))
        # Counting all kept items is expensive, so it is done only now and then.
        if len(_days) % 64 == 0 and sum(map(len, _days.values())) > _KEPT_ITEMS:
            _days.clear()
        _days[key] = [msgspec.Raw(msgspec.json.encode(row)) for row in found]
    return _days[key]


def _envelope(
    account: Account, items: Sequence[dict[str, Any] | msgspec.Raw], following: list[int] | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"items": items}
    if following:
        body["continuation_token"] = new_token(following)
    elif account.number % 2 == 0:
        body["continuation_token"] = ""
    return body
