"""Reading eBay's orders: a window cut into spans of modification time that fit one page each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import PageTokenExpired, ResponseInvalid
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.values import Instant

ORDERS_URL = "https://api.ebay.com/sell/fulfillment/v1/order"
#: The most orders a page can hold, and how many a span is made for.
LIMIT, AIM = 200, 150
#: The longest range eBay takes, in milliseconds: two years.
LONGEST = 730 * 86_400_000
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class _Listing(msgspec.Struct):
    total: int
    orders: list[msgspec.Raw] = []


class _Changed(msgspec.Struct):
    at: Instant = msgspec.field(name="lastModifiedDate")


class Span(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where the reading stands; as JSON it is the page token."""

    #: First millisecond since 1970, and how many of them.
    at: int
    length: int
    #: Inside one millisecond that has more than a page: orders read of it, and its total when that began.
    offset: int = 0
    total: int = 0

    @classmethod
    def of(cls, window: Window, token: str | None) -> Span:
        """Where a token says, or the whole window.

        Raises:
            PageTokenExpired: The token is not one of ours.
        """
        if token:
            try:
                return msgspec.json.decode(token, type=cls)
            except UNREADABLE:
                raise PageTokenExpired("ebay orders: the page token is not one of ours") from None
        end = _end(window)
        at = max((window.since - _ZERO) // _MS, end - LONGEST)
        return cls(at, end - at + 1)

    def token(self) -> str:
        """As a page token."""
        return msgspec.json.encode(self).decode()


def fetch_orders(session: Session, window: Window, token: str | None) -> Page:
    """Orders changed in the window's next span."""
    span, end = Span.of(window, token), _end(window)
    while True:
        last = min(span.at + span.length - 1, end)
        listing = _ask(session, span, last)
        read = span.offset + len(listing.orders)
        if read >= listing.total:
            break
        if last == span.at:
            return Page(_checked(listing, span.at), _further(span, listing, read).token())
        # More than a page, so its rows are not used: the next one would begin where nobody knows.
        length = (last - span.at + 1) * AIM // max(listing.total, AIM * 2)
        span = Span(span.at, max(1, length))
    found = _checked(listing, span.at)
    if last >= end:
        return Page(found, None)
    # At most four times as long, where little happened.
    length = (last - span.at + 1) * AIM // max(len(found), AIM // 4)
    return Page(found, Span(last + 1, max(1, length)).token())


def _further(span: Span, listing: _Listing, read: int) -> Span:
    """The next page of one millisecond."""
    if span.offset and listing.total != span.total:
        raise PageTokenExpired("ebay orders: the orders of one millisecond changed while they were read")
    if not listing.orders:
        raise ResponseInvalid(f"ebay orders: {read} of {listing.total} orders came, and no more")
    return Span(span.at, 1, read, listing.total)


def _ask(session: Session, span: Span, last: int) -> _Listing:
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
    """The orders; one that cannot be read is passed on to become a reject.

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
