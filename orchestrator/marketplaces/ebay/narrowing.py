"""Narrowing a page that eBay cannot show down to its records: orders by time, inventory items by place.

A page may fail at every tick because of one record. Parts of it are asked for, and parts of those, until a
part is one record; the others are kept, and that one is told as unshown. A part is asked for once, because
most parts with the record fail; the last call, for the record alone, has all its tries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from orchestrator.errors import MarketplaceUnavailable, RequestRejected
from orchestrator.marketplaces.client import Errors
from orchestrator.marketplaces.spec import Unshown


class PartFailed(RequestRejected):
    """A part of a page fails; it is not asked for again as a whole."""


#: The statuses of a failing part.
AT_ONCE: Errors = dict.fromkeys((500, 502, 504), PartFailed)
_FAILURES = (PartFailed, MarketplaceUnavailable)
#: Parts asked for in one go; the rest of a span is another page.
MOST_PARTS = 250
#: Items on a part of a page, by the items on the part that fails.
_SMALLER = {200: 50, 50: 10, 25: 5, 10: 1, 5: 1}
#: An outage is assumed if this many parts fail and no other is shown.
_MOST_FAILURES = 12
#: Before a span is narrowed, the same time this much earlier has to be shown.
_EARLIER_MS = 3_600_000
#: Orders of one millisecond that are tried if eBay does not say how many it has.
_BLIND_TRIES = 3
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a listing."""

    records: list[bytes]
    #: Records of the whole span or listing.
    total: int


@dataclass(slots=True)
class Found:
    """Everything of a failing page that could be read."""

    records: list[bytes] = field(default_factory=list)
    unshown: list[Unshown] = field(default_factory=list)
    #: Orders: the last millisecond that was read. Items: their number in the whole listing.
    until: int = 0
    total: int = 0


class AskOrders(Protocol):
    """Asks for orders changed from the first to the last millisecond; patiently, or once."""

    def __call__(self, first: int, last: int, offset: int, limit: int, *, patient: bool) -> Part:
        """Raises a `MarketplaceError`."""
        ...


class AskItems(Protocol):
    """Asks for a page of inventory items by its number and size; patiently, or once."""

    def __call__(self, number: int, size: int, *, patient: bool) -> Part:
        """Raises a `MarketplaceError`."""
        ...


def moment(milliseconds: int) -> datetime:
    """A time in milliseconds since 1970."""
    return _ZERO + timedelta(milliseconds=milliseconds)


def written(milliseconds: int) -> str:
    """The same as eBay writes it in a filter."""
    return f"{moment(milliseconds):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def orders(ask: AskOrders, first: int, last: int, limit: int) -> Found:
    """The orders of a span that fails as a whole.

    Raises:
        MarketplaceError: No other span is shown either, or a call fails for another reason.
    """
    ask(first - _EARLIER_MS, first - _EARLIER_MS, 0, 1, patient=True)
    found, spans = Found(until=first - 1), [(first, last)]
    for _ in range(MOST_PARTS):
        if not spans:
            break
        at, to = spans.pop()
        part: Part | None
        try:
            part = ask(at, to, 0, limit, patient=False)
        except _FAILURES:
            part = None
        if part is not None and len(part.records) >= part.total:
            found.records += part.records
            found.until = to
        elif at == to:
            _of_one_millisecond(ask, at, found)
            found.until = to
        else:
            middle = (at + to) // 2
            spans += [(middle + 1, to), (at, middle)]
    return found


def _of_one_millisecond(ask: AskOrders, at: int, found: Found) -> None:
    total: int | None = None
    offset, failed = 0, []
    while offset < (_BLIND_TRIES if total is None else total):
        try:
            part = ask(at, at, offset, 1, patient=True)
        except _FAILURES as error:
            name = f"order {offset + 1} of {written(at)}"
            failed.append(Unshown(name, error.message, None, moment(at), moment(at)))
        else:
            total = part.total
            found.records += part.records
        offset += 1
    # If nothing is known of the millisecond, one reject stands for it.
    found.unshown += failed if total is not None else failed[:1]


def items(ask: AskItems, number: int, size: int) -> Found:
    """The inventory items of a page that fails.

    Raises:
        MarketplaceUnavailable: No part of it is shown.
        MarketplaceError: A call fails for another reason.
    """
    found, parts, is_shown, failures = Found(), [(number, size)], False, 0
    while parts:
        page, each = parts.pop(0)
        smaller = _SMALLER.get(each)
        try:
            part = ask(page, each, patient=smaller is None)
        except _FAILURES as error:
            failures += 1
            if not is_shown and failures > _MOST_FAILURES:
                break
            if smaller is None:
                place = f"inventory item {page + 1}"
                found.unshown.append(Unshown(place, error.message))
            else:
                begin = page * each // smaller
                parts[:0] = [(begin + step, smaller) for step in range(each // smaller)]
            continue
        is_shown = True
        found.records += part.records
        found.total = part.total
    if not is_shown:
        raise MarketplaceUnavailable("ebay inventory_items: no part of the page is shown")
    return found
