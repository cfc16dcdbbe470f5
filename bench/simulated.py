"""A Shopify account of any size without a server: this process makes its pages, or has them ready.

Everything but the fetching is the product's own connector. Rows are a pure function of their index and
come in order of modification, as Shopify's do, spread over two years; no row is kept in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    '"lineItems":{"nodes":[%(lines)s],"pageInfo":{"hasNextPage":false,"endCursor":null}}}'
)
_LINE = (
    '{"id":"gid://shopify/LineItem/%(id)d%(line)d","sku":"SKU-%(sku)05d","title":"Enamel mug, blue",'
    '"quantity":%(quantity)d,"variant":{"id":"gid://shopify/ProductVariant/20887702%(sku)05d"},'
    '"product":{"id":"gid://shopify/Product/208877%(sku)05d"},'
    '"originalUnitPriceSet":{"shopMoney":{"amount":"462.0","currencyCode":"ZAR"}},'
    '"discountedTotalSet":{"shopMoney":{"amount":"%(price)d.0","currencyCode":"ZAR"}}}'
)


_PRODUCT = (
    '{"currency":"ZAR","product":{"id":"gid://shopify/Product/%(id)d","legacyResourceId":"%(id)d",'
    '"title":"Enamel mug","status":"ACTIVE","vendor":"Kopje","productType":"Mugs","tags":["enamel"],'
    '"createdAt":"%(moment)s","updatedAt":"%(moment)s","publishedAt":"%(moment)s",'
    '"options":[{"name":"Colour","values":["Blue"]}],"variants":{"nodes":[%(variants)s]}}}'
)
_VARIANT = (
    '{"id":"gid://shopify/ProductVariant/%(id)d","sku":"SKU-%(id)d","title":"Blue %(number)d",'
    '"barcode":"600123%(number)06d","price":"462.00","compareAtPrice":"500.00","taxable":true,'
    '"inventoryPolicy":"DENY","selectedOptions":[{"name":"Colour","value":"Blue %(number)d"}],'
    '"inventoryItem":{"id":"gid://shopify/InventoryItem/%(id)d","tracked":true,"requiresShipping":true}}'
)


def row(index: int, orders: int, until: datetime, lines: int = 2) -> bytes:
    """The order at an index among a number of orders, the last of which changed just before `until`."""
    moment = until - _HISTORY + _HISTORY * (index + 1) / (orders + 1)
    number = 6_023_419_000_000 + index
    shown = (
        _LINE
        % {
            "id": number,
            "line": line,
            "sku": (index * 7 + line) % 99_991,
            "quantity": 1 + line,
            "price": 462 * (1 + line),
        }
        for line in range(lines)
    )
    order = _ROW % {
        "id": number,
        "number": 1001 + index,
        "moment": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "total": 1386 + index % 1000,
        "lines": ",".join(shown),
    }
    return order.encode()


def product_row(index: int, variants: int, until: datetime) -> bytes:
    """A product with a number of variants, as its completed row."""
    first = 20_887_702_000_000 + index * 10_000
    shown = (_VARIANT % {"id": first + number, "number": number} for number in range(variants))
    moment = f"{until - timedelta(days=1) + timedelta(seconds=index):%Y-%m-%dT%H:%M:%SZ}"
    return (_PRODUCT % {"id": first, "moment": moment, "variants": ",".join(shown)}).encode()


def listing(stream: str, rows: Sequence[bytes], page_rows: int) -> AnyConnector:
    """A marketplace that lists these rows, complete, in one of its streams."""

    def fetch(session: AnySession, window: Window, token: str | None) -> Page:  # noqa: ARG001 - the port's signature
        session.client.calls += 1
        start = int(token or 0)
        stop = start + page_rows
        return Page(rows[start:stop], str(stop) if stop < len(rows) else None)

    listed = replace(CONNECTOR.streams[stream], fetch=fetch, complete=None)
    return replace(CONNECTOR, streams={stream: listed})


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
