"""Amazon's sandbox: Selling Partner API and the token endpoint.

Account i is the seller `ASANDBOX{i}` of region `eu`, who sells in `AE08WJ6YKNBMC` and every fifth item in
`A1F83G8C2ARO7P`. It takes `client_id` `amzn1.application-oa2-client.sandbox-{i}`, `client_secret`
`amzn1.oa2-cs.v1.sandbox-{i}` and the refresh token `Atzr|sandbox-{i}`.

Rows of a page of orders come in no useful order. A quantity that changes does not move a listing's
modification time. Every second item lies with Amazon, the others with the seller.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from local.sandbox.account import Account
from local.sandbox.amazon import rows
from local.sandbox.amazon.listings import Listings
from local.sandbox.amazon.query import InvalidInput, Refused, csv, instant, made, number, opened
from local.sandbox.catalogue import mix
from local.sandbox.distort import Shape
from local.sandbox.http import Reply, Request

_TOKEN_S = 3600
#: Calls a second and at once: far off, and soon reached.
_LARGE = (1_000_000.0, 1_000_000.0)
_SMALL = {
    "orders": (0.05, 3.0),
    "listings": (5.0, 2.0),
    "fba": (2.0, 1.0),
    "reports": (0.1, 2.0),
    "sellers": (0.1, 2.0),
}
_INCLUDED = frozenset(
    {
        *("BUYER", "RECIPIENT", "PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT"),
        *("PACKAGES", "TAX", "PAYMENT", "FULFILLMENT_ORDERS"),
    }
)
#: An upper bound is at least so old, a page token at most: seconds.
_SETTLED_S, _ORDERS_TOKEN_S, _FBA_TOKEN_S = 120, 86_400.0, 30.0
_FREE = ("maxResultsPerPage", "includedData")
_FBA_PAGE = 50


@dataclass(slots=True)
class _Bucket:
    """Calls that may be made, by the real clock."""

    per_second: float
    size: float
    left: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.left, self.at = self.size, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self.left = min(self.size, self.left + (now - self.at) * self.per_second)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def _records(answer: Any) -> list[Any] | None:
    payload = answer.get("payload")
    found: list[Any] | None = answer.get("orders") or answer.get("items")
    return payload.get("inventorySummaries") if isinstance(payload, dict) else found


class Amazon:
    """Answers for all sellers; see the module."""

    shape = Shape(
        records=_records,
        paging=frozenset({"paginationToken", "pageToken", "nextToken"}),
        words=frozenset({"fulfillmentStatus", "fulfilledBy", "channelName", "conditionType", "condition"}),
        optional=frozenset(
            {
                *("marketplaceName", "proceeds", "fulfillment", "title", "asin", "price", "summaries"),
                *("offers", "productName", "totalQuantity", "reservedQuantity", "buyer", "recipient"),
            }
        ),
        order_id=rows.order_id,
        product_id=rows.product_id,
    )

    def __init__(self, accounts: list[Account], small_buckets: bool) -> None:
        self._accounts = accounts
        self._small = small_buckets
        self._buckets: dict[tuple[int, str], _Bucket] = {}
        self._listings = [Listings(account) for account in accounts]
        #: Access tokens: whose, and until when.
        self._tokens: dict[str, tuple[int, float]] = {}
        self._answers = 0

    def answer(self, request: Request) -> Reply:
        """Answer a call of any host."""
        self._answers += 1
        try:
            reply = self._answer(request)
        except Refused as refused:
            reply = refused.reply
        headers = {**reply.headers, "x-amzn-RequestId": f"sandbox-{self._answers:08d}"}
        return replace(reply, headers=headers)

    def _answer(self, request: Request) -> Reply:
        if request.method == "POST" and request.path == "/auth/o2/token":
            return self._grant(request)
        if document := re.fullmatch(r"/%2FNinetyDays/(.+)", request.path):
            owner = int(request.one("X-Amz-Signature").rpartition("+")[2] or 0)
            return self._listings[owner].download(request, document[1])
        account = self._authenticated(request)
        operation, body, status = self._routed(request, account)
        bucket = self._bucket(account, operation)
        if not bucket.take():
            message = "You exceeded your quota for the requested resource."
            raise Refused(429, "QuotaExceeded", message)
        return Reply.json(status, body(), {"x-amzn-RateLimit-Limit": str(bucket.per_second)})

    def _routed(self, request: Request, account: Account) -> tuple[str, Callable[[], Any], int]:
        """Whose limit the call counts against, what answers it, and the status of a good answer."""
        listings = self._listings[account.number]
        match request.method, request.path.split("/")[1:]:
            case "GET", ["orders", "2026-01-01", "orders"]:
                return "orders", lambda: _orders(account, request), 200
            case "GET", ["fba", "inventory", "v1", "summaries"]:
                return "fba", lambda: _summaries(account, request), 200
            case "GET", ["sellers", "v1", "marketplaceParticipations"]:
                return "sellers", lambda: _participations(account), 200
            case "GET", ["listings", "2021-08-01", "items", seller, *sku]:
                if seller != _seller(account) or len(sku) > 1:
                    raise _unauthorized("")
                if sku:
                    return "listings", lambda: listings.one(request, sku[0]), 200
                return "listings", lambda: listings.search(request), 200
            case "POST", ["reports", "2021-06-30", "reports"]:
                return "reports", lambda: listings.create_report(request), 202
            case "GET", ["reports", "2021-06-30", "reports", report_id]:
                return "reports", lambda: listings.report(report_id), 200
            case "GET", ["reports", "2021-06-30", "documents", document_id]:
                return "reports", lambda: listings.document(document_id), 200
        raise Refused(404, "NotFound", "The requested resource doesn't exist.")

    def _bucket(self, account: Account, operation: str) -> _Bucket:
        key = (account.number, operation)
        if key not in self._buckets:
            self._buckets[key] = _Bucket(*(_SMALL[operation] if self._small else _LARGE))
        return self._buckets[key]

    def _authenticated(self, request: Request) -> Account:
        token = request.headers.get("x-amz-access-token", "")
        if not token:
            raise _unauthorized("Access token is missing in the request header.")
        number, until = self._tokens.get(token, (-1, 0.0))
        if number < 0:
            raise _unauthorized("The access token you provided is revoked, malformed or invalid.")
        if until < time.monotonic() or request.expired_access:
            raise _unauthorized("The access token you provided has expired.")
        return self._accounts[number]

    def _grant(self, request: Request) -> Reply:
        form = dict(parse_qsl(request.body.decode()))
        client = re.fullmatch(r"amzn1\.application-oa2-client\.sandbox-(\d{1,6})", form.get("client_id", ""))
        number = int(client[1]) if client else -1
        if not 0 <= number < len(self._accounts) or (
            form.get("client_secret") != f"amzn1.oa2-cs.v1.sandbox-{number}"
        ):
            return _refused_grant(401, "invalid_client", "Client authentication failed")
        if form.get("grant_type") != "refresh_token":
            return _refused_grant(400, "unsupported_grant_type", "The grant type is not supported")
        refresh = f"Atzr|sandbox-{number}"
        if form.get("refresh_token") != refresh:
            return _refused_grant(400, "invalid_grant", "The request has an invalid grant parameter")
        access = f"Atza|issued-{number}-{self._answers}"
        self._tokens[access] = (number, time.monotonic() + _TOKEN_S)
        granted = {"access_token": access, "refresh_token": refresh, "token_type": "bearer"}
        return Reply.json(200, {**granted, "expires_in": _TOKEN_S})

    def truth(self, account: Account) -> Iterator[dict[str, Any]]:
        """All orders, listings and stock levels of a seller."""
        return rows.truth(account)

    def stock_id(self, account: Account, index: int, place: int) -> str:  # noqa: ARG002 - an item lies at one
        """Listing and channel."""
        return rows.stock_id(account.item(index))


def _orders(account: Account, request: Request) -> dict[str, Any]:
    """`searchOrders`."""
    since, until = instant(request, "lastUpdatedAfter"), instant(request, "lastUpdatedBefore")
    if since is None:
        raise InvalidInput("provide exactly one of createdAfter and lastUpdatedAfter")
    now = int(time.time())
    if until is not None and (until < since or until > now - _SETTLED_S):
        raise InvalidInput("lastUpdatedBefore is before lastUpdatedAfter, or not two minutes ago")
    places = csv(request, "marketplaceIds", rows.MARKETPLACES) or list(rows.MARKETPLACES)
    included = csv(request, "includedData", _INCLUDED)
    size = number(request, "maxResultsPerPage", 100, 100)
    place = opened(request, "paginationToken", _FREE, 2, _ORDERS_TOKEN_S) or [since, 0]
    last = min(now - _SETTLED_S if until is None else until, now - int(request.late_s))
    found: list[tuple[int, int]] = []
    following = None
    for updated, index in account.sales_from(place[0], place[1]):
        if updated > last:
            break
        if rows.marketplace(account.sale(index).id) not in places:
            continue
        if len(found) == size:
            following = [updated, index]
            break
        found.append((updated, index))
    found.sort(key=lambda pair: mix(pair[1]))
    orders = [rows.order(account, account.sale(index), included) for _, index in found]
    if request.malformed:
        orders.insert(len(orders) // 2, {"orderId": "999-0000000-0000111", "orderItems": None})
    answer: dict[str, Any] = {"orders": orders, "lastUpdatedBefore": rows.iso(last)}
    if following:
        answer["pagination"] = {"nextToken": made(request, "paginationToken", _FREE, following)}
    return answer


def _summaries(account: Account, request: Request) -> dict[str, Any]:
    """`getInventorySummaries`; its token dies soon."""
    places = csv(request, "marketplaceIds", rows.MARKETPLACES)
    if len(places) != 1 or request.one("granularityType") != "Marketplace":
        raise InvalidInput("granularityType and marketplaceIds take one marketplace")
    if request.one("granularityId") != places[0]:
        raise InvalidInput("granularityId is not the marketplace")
    first = (opened(request, "nextToken", (), 1, _FBA_TOKEN_S) or [0])[0]
    held = [
        item
        for item in map(account.item, account.listed(first))
        if rows.lies_with_amazon(item) and rows.marketplace(item.id) == places[0]
    ]
    found = [rows.summary(account, item) for item in held[:_FBA_PAGE]]
    if request.malformed:
        broken = {"sellerSku": "SKU-MALFORMED", "fnSku": "X999000111", "inventoryDetails": None}
        found.insert(len(found) // 2, broken)
    granularity = {"granularityType": "Marketplace", "granularityId": places[0]}
    answer: dict[str, Any] = {"payload": {"granularity": granularity, "inventorySummaries": found}}
    if len(held) > _FBA_PAGE:
        index = held[_FBA_PAGE].id - account.item(0).id
        answer["pagination"] = {"nextToken": made(request, "nextToken", (), [index])}
    return answer


def _participations(account: Account) -> dict[str, Any]:
    """`getMarketplaceParticipations`."""
    return {
        "payload": [
            {
                "marketplace": {"id": place, "name": name, "countryCode": name.rpartition(".")[2].upper()},
                "participation": {"isParticipating": True, "hasSuspendedListings": False},
                "storeName": f"Sandbox {account.number}",
            }
            for place, name in rows.MARKETPLACES.items()
        ]
    }


def _seller(account: Account) -> str:
    return f"ASANDBOX{account.number}"


def _unauthorized(details: str) -> Refused:
    return Refused(403, "Unauthorized", "Access to requested resource is denied.", details)


def _refused_grant(status: int, error: str, description: str) -> Reply:
    return Reply.json(status, {"error": error, "error_description": description})
