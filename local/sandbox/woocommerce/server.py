"""WooCommerce's sandbox: REST v3 of self-hosted shops.

Account i has the keys `ck_sandbox_{i}` and `cs_sandbox_{i}`. Its site's time zone is not UTC. The site of an
odd account is older than WooCommerce 10.3: it does not list the variations of all products at once.

A site may have any path. The path's first part may choose an oddity of the host: see `ODDITIES`.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import Sale, mix
from local.sandbox.distort import Shape
from local.sandbox.http import Reply, Request
from local.sandbox.woocommerce import items, parcels, refunds, rows
from local.sandbox.woocommerce.listings import Listings, Selected
from local.sandbox.woocommerce.query import Kind, Query, Refused, read_query

#: Oddities of hosts, by the first part of the site's path.
ODDITIES: Mapping[str, str] = {
    "wc40": "WooCommerce 4.0: refuses `orderby=modified`, ignores bounds on the modification time",
    "wc57": "WooCommerce 5.7: ignores bounds on the modification time",
    "stripped": "a proxy drops the Authorization header",
    "plain": "plain permalinks: only `/?rest_route=` answers",
    "notices": "PHP notices precede the JSON",
    "moved": "redirects to another host",
    "slow": "a page of more than 20 rows times out",
    "corrupt": "some rows cannot be built: each page with one of them is an error (see `is_corrupt`)",
    "cached": "a cache appends comments to the JSON",
}
#: Calls per second that the host's firewall passes if limits are small.
_FIREWALL_CALLS = 20
#: Calls for the parts of one order; the last one is an extension's.
_ORDER_PART = re.compile(
    r"(?:/wc/v3/orders/(\d+)/(refunds|fulfillments)|/wc-shipment-tracking/v3/orders/(\d+)/(shipment-trackings))"
)
_NOTICE = b"""<br />
<b>Notice</b>:  Undefined index: x in <b>/wp-content/plugins/y.php[2]</b> on line <b>12</b><br />
"""
_COMMENT = b"\n<!-- Dynamic page generated in 0.512 seconds. -->\n<!-- super cache -->"


def is_corrupt(row_id: int) -> bool:
    """Whether a site with corrupt rows cannot build the row of this id."""
    return mix(row_id, 7) % 25 == 0


class WooCommerce:
    """Answers for all sites; see the module."""

    shape = Shape(
        records=lambda answer: answer if isinstance(answer, list) else None,
        paging=frozenset({"offset", "page", "modified_after", "after"}),
        words=frozenset({"status"}),
        optional=frozenset(
            {"sku", "global_unique_id", "regular_price", "refunds", "name", "attributes", "weight", "images"}
            | {"permalink", "backorders", "tax_status", "categories", "description"}
        ),
    )
    truth = staticmethod(rows.truth)
    stock_id = staticmethod(items.stock_id)

    def __init__(self, accounts: list[Account], small_buckets: bool) -> None:
        self._listings = [Listings(account) for account in accounts]
        self._calls_a_second = _FIREWALL_CALLS if small_buckets else None
        #: Times of the calls that passed the firewall in the last second.
        self._passed: list[float] = []

    def answer(self, request: Request) -> Reply:
        """Answer as the host's firewall and proxies, then as WordPress."""
        if self._calls_a_second is not None:
            now = time.monotonic()
            self._passed = [at for at in self._passed if at > now - 1]
            if len(self._passed) >= self._calls_a_second:
                return _page(429, "Too Many Requests", {"Retry-After": "1"})
            self._passed.append(now)
        site, is_pretty, route = _routed(request)
        oddity = site.strip("/").partition("/")[0]
        match oddity:
            case "moved":
                return _page(301, "Moved", {"Location": f"https://www.example.com/shop{request.path[6:]}"})
            case "plain" if is_pretty:
                return _page(404, "Page not found")
            case "slow" if int(request.one("per_page", "10")) > 20:
                return _page(504, "Gateway Time-out")
        if not route:
            return _page(404, "Page not found")
        try:
            reply = self._wordpress(request, route, oddity)
        except Refused as refused:
            reply = refused.reply
        if oddity == "notices":
            reply.body, reply.content_type = _NOTICE + reply.body, "text/html; charset=UTF-8"
        if oddity == "cached":
            reply.body += _COMMENT
        return reply

    def _wordpress(self, request: Request, route: str, oddity: str) -> Reply:
        listings = self._authenticated(request, oddity)
        old = oddity in {"wc40", "wc57"}
        if part := _ORDER_PART.fullmatch(route):
            return _part_of(request, listings.account, int(part[1] or part[3]), part[2] or part[4])
        if route == "/wc/v3/refunds" and not old:
            return _refunds(request, listings.account)
        found = re.fullmatch(r"/wc/v3/(?:(orders|products|variations)|products/(\d+)/variations)", route)
        if route == "/wc/v3/data/currencies/current":
            code = listings.account.currency
            return Reply.json(200, {"code": code, "name": code, "symbol": code})
        if route == "/wc/v3/settings/products/woocommerce_weight_unit":
            return Reply.json(200, {"id": "woocommerce_weight_unit", "type": "select", "value": "kg"})
        if not found or (found[1] == "variations" and (old or listings.account.number % 2)):
            raise Refused(404, "rest_no_route", "No route was found matching the URL and request method.")
        if found[2]:
            # One product's variations are part of its record, not records of their own.
            request.malformed = False
        kind: Kind = "variations" if found[2] else found[1]  # type: ignore[assignment] # the pattern's words
        query = read_query(request, kind, takes_modified=oddity != "wc40", filters_modified=not old)
        selected = listings.select(query, int(found[2]) if found[2] else None)
        if oddity == "corrupt" and any(is_corrupt(row["id"]) for row in selected.rows):
            raise Refused(500, "internal_server_error", "There has been a critical error on this website.")
        return _listed(request, query, selected, listings.account.number)

    def _authenticated(self, request: Request, oddity: str) -> Listings:
        key, secret = request.one("consumer_key"), request.one("consumer_secret")
        if not key and oddity != "stripped":
            method, _, credentials = request.headers.get("authorization", "").partition(" ")
            if method.lower() == "basic":
                key, _, secret = base64.b64decode(credentials).decode(errors="replace").partition(":")
        number = int(key.removeprefix("ck_sandbox_")) if re.fullmatch(r"ck_sandbox_\d+", key) else -1
        if not 0 <= number < len(self._listings):
            raise Refused(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        if secret != f"cs_sandbox_{number}":
            raise Refused(401, "woocommerce_rest_authentication_error", "Consumer secret is invalid.")
        return self._listings[number]


def _routed(request: Request) -> tuple[str, bool, str]:
    """The site's path; whether the route is part of the path, not of the query; the route."""
    site, found, route = request.path.partition("/wp-json")
    if found:
        return site, True, route
    return request.path, False, request.one("rest_route")


def _listed(request: Request, query: Query, selected: Selected, number: int) -> Reply:
    """One page of the selected rows, with the headers that count all."""
    page = selected.rows
    if request.malformed:
        broken = {"id": 999_000_111, "status": None, "name": 7, "type": "simple", "line_items": 3}
        broken |= {"manage_stock": True, "stock_quantity": "many"}
        page.insert(len(page) // 2, broken)
    if query.fields:
        page = [_chosen(row, query.fields) for row in page]
    pages = -(-selected.total // query.per_page)
    headers = {"X-WP-Total": str(selected.total), "X-WP-TotalPages": str(pages)}
    following = query.offset // query.per_page + 2
    if following <= pages:
        site = f"https://sandbox-{number}.example{request.path}"
        headers["Link"] = f'<{site}?page={following}>; rel="next"'
    return Reply.json(200, page, headers)


def _chosen(row: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    """The chosen fields of a row; `billing.country` chooses one field of an object."""
    chosen = {name: value for name, value in row.items() if name in fields}
    for name, _, inner in (field.partition(".") for field in sorted(fields) if "." in field):
        if name not in fields and isinstance(row.get(name), dict) and inner in row[name]:
            chosen.setdefault(name, {})[inner] = row[name][inner]
    return chosen


def _part_of(request: Request, account: Account, order_id: int, part: str) -> Reply:
    """The refunds, fulfillments or trackings of an order, with the chosen fields."""
    sale = account.sale_by_id(order_id)
    if sale is None:
        raise Refused(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
    found = _PARTS[part](account, sale)
    fields = frozenset(filter(None, request.one("_fields", "").split(",")))
    shown = [_chosen(row, fields) if fields else row for row in found[int(request.one("offset", "0")) :]]
    return Reply.json(200, shown, {"X-WP-Total": str(len(found))})


def _refunds(request: Request, account: Account) -> Reply:
    """The refunds with the ids asked for, with the chosen fields; this sandbox lists no others."""
    ids = sorted({int(each) for each in request.one("include", "").split(",") if each.isdigit()})
    sales = [(each, account.sale_by_id(refunds.order_id(each))) for each in ids]
    found = [row for _, sale in sales if sale for row in refunds.whole(account, sale)]
    fields = frozenset(filter(None, request.one("_fields", "").split(",")))
    shown = found[: int(request.one("per_page", "10"))]
    headers = {"X-WP-Total": str(len(found))}
    return Reply.json(200, [_chosen(row, fields) if fields else row for row in shown], headers)


_PARTS: Mapping[str, Callable[[Account, Sale], list[dict[str, Any]]]] = {
    "refunds": refunds.whole,
    "fulfillments": lambda _, sale: parcels.fulfillments(sale),
    "shipment-trackings": lambda _, sale: parcels.trackings(sale),
}


def _page(status: int, title: str, headers: Mapping[str, str] | None = None) -> Reply:
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Reply(status, body.encode(), "text/html; charset=UTF-8", headers or {})
