"""eBay's sandbox: Fulfillment and Inventory v1, and the token endpoint.

All sellers use one application: `client_id` `sandbox-app`, `client_secret` `sandbox-cert`. Account i has
the refresh token `sandbox-refresh-{i}`. The daily quota of each API is the application's; `getRateLimits`
tells it to a token of the application itself. Its RuName is `sandbox-runame`; the consent page is at
`/oauth2/authorize`, see `local.sandbox.consent`.

An item is an inventory item with one offer. Unpaid sales are not orders here. eBay refuses dates in the
future; the sandbox accepts them up to a day after its latest sale, so that its data may lie ahead of this
machine's clock.
"""

from __future__ import annotations

import base64
import re
import time
from urllib.parse import parse_qs

from local.sandbox.account import Account
from local.sandbox.catalogue import DAY, iso
from local.sandbox.consent import Codes, arrive
from local.sandbox.distort import Shape
from local.sandbox.ebay import listings, rows
from local.sandbox.ebay.orders import order_id
from local.sandbox.ebay.query import FULFILLMENT, INVENTORY, Refused, require_language
from local.sandbox.http import Reply, Request

#: Midnight in Pacific time, in seconds after midnight UTC.
_DAY_BEGINS = 8 * 3_600
_TOKEN_S = 7_200
_SMALL_QUOTAS = {"fulfillment": 300, "inventory": 100}
#: Stands for the application in the place of an account.
_APPLICATION = -1
_PARCELS = re.compile(r"/sell/fulfillment/v1/order/([^/]+)/shipping_fulfillment")
_CLIENT, _RUNAME = "sandbox-app", "sandbox-runame"
_BASIC = "Basic " + base64.b64encode(f"{_CLIENT}:sandbox-cert".encode()).decode()


class Ebay:
    """Answers for all sellers; see the module."""

    shape = Shape(
        order_id=order_id,
        product_id=lambda item: item.sku,
        records=lambda answer: next(
            (answer[name] for name in ("orders", "inventoryItems", "offers") if name in answer), None
        ),
        paging=frozenset({"limit", "offset"}),
        words=frozenset(
            {
                *("orderFulfillmentStatus", "orderPaymentStatus", "cancelState", "lineItemFulfillmentStatus"),
                *("status", "listingStatus", "format", "condition", "availabilityType", "paymentMethod"),
                *("refundStatus", "paymentStatus", "taxType", "fulfillmentInstructionsType", "fulfilledBy"),
            }
        ),
        optional=frozenset(
            {
                *("cancelStatus", "paymentSummary", "buyer", "fulfillmentStartInstructions", "legacyItemId"),
                *("pricingSummary", "lineItemCost", "discountedLineItemCost", "product", "listing"),
                *("priceSubtotal", "deliveryCost", "tax", "taxes", "ebayCollectAndRemitTaxes", "payments"),
                *("refunds", "totalMarketplaceFee", "fulfillmentHrefs", "program", "shippingStep"),
                *("brand", "description", "imageUrls", "packageWeightAndSize", "allocationByFormat"),
                *("lineItemFulfillmentInstructions", "purchaseMarketplaceId", "convertedFromCurrency"),
            }
        ),
    )
    truth = staticmethod(rows.truth)
    stock_id = staticmethod(rows.stock_id)

    def __init__(self, accounts: list[Account], small_buckets: bool) -> None:
        self._accounts = accounts
        # The parcels of a few hundred orders need as many calls.
        self._quotas = _SMALL_QUOTAS if small_buckets else dict.fromkeys(_SMALL_QUOTAS, 10_000_000)
        #: Number of calls by API and day.
        self._used: dict[tuple[str, int], int] = {}
        #: Account and expiry by access token.
        self._tokens: dict[str, tuple[int, float]] = {}
        self._codes = Codes("v^1.1#i^1#code#")

    def answer(self, request: Request) -> Reply:
        """Check token and quota, then answer."""
        if (request.method, request.path) == ("POST", "/identity/v1/oauth2/token"):
            return self._token(request)
        if (request.method, request.path) == ("GET", "/oauth2/authorize"):
            return self._consent(request)
        try:
            if (request.method, request.path) == ("GET", "/developer/analytics/v1_beta/rate_limit/"):
                return self._rate_limits(request)
            account = self._accounts[self._caller(request)]
            self._count("fulfillment" if request.path.startswith(FULFILLMENT) else "inventory")
            if request.path.startswith(INVENTORY):
                require_language(request)
            match request.method, request.path:
                case "GET", "/sell/fulfillment/v1/order":
                    return Reply.json(200, listings.orders(account, request))
                case "GET", path if parcels := _PARCELS.fullmatch(path):
                    return Reply.json(200, listings.shipping_fulfillments(account, request, parcels[1]))
                case "GET", "/sell/inventory/v1/inventory_item":
                    return Reply.json(200, listings.items(account, request))
                case "GET", "/sell/inventory/v1/offer":
                    return Reply.json(200, listings.offers(account, request))
            raise Refused(404, 2002, "ACCESS", "Resource not found")
        except Refused as refused:
            return refused.reply

    def _token(self, request: Request) -> Reply:
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        if request.headers.get("authorization") != _BASIC:
            answer = {"error": "invalid_client", "error_description": "client authentication failed"}
            return Reply.json(401, answer)
        if form.get("grant_type") == "client_credentials":
            token = f"v^1.1#i^1#application#{len(self._tokens)}"
            self._tokens[token] = (_APPLICATION, time.time() + _TOKEN_S)
            granted = {
                "access_token": token,
                "expires_in": _TOKEN_S,
                "token_type": "Application Access Token",
            }
            return Reply.json(200, granted)
        if form.get("grant_type") == "authorization_code":
            return self._exchange(form)
        if form.get("grant_type") != "refresh_token":
            return Reply.json(400, {"error": "unsupported_grant_type", "error_description": "not supported"})
        found = re.fullmatch(r"sandbox-refresh-(\d+)", form.get("refresh_token", ""))
        if not found or int(found[1]) >= len(self._accounts):
            description = (
                "the provided authorization refresh token is invalid or was issued to another client"
            )
            return Reply.json(400, {"error": "invalid_grant", "error_description": description})
        return Reply.json(200, self._granted(int(found[1])))

    def _granted(self, account: int) -> dict[str, object]:
        token = f"v^1.1#i^1#sandbox#{account}#{len(self._tokens)}"
        self._tokens[token] = (account, time.time() + _TOKEN_S)
        return {"access_token": token, "expires_in": _TOKEN_S, "token_type": "User Access Token"}

    def _consent(self, request: Request) -> Reply:
        asked = {name: request.one(name) for name in ("client_id", "redirect_uri", "response_type")}
        known = {"client_id": _CLIENT, "redirect_uri": _RUNAME, "response_type": "code"}
        seller = int(request.one("seller", "0"))
        if asked != known or not request.one("scope") or seller >= len(self._accounts):
            return Reply(400, b"unauthorized_client", "text/html")
        return arrive(request, code=self._codes.issue(seller, _CLIENT), expires_in="299")

    def _exchange(self, form: dict[str, str]) -> Reply:
        seller = self._codes.redeem(form.get("code", ""), _CLIENT)
        if seller is None or form.get("redirect_uri") != _RUNAME:
            description = "the provided authorization grant code is invalid or was issued to another client"
            return Reply.json(400, {"error": "invalid_grant", "error_description": description})
        refresh = {"refresh_token": f"sandbox-refresh-{seller}", "refresh_token_expires_in": 47_304_000}
        return Reply.json(200, {**self._granted(seller), **refresh})

    def _caller(self, request: Request) -> int:
        number, until = self._token_of(request)
        if until < time.time() or request.expired_access:
            raise Refused(401, 1001, "OAuth", "Invalid access token")
        if number == _APPLICATION:
            raise Refused(403, 1100, "ACCESS", "Access denied")
        return number

    def _token_of(self, request: Request) -> tuple[int, float]:
        return self._tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "), (0, 0.0))

    def _rate_limits(self, request: Request) -> Reply:
        """Only for the application itself; not counted against the quotas that it tells."""
        number, until = self._token_of(request)
        if number != _APPLICATION or until < time.time():
            raise Refused(403, 1100, "ACCESS", "Access denied")
        day = int(time.time() - _DAY_BEGINS) // DAY
        used = {api: self._used.get((api, day), 0) for api in self._quotas}
        reset = iso((day + 1) * DAY + _DAY_BEGINS).replace("Z", ".000Z")
        return Reply.json(200, listings.rate_limits(request, used, self._quotas, reset))

    def _count(self, api: str) -> None:
        day = int(time.time() - _DAY_BEGINS) // DAY
        used = self._used[api, day] = self._used.get((api, day), 0) + 1
        if used > self._quotas[api]:
            raise Refused(429, 2001, "ACCESS", "Too many requests.")
