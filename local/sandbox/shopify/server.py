"""Shopify's sandbox: Admin GraphQL and the token endpoint.

Account i is the shop `sandbox-{i}.myshopify.com`. It accepts the lasting token `shpat_sandbox_{i}`. The token
endpoint accepts `client_id` `sandbox-client-{i}`, `client_secret` `shpss_sandbox_{i}` and the refresh token
`shprt_sandbox_{i}`. Each use replaces the refresh token; the old one works until the new pair is first used.
"""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec

from local.sandbox.account import Account
from local.sandbox.bucket import Bucket
from local.sandbox.distort import Shape
from local.sandbox.http import Reply, Request
from local.sandbox.shopify import rows
from local.sandbox.shopify.graphql import Refused, read_query
from local.sandbox.shopify.listings import Listings

API_VERSION = "2026-10"
#: The maximum cost of a query in points.
MOST_POINTS = 1000
_TOKEN_S = 3600


def _records(answer: Any) -> list[Any] | None:
    """The rows of an answer's only listing; stock levels are nested in their location."""
    for listing in (answer.get("data") or {}).values():
        if isinstance(listing, list):
            return listing
        rows: list[Any] | None = (listing or {}).get("nodes")
        if rows and "inventoryLevels" in rows[0]:
            return _records({"data": rows[0]})
        if rows is not None:
            return rows
    return None


class Shopify:
    """Answers for all shops; see the module."""

    shape = Shape(
        records=_records,
        paging=frozenset({"after"}),
        words=frozenset(
            {"status", "displayFinancialStatus", "displayFulfillmentStatus", "inventoryPolicy", "unit"}
        ),
        optional=frozenset(
            {
                *(
                    "cancelledAt",
                    "sku",
                    "barcode",
                    "compareAtPrice",
                    "variant",
                    "product",
                    "customer",
                    "email",
                ),
                *("publishedAt", "onlineStoreUrl", "category", "unitCost", "weight"),
            }
        ),
        nulls=True,
    )
    truth = staticmethod(rows.truth)
    stock_id = staticmethod(rows.stock_id)

    def __init__(self, accounts: list[Account], small_buckets: bool) -> None:
        self._accounts = accounts
        size, rate = (1000.0, 1000.0) if small_buckets else (10_000_000.0, 1_000_000.0)
        self._buckets = [Bucket(size, rate) for _ in accounts]
        #: Account, expiry and the refresh token issued with it, by access token.
        self._tokens: dict[str, tuple[int, float, str | None]] = {
            f"shpat_sandbox_{account.number}": (account.number, float("inf"), None) for account in accounts
        }
        self._refresh = [{f"shprt_sandbox_{account.number}"} for account in accounts]
        self._issued = 0

    def answer(self, request: Request) -> Reply:
        """Answer a GraphQL query of any API version, or a call of the token endpoint."""
        if request.method == "POST" and request.path == "/admin/oauth/access_token":
            return self._token(request)
        if request.method != "POST" or not re.fullmatch(r"/admin/api/[\w-]+/graphql\.json", request.path):
            return Reply.json(404, {"errors": "Not Found"})
        number, until, refresh = self._tokens.get(
            request.headers.get("x-shopify-access-token", ""), (-1, 0.0, None)
        )
        if until < time.monotonic() or (request.expired_access and until != float("inf")):
            message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return Reply.json(401, {"errors": message})
        if refresh:
            # The new pair is in use, so earlier refresh tokens end.
            self._refresh[number] = {refresh}
        # Shopify answers an unsupported version with a supported one, without an error.
        headers = {"X-Shopify-API-Version": API_VERSION}
        try:
            status, answer = self._query(self._accounts[number], request)
        except Refused as error:
            status, answer = error.status, {"errors": error.errors}
        return Reply.json(status, answer, headers)

    def _query(self, account: Account, request: Request) -> tuple[int, dict[str, Any]]:
        try:
            body = msgspec.json.decode(request.body, type=dict[str, Any])
            query = read_query(str(body.get("query")), body.get("variables") or {})
        except msgspec.DecodeError:
            return 400, {"errors": [{"message": "the body is not JSON"}]}
        requested = query.requested_cost()
        bucket = self._buckets[account.number]
        bucket.refill()
        if requested > MOST_POINTS:
            message = (
                f"Query cost is {requested}, which exceeds the single query max cost limit {MOST_POINTS}"
            )
            return 200, {"errors": [{"message": message, "extensions": {"code": "MAX_COST_EXCEEDED"}}]}
        if requested > bucket.available:
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return 200, {"errors": [error], "extensions": {"cost": _cost(bucket, requested, None)}}
        data, actual = query.run(Listings(account, request).fields())
        bucket.available -= min(actual, requested)
        return 200, {"data": data, "extensions": {"cost": _cost(bucket, requested, actual)}}

    def _token(self, request: Request) -> Reply:
        try:
            body = msgspec.json.decode(request.body, type=dict[str, str])
        except msgspec.DecodeError:
            return Reply.json(400, {"error": "invalid_request"})
        client = body.get("client_id", "")
        number = int(client.rpartition("-")[2]) if re.fullmatch(r"sandbox-client-\d+", client) else -1
        if not 0 <= number < len(self._accounts) or body.get("client_secret") != f"shpss_sandbox_{number}":
            return Reply.json(400, {"error": "invalid_client", "error_description": "client is not known"})
        self._issued += 1
        access = f"shpat_issued_{self._issued}"
        granted: dict[str, Any] = {
            "access_token": access,
            "scope": "read_orders,read_products,read_inventory",
        }
        refresh = None
        if body.get("grant_type") == "refresh_token":
            old = body.get("refresh_token", "")
            if old not in self._refresh[number]:
                description = "This refresh token is not valid"
                return Reply.json(400, {"error": "invalid_grant", "error_description": description})
            refresh = f"shprt_issued_{self._issued}"
            self._refresh[number] = {old, refresh}
            granted |= {
                "expires_in": _TOKEN_S,
                "refresh_token": refresh,
                "refresh_token_expires_in": 7_776_000,
            }
        elif body.get("grant_type") == "client_credentials":
            granted["expires_in"] = 86_399
        else:
            return Reply.json(400, {"error": "unsupported_grant_type"})
        self._tokens[access] = (number, time.monotonic() + granted["expires_in"], refresh)
        return Reply.json(200, granted)


def _cost(bucket: Bucket, requested: int, actual: int | None) -> dict[str, Any]:
    """The extension `cost` of an answer; `actual` is None if the query was not run."""
    return {
        "requestedQueryCost": requested,
        "actualQueryCost": actual,
        "throttleStatus": {
            "maximumAvailable": bucket.size,
            "currentlyAvailable": int(bucket.available),
            "restoreRate": bucket.per_second,
        },
    }
