"""Queries to eBay's sandbox: parameters, the filter of orders, and refusals."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from local.sandbox.account import Account
from local.sandbox.catalogue import DAY
from local.sandbox.http import Reply, Request

FULFILLMENT, INVENTORY = "/sell/fulfillment/v1/", "/sell/inventory/v1/"
_FILTERS = {"creationdate", "lastmodifieddate", "orderfulfillmentstatus"}
_LANGUAGE = re.compile(r"[a-z]{2}-[A-Z]{2}")


class Refused(Exception):
    """The call is refused; `reply` is the answer."""

    def __init__(
        self, status: int, error_id: int, domain: str, message: str, category: str = "REQUEST"
    ) -> None:
        super().__init__(message)
        error = {"errorId": error_id, "domain": domain, "category": category, "message": message}
        self.reply = Reply.json(status, {"errors": [{**error, "longMessage": message}]})


def require_language(request: Request) -> None:
    """Check the header that the Inventory API requires.

    Raises:
        Refused: It names no language.
    """
    if not _LANGUAGE.fullmatch(request.headers.get("accept-language", "")):
        raise Refused(400, 25_709, "API_INVENTORY", "Invalid value for header Accept-Language.")


def number(request: Request, name: str, default: int, allowed: range, error_id: int) -> int:
    """A parameter's whole number.

    Raises:
        Refused: It is no number, or not in the range.
    """
    text = request.one(name, str(default))
    if not text.isdigit() or int(text) not in allowed:
        domain = "API_FULFILLMENT" if request.path.startswith(FULFILLMENT) else "API_INVENTORY"
        raise Refused(400, error_id, domain, f"Invalid {name}: {text}")
    return int(text)


def selected_sales(account: Account, request: Request) -> list[int]:
    """Indices of the sales that the filter selects; without a filter, those of the last 90 days.

    Raises:
        Refused: The filter is not valid.
    """
    now, newest = time.time(), request.newest
    filters: dict[str, str] = {}
    for name, value in re.findall(r"(\w+):(\[[^\]]*\]|\{[^}]*\})", request.one("filter")):
        if name not in _FILTERS:
            raise Refused(400, 30_700, "API_FULFILLMENT", f"Invalid filter name: {name}")
        filters[name] = value
    if request.one("filter") and not filters:
        raise Refused(400, 30_700, "API_FULFILLMENT", "Invalid filter name")
    if "lastmodifieddate" in filters and "creationdate" not in filters:
        first, last = _bounds(account, filters["lastmodifieddate"], now)
        return [index for _, index in _until(account.sales_from(first), min(last, newest))]
    # If both are given, eBay uses `creationdate`.
    first, last = _bounds(account, filters.get("creationdate", ""), now)
    return [
        index for index in account.sales_created(first, last + 1) if account.sale(index).updated <= newest
    ]


def _until(pairs: Iterator[tuple[int, int]], last: int) -> Iterator[tuple[int, int]]:
    for updated, index in pairs:
        if updated > last:
            return
        yield updated, index


def _bounds(account: Account, text: str, now: float) -> tuple[int, int]:
    """First and last whole second inside a range such as `[2026-11-23T06:00:00.000Z..]`."""
    if not text:
        return int(now) - 90 * DAY, int(now)
    start, _, end = text.strip("[]").partition("..")
    if not start:
        raise Refused(400, 30_820, "API_FULFILLMENT", "Start date is missing")
    first, last = _instant(start), _instant(end) if end else now
    if max(first, last) > max(now, _newest(account) + DAY):
        raise Refused(400, 30_850, "API_FULFILLMENT", "Start and end dates can't be in the future")
    if first > last:
        raise Refused(400, 30_840, "API_FULFILLMENT", "Start date should be before end date")
    if last - first > 730 * DAY:
        message = "Time range between start date and end date must be within '2' years."
        raise Refused(400, 30_830, "API_FULFILLMENT", message)
    return -int(-first // 1), int(last // 1)


def _instant(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refused(400, 30_810, "API_FULFILLMENT", "Invalid date format") from None


def _newest(account: Account) -> int:
    """Creation time of the account's latest sale."""
    return account.sale(account.sales - 1).created if account.sales else 0
