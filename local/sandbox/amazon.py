"""Amazon's sandbox: Selling Partner API and the token endpoint.

Account i is the seller `ASANDBOX{i}` of region `eu`, which sells in `AE08WJ6YKNBMC` and every fifth item
in `A1F83G8C2ARO7P`. It takes `client_id` `amzn1.application-oa2-client.sandbox-{i}`, `client_secret`
`amzn1.oa2-cs.v1.sandbox-{i}` and the refresh token `Atzr|sandbox-{i}`.

Rows of a page of orders come in no useful order. A quantity that changes does not move a listing's
modification time. Every second item lies with Amazon, the others with the seller.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from local.sandbox import amazon_rows as rows
from local.sandbox.account import Account
from local.sandbox.amazon_listings import Listings
from local.sandbox.amazon_query import InvalidInput, Refused, csv, instant, made, number, opened
from local.sandbox.catalogue import mix
from local.sandbox.distort import Shape
from local.sandbox.http import Reply, Request

_TOKEN_S = 3600
#: Calls a second and at once: without limits worth the name, and with limits that are soon reached.
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
_SETTLED_S, _ORDERS_TOKEN_S, _FBA_TOKEN_S = 120, 86_400, 30
_FBA_PAGE = 50


@dataclass(slots=True)
class _Bucket:
    per_second: float
    size: float
    left: float
    at: float

    def take(self) -> bool:
        now = time.monotonic()
        self.left = min(self.size, self.left + (now - self.at) * self.per_second)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def _records(answer: Any) -> list[Any] | None:
    found: list[Any] | None = answer.get("orders") or answer.get("items")
    return found or (answer.get("payload") or {}).get("inventorySummaries") if "items" in answer or (
        isinstance(answer.get("payload"), Mapping)
    ) else found


class Amazon:
    """Answers for all sellers; see the module."""

    shape = Shape(
        records=_records,
        paging=frozenset({"paginationToken", "pageToken", "nextToken"}),
        words=frozenset({"fulfillmentStatus", "fulfilledBy", "channelName", "conditionType", "condition"}),
        optional=frozenset(
            {
                *("marketplaceName", "proceeds", "fulfillment", "title", "asin", "price", "summaries", "offers"),
                *("productName", "totalQuantity", "reservedQuantity", "buyer", "recipient"),
            }
        ),
        order_id=rows.order_id,
        product_id=rows.product_id,
    )
