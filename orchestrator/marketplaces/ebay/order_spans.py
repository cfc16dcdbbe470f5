"""Reading eBay's orders: a window cut into spans of modification time that fit one page each.

Source: eBay's own description of Fulfillment 1.20.7, read 2026-11-23. Facts that this module depends on:

- Orders come in no defined order and in pages by offset. An order that changes meanwhile leaves the window,
  and the next page would begin one row too late. So a window is cut into spans of time that fit one page,
  and the page token is ours: the next span. Bounds are inclusive, in milliseconds.
- A range covers two years at most. `creationdate` would replace `lastmodifieddate`, so it is never sent.
- `next` is a URL and is not followed: the rows are counted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import PageTokenExpired, ResponseInvalid
from orchestrator.marketplaces.ebay.api import SiteSettings
from orchestrator.marketplaces.paging import read_position, write_position
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.values import Instant

ORDERS_URL = "https://api.ebay.com/sell/fulfillment/v1/order"
#: The most orders on a page, and the number that a span aims at.
LIMIT, AIM = 200, 150
#: The longest range that eBay accepts, in milliseconds: two years.
LONGEST = 730 * 86_400_000
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class _Listing(msgspec.Struct):
    total: int
    orders: list[msgspec.Raw] = []


class _Changed(msgspec.Struct):
    at: Instant = msgspec.field(name="lastModifiedDate")


class Span(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The next span to read; as JSON it is the page token."""

    #: First millisecond since 1970, and the number of milliseconds.
    at: int
    length: int
    #: Inside one millisecond with more than a page: orders read of it, and its total at its first page.
    offset: int = 0
    total: int = 0

    @classmethod
    def of(cls, window: Window, token: str | None) -> Span:
        """The token's span, or the whole window.

        Raises:
            PageTokenExpired: The token is not one of ours.
        """
        if token:
            return read_position("ebay orders", token, _spans)
        end = _end(window)
        at = max((window.since - _ZERO) // _MS, end - LONGEST)
        return cls(at, end - at + 1)


_spans = msgspec.json.Decoder(Span)


def fetch_orders(session: Session[SiteSettings], window: Window, token: str | None) -> Page:
    """Orders changed in the window's next span."""
    span, end = Span.of(window, token), _end(window)
    while True:
        last = min(span.at + span.length - 1, end)
        listing = _ask(session, span, last)
        read = span.offset + len(listing.orders)
        if read >= listing.total:
            break
        if last == span.at:
            return Page(_checked(listing, span.at), write_position(_further(span, listing, read)))
        # More than a page. Its rows are not used, because the start of the next page is not defined.
        length = (last - span.at + 1) * AIM // max(listing.total, AIM * 2)
        span = Span(span.at, max(1, length))
    found = _checked(listing, span.at)
    if last >= end:
        return Page(found, None)
    # At most four times as long, if few orders changed.
    length = (last - span.at + 1) * AIM // max(len(found), AIM // 4)
    return Page(found, write_position(Span(last + 1, max(1, length))))


def _further(span: Span, listing: _Listing, read: int) -> Span:
    """The next page of one millisecond."""
    if span.offset and listing.total != span.total:
        raise PageTokenExpired("ebay orders: the orders of one millisecond changed while they were read")
    if not listing.orders:
        raise ResponseInvalid(f"ebay orders: {read} of {listing.total} orders came, and no more")
    return Span(span.at, 1, read, listing.total)


def _ask(session: Session[SiteSettings], span: Span, last: int) -> _Listing:
    return session.client.request(
        "orders",
        ORDERS_URL,
        lambda response: response.decode(_Listing),
        params=[
            ("filter", f"lastmodifieddate:[{_written(span.at)}..{_written(last)}]"),
            ("limit", str(LIMIT)),
            ("offset", str(span.offset)),
        ],
    )


def _checked(listing: _Listing, since: int) -> list[bytes]:
    """The orders; an order that cannot be read is passed on to become a reject.

    Raises:
        ResponseInvalid: An order is older than the span: the filter was not applied.
    """
    earliest = _ZERO + since * _MS
    for raw in listing.orders:
        try:
            changed = msgspec.json.decode(raw, type=_Changed)
        except UNREADABLE:
            continue
        if changed.at < earliest:
            message = "ebay orders: an order is older than the window; the filter was not applied"
            raise ResponseInvalid(message)
    return [bytes(raw) for raw in listing.orders]


def _end(window: Window) -> int:
    """The window's last millisecond, rounded up."""
    return -((_ZERO - window.until) // _MS)


def _written(moment: int) -> str:
    return f"{_ZERO + moment * _MS:%Y-%m-%dT%H:%M:%S}.{moment % 1000:03d}Z"
