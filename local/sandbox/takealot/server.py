"""Takealot's sandbox: Marketplace API v1, and the older Seller API v2 (see `v2`).

In v1 account i has the key `sandbox-key-{i}`.

The last page of a list has a blank page token if the account's number is even, else no token.
"""

from __future__ import annotations

import re
import time

from local.sandbox.account import Account
from local.sandbox.distort import Shape
from local.sandbox.http import Reply, Request
from local.sandbox.takealot import listings, rows, v2
from local.sandbox.takealot.query import Refused


class Takealot:
    """Answers for all sellers; see the module."""

    shape = Shape(
        records=lambda answer: next(
            (answer[name] for name in ("items", "sales", "offers") if name in answer), None
        ),
        paging=frozenset({"continuation_token", "page_number", "page_size"}),
        words=frozenset({"status", "sale_status"}),
        optional=frozenset(
            {
                *("tsin_id", "sku", "barcode", "title", "product_title", "rrp", "created_at", "updated_at"),
                *("success_fee", "fulfillment_fee", "courier_collection_fee", "stock_transfer_fee"),
                *("total_fees", "sales_region", "stock_source_region", "product_label", "condition"),
                *("image_url", "weight_grams", "productline_id", "offer_url", "date_created"),
            }
        ),
    )
    truth = staticmethod(rows.truth)
    stock_id = staticmethod(rows.stock_id)

    def __init__(self, accounts: list[Account], small_buckets: bool) -> None:
        self._accounts = accounts
        self._limit, self._window = (5, 1.0) if small_buckets else (1_000_000, 60.0)
        #: Number of calls in the current window, and the window's end, by account.
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
                    return Reply.json(200, listings.sales(account, request), headers)
                case "GET", "/v1/offers":
                    return Reply.json(200, listings.offers(account, request), headers)
                case "GET", "/v2/sales":
                    return Reply.json(200, v2.sales(account, request), headers)
                case "GET", "/v2/offers":
                    return Reply.json(200, v2.offers(account, request), headers)
        except Refused as refused:
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
