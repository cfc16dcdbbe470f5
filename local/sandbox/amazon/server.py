"""Amazon's sandbox: Selling Partner API and the token endpoint.

Account i is the seller `ASANDBOX{i}` of region `eu`. The seller sells in `AE08WJ6YKNBMC`, and every fifth
item in `A1F83G8C2ARO7P` instead. The account accepts `client_id` `amzn1.application-oa2-client.sandbox-{i}`,
`client_secret` `amzn1.oa2-cs.v1.sandbox-{i}` and the refresh token `Atzr|sandbox-{i}`. The id of its
application is `amzn1.sp.solution.sandbox-{i}`. The consent page is `/apps/authorize/consent`: see
`local.sandbox.consent`.

A change of a quantity does not change a listing's modification time. Amazon stores every second item, the
seller the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from local.sandbox.account import Account
from local.sandbox.amazon import fields, order_rows, orders, rows, stock
from local.sandbox.amazon.listings import Listings
from local.sandbox.amazon.query import Refused
from local.sandbox.amazon.reports import Reports
from local.sandbox.bucket import Bucket
from local.sandbox.consent import Codes, arrive
from local.sandbox.distort import Shape
from local.sandbox.http import Reply, Request

_TOKEN_S = 3600
#: Calls at once and per second, by operation; those of `_LARGE` are never reached.
_LARGE = (1_000_000.0, 1_000_000.0)
_SMALL = {
    "orders": (3.0, 0.05),
    "listings": (2.0, 5.0),
    "fba": (1.0, 2.0),
    "reports": (2.0, 0.1),
    "sellers": (2.0, 0.1),
}


def _records(answer: Any) -> list[Any] | None:
    payload = answer.get("payload")
    found: list[Any] | None = answer.get("orders") or answer.get("items")
    return payload.get("inventorySummaries") if isinstance(payload, dict) else found


class Amazon:
    """Answers for all sellers; see the module."""

    shape = Shape(
        records=_records,
        paging=frozenset({"paginationToken", "pageToken", "nextToken"}),
        words=frozenset(
            {
                "fulfillmentStatus",
                "detailedStatus",
                "fulfilledBy",
                "channelName",
                "conditionType",
                "condition",
            }
        ),
        optional=frozenset(
            {
                *("marketplaceName", "proceeds", "fulfillment", "title", "asin", "price", "summaries"),
                *("offers", "productName", "totalQuantity", "reservedQuantity", "buyer", "recipient"),
                *("packages", "promotion", "cancellation", "tax", "fulfillmentServiceLevel", "shipByWindow"),
                *("deliverByWindow", "breakdowns", "customization", "associatedOrderItems", "programs"),
                *("attributes", "relationships", "mainImage", "productType", "unfulfillableQuantity"),
                *("researchingQuantity",),
            }
        ),
        order_id=order_rows.order_id,
        product_id=rows.product_id,
    )
    truth = staticmethod(rows.truth)
    stock_id = staticmethod(rows.stock_id)

    def __init__(self, accounts: list[Account], small_buckets: bool) -> None:
        self._accounts = accounts
        self._small = small_buckets
        self._buckets: dict[tuple[int, str], Bucket] = {}
        self._listings = [Listings(account) for account in accounts]
        self._reports = [Reports(account) for account in accounts]
        #: Account and expiry by access token.
        self._tokens: dict[str, tuple[int, float]] = {}
        self._codes = Codes("sandbox-code-")
        self._answers = 0

    def answer(self, request: Request) -> Reply:
        """Answer a call to any of Amazon's hosts."""
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
        if request.method == "GET" and request.path == "/apps/authorize/consent":
            return self._consent(request)
        if document := re.fullmatch(r"/%2FNinetyDays/(.+)", request.path):
            owner = int(request.one("X-Amz-Signature").rpartition("+")[2] or 0)
            return self._reports[owner].download(request, document[1])
        account = self._authenticated(request)
        operation, body, status = self._routed(request, account)
        bucket = self._bucket(account, operation)
        bucket.refill()
        if bucket.available < 1:
            message = "You exceeded your quota for the requested resource."
            raise Refused(429, "QuotaExceeded", message)
        bucket.available -= 1
        return Reply.json(status, body(), {"x-amzn-RateLimit-Limit": str(bucket.per_second)})

    def _routed(self, request: Request, account: Account) -> tuple[str, Callable[[], Any], int]:
        """The operation, which limits apply to; the function that answers; the status of a good answer."""
        listings, reports = self._listings[account.number], self._reports[account.number]
        match request.method, request.path.split("/")[1:]:
            case "GET", ["orders", "2026-01-01", "orders"]:
                return "orders", lambda: orders.search(account, request), 200
            case "GET", ["fba", "inventory", "v1", "summaries"]:
                return "fba", lambda: stock.summaries(account, request), 200
            case "GET", ["sellers", "v1", "marketplaceParticipations"]:
                return "sellers", lambda: _participations(account), 200
            case "GET", ["listings", "2021-08-01", "items", seller, *sku]:
                if seller != _seller(account) or len(sku) > 1:
                    raise _unauthorized("")
                if sku:
                    return "listings", lambda: listings.one(request, sku[0]), 200
                return "listings", lambda: listings.search(request), 200
            case "POST", ["reports", "2021-06-30", "reports"]:
                return "reports", lambda: reports.create(request), 202
            case "GET", ["reports", "2021-06-30", "reports", report_id]:
                return "reports", lambda: reports.report(report_id), 200
            case "GET", ["reports", "2021-06-30", "documents", document_id]:
                return "reports", lambda: reports.document(document_id), 200
        raise Refused(404, "NotFound", "The requested resource doesn't exist.")

    def _bucket(self, account: Account, operation: str) -> Bucket:
        key = (account.number, operation)
        if key not in self._buckets:
            self._buckets[key] = Bucket(*(_SMALL[operation] if self._small else _LARGE))
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
        kind, refresh = form.get("grant_type"), f"Atzr|sandbox-{number}"
        if kind == "authorization_code":
            if self._codes.redeem(form.get("code", ""), str(number)) is None:
                return _refused_grant(400, "invalid_grant", "The request has an invalid grant parameter")
        elif kind != "refresh_token":
            return _refused_grant(400, "unsupported_grant_type", "The grant type is not supported")
        elif form.get("refresh_token") != refresh:
            return _refused_grant(400, "invalid_grant", "The request has an invalid grant parameter")
        access = f"Atza|issued-{number}-{self._answers}"
        self._tokens[access] = (number, time.monotonic() + _TOKEN_S)
        granted = {"access_token": access, "refresh_token": refresh, "token_type": "bearer"}
        return Reply.json(200, {**granted, "expires_in": _TOKEN_S})

    def _consent(self, request: Request) -> Reply:
        application = re.fullmatch(r"amzn1\.sp\.solution\.sandbox-(\d{1,6})", request.one("application_id"))
        number = int(application[1]) if application else -1
        seller = int(request.one("seller", str(number)))
        if not 0 <= number < len(self._accounts) or request.one("version") != "beta":
            return Reply(400, b"MD1000", "text/html")
        code = self._codes.issue(seller, str(number))
        return arrive(request, selling_partner_id=f"ASANDBOX{seller}", spapi_oauth_code=code)


def _participations(account: Account) -> dict[str, Any]:
    """`getMarketplaceParticipations`."""
    return {
        "payload": [
            {
                "marketplace": {"id": place, "name": name, "countryCode": name.rpartition(".")[2].upper()},
                "participation": {"isParticipating": True, "hasSuspendedListings": False},
                "storeName": f"Sandbox {account.number}",
            }
            for place, name in fields.MARKETPLACES.items()
        ]
    }


def _seller(account: Account) -> str:
    return f"ASANDBOX{account.number}"


def _unauthorized(details: str) -> Refused:
    return Refused(403, "Unauthorized", "Access to requested resource is denied.", details)


def _refused_grant(status: int, error: str, description: str) -> Reply:
    return Reply.json(status, {"error": error, "error_description": description})
