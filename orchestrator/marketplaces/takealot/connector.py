"""Takealot: Marketplace API v1; sales are read again by order date, offers are listed whole.

A connection whose key is for the older Seller API says so (`api: seller_v2`): see `takealot_v2`.

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
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.client import Client, single_step
from orchestrator.marketplaces.pacing import RemainingCalls
from orchestrator.marketplaces.session_request import SessionRequest, Settings, read_credential, read_settings
from orchestrator.marketplaces.spec import Access, Connector, Listing, Page, Scope, Session, Stream, Window
from orchestrator.marketplaces.takealot import records, v2, v2_records
from orchestrator.marketplaces.takealot.days import Span

HOST = "marketplace-api.takealot.com"
BASE = f"https://{HOST}/v1"
#: The most rows a page can hold.
LIMIT = 1000


class SellerSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    api: Annotated[
        Literal["marketplace_v1", "seller_v2"],
        Meta(description="Which of Takealot's two APIs the key is for."),
    ] = "marketplace_v1"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content."""

    api_key: Annotated[str, Meta(description="The account's API key; Takealot shows it only once.")]

    def __post_init__(self) -> None:
        """Refuse what cannot be a header's value."""
        if not self.api_key or not self.api_key.isascii() or not self.api_key.isprintable():
            raise ValueError("api_key takes the key as Takealot shows it")


ACCESS = Access(
    menu_path=(
        "Seller Portal (as the account's owner)",
        "API Integrations",
        "API Access",
        "Generate API key",
    ),
    scopes_are="key",
    scopes=(
        Scope(
            "API key",
            "everything; Takealot knows no scopes, and the sync only reads",
            ("orders", "products", "inventory"),
        ),
    ),
    lifetime="A key does not expire. An account has one active key: a new one disables the old one.",
    sources=("https://marketplace-api.takealot.com/v1/docs",),
)


class _List(msgspec.Struct):
    items: list[msgspec.Raw]
    continuation_token: str | None = None
    count: int | None = None


class _Seller(msgspec.Struct):
    seller_id: int | str | None = None
    display_name: str | None = None


def fetch_orders(session: Session, window: Window, token: str | None) -> Page:
    """Orders of the window's next days, each record a JSON array of one order's items."""
    if session.settings.api == "seller_v2":
        return v2.fetch_orders(session, window, token)
    span = Span.of(window, token)
    while True:
        end = span.end(window)
        bounds = [("order_date__gte", span.day.isoformat()), ("order_date__lte", end.isoformat())]
        listing = _ask(session, "sales", bounds, None)
        if not listing.continuation_token or span.day == end:
            break
        # More than a page: orders could straddle its end. Ask for fewer days, down to one.
        span = span.halved(end)
    items = listing.items
    following = single_step("takealot sales", None, listing.continuation_token)
    while following:
        listing = _ask(session, "sales", bounds, following)
        items += listing.items
        following = single_step("takealot sales", following, listing.continuation_token)
    return Page(records.group_by_order(items), span.following(window, sparse=len(items) < LIMIT // 3))


def fetch_products(session: Session, window: Window, token: str | None) -> Page:
    """Offers, without their stock."""
    if session.settings.api == "seller_v2":
        return v2.fetch_products(session, window, token)
    listing = _ask(session, "offers", [("include_count", "true")], token)
    return Page(
        [bytes(item) for item in listing.items],
        single_step("takealot offers", token, listing.continuation_token),
        total=listing.count,
    )


def fetch_inventory(session: Session, window: Window, token: str | None) -> Page:
    """Offers with their stock, one record a warehouse or region."""
    if session.settings.api == "seller_v2":
        return v2.fetch_inventory(session, window, token)
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
        operation,
        f"{BASE}/{operation}",
        lambda response: response.decode(_List),
        params=params,
        # The same query was good without a token.
        errors={400: PageTokenExpired} if token else None,
    )


def open_session(opening: SessionRequest) -> Session:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(opening, SellerSettings)
    credential = read_credential(opening, Credential)
    key = credential.api_key
    is_v2 = settings.api == "seller_v2"
    client = Client(
        opening,
        marketplace="takealot",
        hosts=frozenset({v2.HOST if is_v2 else HOST}),
        auth=FixedHeader("Authorization", f"Key {key}") if is_v2 else FixedHeader("X-API-Key", key),
        pace=RemainingCalls(opening.clock, remaining="x-RateLimit-Remaining", reset="x-RateLimit-Reset"),
        base_url=settings.base_url,
    )
    return Session(client, settings, opening.connection.store_buyer_pii)


def check(session: Session) -> str:
    """Name the seller the key opens."""
    if session.settings.api == "seller_v2":
        return v2.check(session)
    seller = session.client.request("seller", f"{BASE}/seller", lambda response: response.decode(_Seller))
    name = seller.display_name or "seller"
    return f"takealot: {name} ({seller.seller_id if seller.seller_id is not None else 'no id given'})"


_AGE = timedelta(minutes=2)

CONNECTOR = Connector(
    marketplace="takealot",
    settings=SellerSettings,
    credential=Credential,
    access=ACCESS,
    streams={
        "orders": Stream(
            name="orders",
            listing=Listing.ROLLING,
            fetch=fetch_orders,
            normalize=v2_records.either(records.order, v2_records.order),
            record_id=v2_records.either_id(records.order_id, v2_records.order_id),
            version=1,
            age=_AGE,
            durable_token=True,
            remembers_all=False,
            short_span=timedelta(days=3),
            long_span=timedelta(days=90),
        ),
        "products": Stream(
            name="products",
            listing=Listing.SNAPSHOT,
            fetch=fetch_products,
            normalize=v2_records.either(records.product, v2_records.product),
            record_id=v2_records.either_id(records.product_id, v2_records.product_id),
            version=1,
            age=timedelta(0),
            durable_token=False,
        ),
        "inventory": Stream(
            name="inventory",
            listing=Listing.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=v2_records.either(records.level, v2_records.level),
            record_id=v2_records.either_id(records.level_id, v2_records.level_id),
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
