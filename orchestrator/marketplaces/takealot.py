"""Takealot: Marketplace API v1; sales are read again by order date, offers are listed whole.

Source: marketplace-api.takealot.com/v1/docs and public clients of it, read 2026-11-23. What is heeded:

- Sales carry no modification time and change for weeks: a short span each tick, a long one each day.
- A sale is an order *item*. Items of one order can stand on different pages, in any order: orders are
  put together from whole calendar days. The page token is ours: the next day and how many to ask for.
- Dates are calendar days in South African time (UTC+2), both ends included.
- A list ends with a token that is absent or blank; one that repeats would never end.
- Offers have been listed short, with a `count` that says so: the count goes along with each page.
- Stock comes only with `expands`. Amounts are whole rand. A sale's `selling_price` is taken for the line's
  total, as in the older API; for more than one unit v1 does not say.
- A 403 can be a firewall's HTML page: that is not a lack of permission.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Literal

import msgspec

from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces import takealot_records as records
from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.client import Client, single_step
from orchestrator.marketplaces.opening import Opening, Settings, read_credential, read_settings
from orchestrator.marketplaces.pacing import RemainingCalls
from orchestrator.marketplaces.spec import Connector, Page, Session, Sort, Stream, Window

HOST = "marketplace-api.takealot.com"
BASE = f"https://{HOST}/v1"
#: The most rows a page can hold.
LIMIT = 1000
#: Days asked for at once: at first, and at most.
FIRST_SPAN, LONGEST_SPAN = 8, 128
_SAST = timezone(timedelta(hours=2))


class SellerSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    #: Which of Takealot's APIs the key is for.
    api: Literal["marketplace_v1"] = "marketplace_v1"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content."""

    api_key: str

    def __post_init__(self) -> None:
        """Refuse what cannot be a header's value."""
        if not self.api_key or not self.api_key.isascii() or not self.api_key.isprintable():
            raise ValueError("api_key takes the key as Takealot shows it")


class _List(msgspec.Struct):
    items: list[msgspec.Raw]
    continuation_token: str | None = None
    count: int | None = None


class _Seller(msgspec.Struct):
    seller_id: int | str | None = None
    display_name: str | None = None


class _Span(msgspec.Struct, frozen=True):
    """Where the reading of sales stands: the next day, and how many days to ask for."""

    day: date
    days: int

    @classmethod
    def parse(cls, token: str) -> _Span:
        """Read a page token of ours."""
        day, _, days = token.partition("/")
        try:
            return cls(date.fromisoformat(day), max(1, min(LONGEST_SPAN, int(days))))
        except ValueError:
            raise PageTokenExpired("takealot sales: the page token is not one of ours") from None

    def __str__(self) -> str:
        return f"{self.day.isoformat()}/{self.days}"


def fetch_orders(session: Session, window: Window, token: str | None) -> Page:
    """Orders of the window's next days, each record a JSON array of one order's items."""
    last = window.until.astimezone(_SAST).date()
    first = window.since.astimezone(_SAST).date()
    span = _Span.parse(token) if token else _Span(first, FIRST_SPAN)
    while True:
        end = min(span.day + timedelta(days=span.days - 1), last)
        bounds = [("order_date__gte", span.day.isoformat()), ("order_date__lte", end.isoformat())]
        listing = _ask(session, "sales", bounds, None)
        if not listing.continuation_token or span.day == end:
            break
        # More than a page: orders could straddle its end. Ask for fewer days, down to one.
        span = _Span(span.day, max(1, ((end - span.day).days + 1) // 2))
    items = listing.items
    following = single_step("takealot sales", None, listing.continuation_token)
    while following:
        listing = _ask(session, "sales", bounds, following)
        items += listing.items
        following = single_step("takealot sales", following, listing.continuation_token)
    days = span.days
    if len(items) < LIMIT // 3:
        days = min(days * 2, LONGEST_SPAN)
    return Page(
        records.group_by_order(items),
        str(_Span(end + timedelta(days=1), days)) if end < last else None,
    )


def fetch_products(session: Session, window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers, without their stock."""
    listing = _ask(session, "offers", [("include_count", "true")], token)
    return Page(
        [bytes(item) for item in listing.items],
        single_step("takealot offers", token, listing.continuation_token),
        total=listing.count,
    )


def fetch_inventory(session: Session, window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Offers with their stock, one record a warehouse or region."""
    expands = [("expands", "seller_warehouse_stock"), ("expands", "takealot_warehouse_stock")]
    listing = _ask(session, "offers", [("include_count", "true"), *expands], token)
    return Page(
        [level for item in listing.items for level in records.split_by_location(item)],
        single_step("takealot offers", token, listing.continuation_token),
        total=listing.count,
        listed=len(listing.items),
    )


def _ask(session: Session, operation: str, filters: Iterable[tuple[str, str]], token: str | None) -> _List:
    params = [*filters, ("limit", str(LIMIT))]
    if token:
        # Whether the token carries the filters is not documented; they do no harm beside it.
        params.append(("continuation_token", token))
    return session.client.request(
        operation, f"{BASE}/{operation}", lambda response: response.decode(_List), params=params
    )


def open_session(opening: Opening) -> Session:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(opening, SellerSettings)
    credential = read_credential(opening, Credential)
    client = Client(
        opening,
        marketplace="takealot",
        hosts=frozenset({HOST}),
        auth=FixedHeader("X-API-Key", credential.api_key),
        pace=RemainingCalls(opening.clock, remaining="x-RateLimit-Remaining", reset="x-RateLimit-Reset"),
        base_url=settings.base_url,
    )
    return Session(client, settings, opening.connection.store_buyer_pii)


def check(session: Session) -> str:
    """Name the seller the key opens."""
    seller = session.client.request("seller", f"{BASE}/seller", lambda response: response.decode(_Seller))
    name = seller.display_name or "seller"
    return f"takealot: {name} ({seller.seller_id if seller.seller_id is not None else 'no id given'})"


_AGE = timedelta(minutes=2)

CONNECTOR = Connector(
    marketplace="takealot",
    streams={
        "orders": Stream(
            name="orders",
            sort=Sort.ROLLING,
            fetch=fetch_orders,
            normalize=records.order,
            identify=records.order_id,
            version=1,
            age=_AGE,
            durable_token=True,
            remembers_all=False,
            short_span=timedelta(days=3),
            long_span=timedelta(days=90),
        ),
        "products": Stream(
            name="products",
            sort=Sort.SNAPSHOT,
            fetch=fetch_products,
            normalize=records.product,
            identify=records.product_id,
            version=1,
            age=timedelta(0),
            durable_token=False,
        ),
        "inventory": Stream(
            name="inventory",
            sort=Sort.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=records.level,
            identify=records.level_id,
            version=1,
            age=timedelta(0),
            durable_token=False,
        ),
    },
    # The company was founded in 2011; its marketplace is younger.
    epoch=datetime(2011, 1, 1, tzinfo=UTC),
    open=open_session,
    check=check,
    personal_fields=records.PERSONAL_FIELDS,
)
