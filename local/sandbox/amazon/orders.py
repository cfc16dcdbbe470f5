"""Orders of Amazon's sandbox: `searchOrders`. The rows of a page come in no useful order."""

from __future__ import annotations

import time
from typing import Any

from local.sandbox.account import Account
from local.sandbox.amazon import order_rows
from local.sandbox.amazon.fields import MARKETPLACES, marketplace
from local.sandbox.amazon.query import InvalidInput, csv, instant, new_token, number, read_token
from local.sandbox.catalogue import iso, mix
from local.sandbox.http import Request

_INCLUDED = frozenset(
    {
        *("BUYER", "RECIPIENT", "PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT"),
        *("PACKAGES", "TAX", "PAYMENT", "FULFILLMENT_ORDERS"),
    }
)
#: An upper bound must be at least this many seconds old.
_SETTLED_S = 120
_TOKEN_S = 86_400.0
_FREE = ("maxResultsPerPage", "includedData")


def search(account: Account, request: Request) -> dict[str, Any]:
    """`searchOrders`.

    Raises:
        InvalidInput: A parameter is missing or wrong.
    """
    since, until = instant(request, "lastUpdatedAfter"), instant(request, "lastUpdatedBefore")
    if since is None:
        raise InvalidInput("provide exactly one of createdAfter and lastUpdatedAfter")
    settled = int(time.time()) - _SETTLED_S
    if until is not None and (until < since or until > settled):
        raise InvalidInput("lastUpdatedBefore is before lastUpdatedAfter, or not two minutes ago")
    places = csv(request, "marketplaceIds", MARKETPLACES) or list(MARKETPLACES)
    included = csv(request, "includedData", _INCLUDED)
    size = number(request, "maxResultsPerPage", 100, 100)
    place = read_token(request, "paginationToken", _FREE, 2, _TOKEN_S) or [since, 0]
    last = min(settled if until is None else until, request.newest)
    found: list[tuple[int, int]] = []
    following = None
    for updated, index in account.sales_from(place[0], place[1]):
        if updated > last:
            break
        if marketplace(account.sale(index).id) not in places:
            continue
        if len(found) == size:
            following = [updated, index]
            break
        found.append((updated, index))
    found.sort(key=lambda pair: mix(pair[1]))
    orders = [order_rows.order(account, account.sale(index), included) for _, index in found]
    if request.malformed:
        orders.insert(len(orders) // 2, {"orderId": "999-0000000-0000111", "orderItems": None})
    answer: dict[str, Any] = {"orders": orders, "lastUpdatedBefore": iso(last)}
    if following:
        answer["pagination"] = {"nextToken": new_token(request, "paginationToken", _FREE, following)}
    return answer
