"""A Shopify account of any size without a server: this process makes its pages, or has them ready.

Everything but the fetching is the product's own connector. Rows are a pure function of their index and
come in order of modification, as Shopify's do, spread over two years; no row is kept in memory.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orchestrator.marketplaces.shopify.connector import CONNECTOR
from orchestrator.marketplaces.spec import AnyConnector, AnySession, Page, Window

#: Rows on a page; Shopify's most.
PAGE_ROWS = 250
_HISTORY = timedelta(days=730)
_ROW = (
    '{"id":"gid://shopify/Order/%(id)d","legacyResourceId":"%(id)d","name":"#%(number)d",'
    '"createdAt":"%(moment)s","updatedAt":"%(moment)s","cancelledAt":null,"test":false,'
    '"displayFinancialStatus":"PAID","displayFulfillmentStatus":"FULFILLED",'
    '"currentTotalPriceSet":{"shopMoney":{"amount":"%(total)d.00","currencyCode":"ZAR"}},'
    '"totalRefundedSet":{"shopMoney":{"amount":"0.0","currencyCode":"ZAR"}},'
    '"lineItems":{"nodes":[%(line0)s,%(line1)s],"pageInfo":{"hasNextPage":false,"endCursor":null}}}'
)
_LINE = (
    '{"id":"gid://shopify/LineItem/%(id)d%(line)d","sku":"SKU-%(sku)05d","title":"Enamel mug, blue",'
    '"quantity":%(quantity)d,"variant":{"id":"gid://shopify/ProductVariant/20887702%(sku)05d"},'
    '"product":{"id":"gid://shopify/Product/208877%(sku)05d"},'
    '"originalUnitPriceSet":{"shopMoney":{"amount":"462.0","currencyCode":"ZAR"}},'
    '"discountedTotalSet":{"shopMoney":{"amount":"%(price)d.0","currencyCode":"ZAR"}}}'
)


def row(index: int, orders: int, until: datetime) -> bytes:
    """The order at an index among a number of orders, the last of which changed just before `until`."""
    moment = until - _HISTORY + _HISTORY * (index + 1) / (orders + 1)
    number = 6_023_419_000_000 + index
    first, second = (
        _LINE
        % {
            "id": number,
            "line": line,
            "sku": (index * 7 + line) % 99_991,
            "quantity": 1 + line,
            "price": price,
        }
        for line, price in enumerate((462, 924))
    )
    order = _ROW % {
        "id": number,
        "number": 1001 + index,
        "moment": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "total": 1386 + index % 1000,
        "line0": first,
        "line1": second,
    }
    return order.encode()


def connector(orders: int, *, ready: bool = False) -> AnyConnector:
    """A marketplace whose accounts have a number of orders.

    Args:
        orders: That number.
        ready: Whether all rows are made now and kept, so that a fetch takes no time.
    """
    until = datetime.now(UTC) - timedelta(hours=1)
    kept = [row(index, orders, until) for index in range(orders)] if ready else None

    def fetch(session: AnySession, window: Window, token: str | None) -> Page:
        session.client.calls += 1
        start = int(token) if token else first(window.since)
        stop = min(start + PAGE_ROWS, orders)
        rows = kept[start:stop] if kept else [row(index, orders, until) for index in range(start, stop)]
        return Page(rows, str(stop) if stop < orders else None)

    def first(since: datetime) -> int:
        """The index of the first row that changed since a time."""
        return max(0, math.ceil((since - (until - _HISTORY)) / _HISTORY * (orders + 1)) - 1)

    stream = replace(CONNECTOR.streams["orders"], fetch=fetch)
    return replace(CONNECTOR, streams={"orders": stream})
