"""Pages of eBay's sandbox: orders, inventory items, and the offer of an item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from local.sandbox.account import Account
from local.sandbox.catalogue import mix
from local.sandbox.ebay import rows
from local.sandbox.ebay.orders import parcels, priced
from local.sandbox.ebay.query import FULFILLMENT, INVENTORY, Refused, number, selected_sales
from local.sandbox.http import Request

_MOST_ORDERS, _MOST_ITEMS = 200, 200


def orders(account: Account, request: Request) -> dict[str, Any]:
    """`getOrders`. Orders come in no useful order.

    Raises:
        Refused: A parameter is not valid.
    """
    limit = number(request, "limit", 50, range(1, _MOST_ORDERS + 1), 31_100)
    offset = number(request, "offset", 0, range(1 << 40), 31_000)
    breakdown = _has_breakdown(request)
    sales = map(account.sale, selected_sales(account, request))
    found = sorted(filter(rows.is_order, sales), key=lambda sale: mix(sale.id))
    page: list[dict[str, Any]] = [
        rows.order(account, sale, breakdown=breakdown) for sale in found[offset : offset + limit]
    ]
    _show(request, (row["orderId"] for row in page), 30_500, "API_FULFILLMENT")
    if request.malformed:
        page.insert(len(page) // 2, {"orderId": "99-00001-11111", "lineItems": 5})
    href = f"https://api.ebay.com{FULFILLMENT}order?limit={limit}&offset="
    answer: dict[str, Any] = {
        "href": f"{href}{offset}",
        "total": len(found),
        "limit": limit,
        "offset": offset,
    }
    if offset + limit < len(found):
        answer["next"] = f"{href}{offset + limit}"
    return {**answer, "orders": page}


def shipping_fulfillments(account: Account, request: Request, order_id: str) -> dict[str, Any]:
    """`getShippingFulfillments`: the parcels of one order.

    Raises:
        Refused: There is no such order.
    """
    digits = order_id.replace("-", "")
    sale = account.sale_by_id(int(digits)) if digits.isdigit() else None
    if sale is None or not rows.is_order(sale):
        raise Refused(400, 32_100, "API_FULFILLMENT", f"Invalid order ID: {order_id}")
    _show(request, [f"parcels/{order_id}"], 30_500, "API_FULFILLMENT")
    found = parcels(priced(sale))
    return {"total": len(found), "fulfillments": found}


def _has_breakdown(request: Request) -> bool:
    group = request.one("fieldGroups")
    if group not in ("", "TAX_BREAKDOWN"):
        raise Refused(400, 32_800, "API_FULFILLMENT", f"Invalid field group: {group}")
    return bool(group)


def _show(request: Request, names: Iterable[str], error_id: int, domain: str) -> None:
    if any(name in request.unshown for name in names):
        raise Refused(500, error_id, domain, "A system error has occurred.", "APPLICATION")


def items(account: Account, request: Request) -> dict[str, Any]:
    """`getInventoryItems`.

    Raises:
        Refused: A parameter is not valid.
    """
    limit = number(request, "limit", 25, range(1, _MOST_ITEMS + 1), 25_706)
    # Unlike the offset of orders, this one counts pages.
    page = number(request, "offset", 0, range(1 << 40), 25_706)
    listed = list(account.listed())
    shown: list[dict[str, Any]] = [
        rows.inventory_item(account, index) for index in listed[page * limit : (page + 1) * limit]
    ]
    _show(request, (row["sku"] for row in shown), 25_001, "API_INVENTORY")
    if request.malformed:
        shown.insert(len(shown) // 2, {"sku": "MALFORMED", "product": 5, "availability": 5})
    href = f"{INVENTORY}inventory_item?limit={limit}&offset="
    size = -(-len(listed) // limit)
    answer: dict[str, Any] = {"href": f"{href}{page}", "total": len(listed), "size": size, "limit": limit}
    if page + 1 < size:
        answer["next"] = f"{href}{page + 1}"
    return {**answer, "inventoryItems": shown}


def offers(account: Account, request: Request) -> dict[str, Any]:
    """`getOffers` of one SKU.

    Raises:
        Refused: The SKU is not valid, or no listed item has it.
    """
    sku = request.one("sku")
    if not sku or len(sku) > 50:
        message = "This is an invalid value for a SKU. Its length must not exceed 50 characters."
        raise Refused(400, 25_707, "API_INVENTORY", message)
    _show(request, [f"offers/{sku}"], 25_001, "API_INVENTORY")
    index = rows.index_of(account, sku)
    if index is None:
        raise Refused(404, 25_713, "API_INVENTORY", "This Offer is not available.")
    return {"total": 1, "size": 1, "limit": 25, "offers": [rows.offer(account, index)]}


def rate_limits(request: Request, used: dict[str, int], quotas: dict[str, int], reset: str) -> dict[str, Any]:
    """`getRateLimits`: the calls of the application that remain today, by API."""
    wanted = request.one("api_name")
    apis = [
        {
            "apiContext": "sell",
            "apiName": name.capitalize(),
            "apiVersion": "v1",
            "resources": [
                {
                    "name": f"sell.{name}",
                    "rates": [
                        {
                            "count": min(calls, quotas[name]),
                            "limit": quotas[name],
                            "remaining": max(0, quotas[name] - calls),
                            "reset": reset,
                            "timeWindow": 86_400,
                        }
                    ],
                }
            ],
        }
        for name, calls in used.items()
        if wanted in ("", name)
    ]
    return {"rateLimits": apis}
