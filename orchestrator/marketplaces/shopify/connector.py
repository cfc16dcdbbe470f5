"""Shopify: Admin GraphQL 2026-10; orders, products and stock, all by modification time.

Source: shopify.dev, Admin API 2026-10 (schema, search syntax, pagination, rate limits, access
tokens), read 2026-11-23. What is heeded here and in `shopify_graphql`:

- Timestamps in a filter are quoted: unquoted, the time of day is ignored.
- The lower bound is `>=`: since 2026-10 an exclusive one skips a whole second.
- `sortKey` is always given. An unknown filter is ignored in silence, so every row is checked.
- A row's `updatedAt` can be later than the window's end: it was edited after it was found.
- Products are filtered to active ones unless every status is named.
- Lines and variants have pages of their own; stock is listed one location at a time.
- A version past its end is served by another one in silence: the answer's header is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import CredentialsRejected, PageTokenExpired, ResponseInvalid
from orchestrator.marketplaces.auth import ExpiringToken, FixedHeader, RotatingGrant, Rotation, Token
from orchestrator.marketplaces.client import Auth, Client
from orchestrator.marketplaces.pacing import CostBucket
from orchestrator.marketplaces.session_request import (
    SessionRequest,
    Settings,
    parse_credential,
    read_settings,
)
from orchestrator.marketplaces.shopify import api as graphql
from orchestrator.marketplaces.shopify import records
from orchestrator.marketplaces.shopify.api import PageInfo, Shop, ask
from orchestrator.marketplaces.spec import Access, Connector, Listing, Page, Scope, Session, Stream, Window
from orchestrator.marketplaces.values import Instant

G = TypeVar("G", bound=msgspec.Struct)
_TOKEN_HEADER = "X-Shopify-Access-Token"  # noqa: S105 - a header's name


class ShopSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    shop: Annotated[str, Meta(description="The shop's own host, name.myshopify.com.")]

    def __post_init__(self) -> None:
        """Refuse what is not a shop's own host."""
        name = self.shop.removesuffix(".myshopify.com")
        if name == self.shop or not (name.isascii() and name.replace("-", "").isalnum()):
            raise ValueError("shop takes the form name.myshopify.com")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content: a lasting token, client credentials, or those with a rotating refresh token."""

    access_token: Annotated[
        str | None,
        Meta(
            description="Admin API access token: a lasting `shpat_…` of an admin-made app if it is "
            "alone, else the latest of a rotation, which the sync stores."
        ),
    ] = None
    client_id: Annotated[str | None, Meta(description="Client ID of the app.")] = None
    client_secret: Annotated[str | None, Meta(description="Client secret of the app.")] = None
    refresh_token: Annotated[
        str | None,
        Meta(description="Refresh token of an expiring offline token; the sync stores its replacement."),
    ] = None
    expires_at: Annotated[
        Instant | None,
        Meta(description="When `access_token` expires; the sync stores it with each rotation."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse an incomplete set."""
        has_client = self.client_id and self.client_secret
        if not has_client and (self.refresh_token or not self.access_token):
            raise ValueError("takes access_token, or client_id and client_secret (and refresh_token)")


ACCESS = Access(
    menu_path=("Dev Dashboard (dev.shopify.com/dashboard)", "the app", "Settings", "Client ID and secret"),
    scopes_are="access scope",
    scopes=(
        Scope("read_orders", "orders of the last 60 days with their lines and refunds", ("orders",)),
        Scope(
            "read_all_orders",
            "orders older than 60 days; granted on request, and without it they are absent without an error",
            ("orders",),
            optional=True,
        ),
        Scope(
            "read_products",
            "products with their variants; product and variant of an order's line",
            ("products", "orders"),
        ),
        Scope("read_inventory", "stock levels of the items", ("inventory",)),
        Scope("read_locations", "the locations whose stock is listed", ("inventory",)),
        Scope(
            "protected customer data",
            "the buyer's name, e-mail, phone and address, if the connection stores them; an approval, "
            "not a scope",
            ("orders",),
            optional=True,
        ),
    ),
    lifetime="Client credentials last until the app is removed; they work for shops of the app's own "
    "organization. Refresh tokens are replaced on each use. Admin-made access tokens do not expire; "
    "new ones cannot be made since 2026-01-01.",
    sources=(
        "https://shopify.dev/docs/apps/build/dev-dashboard/get-api-access-tokens",
        "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens",
        "https://shopify.dev/docs/api/usage/access-scopes",
        "https://shopify.dev/docs/apps/launch/protected-customer-data",
    ),
)


class _Rows(msgspec.Struct, rename="camel"):
    nodes: list[msgspec.Raw]
    page_info: PageInfo


class _Currency(msgspec.Struct, rename="camel"):
    currency_code: str


class _Listing(msgspec.Struct):
    rows: _Rows
    shop: _Currency | None = None


class _Inner(msgspec.Struct):
    rows: _Rows


class _Parent(msgspec.Struct):
    #: None where it was deleted after its page was read.
    parent: _Inner | None


class _Location(msgspec.Struct, rename="camel"):
    inventory_levels: _Rows


class _Locations(msgspec.Struct, rename="camel"):
    nodes: list[_Location]
    page_info: PageInfo


class _LocationListing(msgspec.Struct):
    rows: _Locations


class _NestedPage(msgspec.Struct, rename="camel"):
    page_info: PageInfo


class _Row(msgspec.Struct, rename="camel"):
    """What paging has to see of a row."""

    id: str
    updated_at: Instant
    line_items: _NestedPage | None = None
    variants: _NestedPage | None = None


class _Name(msgspec.Struct, rename="camel"):
    name: str
    myshopify_domain: str


class _ShopName(msgspec.Struct):
    shop: _Name


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: int


class _Place(msgspec.Struct, array_like=True):
    """Where the stock listing stands, as its page token."""

    #: Cursor of the last location that was read to its end.
    location: str | None
    #: Cursor inside the location after that one.
    level: str | None


def fetch_orders(session: Session, window: Window, token: str | None) -> Page:
    """Orders changed in the window, with all their lines."""
    query = graphql.ORDERS_WITH_BUYER if session.store_buyer_pii else graphql.ORDERS
    listing = ask(session, "orders", query, _Listing, q=_updated(window), after=token)
    found = _checked(listing.rows, window, "orders", lambda raw, row: _whole_order(session, raw, row))
    return Page(found, listing.rows.page_info.following("shopify orders", token))


def fetch_products(session: Session, window: Window, token: str | None) -> Page:
    """Products changed in the window, with all their variants and the shop's currency."""
    terms = f"{_updated(window)} status:active,archived,draft,unlisted"
    listing = ask(session, "products", graphql.PRODUCTS, _Listing, q=terms, after=token)
    if listing.shop is None:
        raise ResponseInvalid("shopify products: the answer lacks the shop's currency")
    found = _checked(listing.rows, window, "products", lambda raw, row: _whole_product(session, raw, row))
    head = b'{"currency":' + msgspec.json.encode(listing.shop.currency_code) + b',"product":'
    priced = [head + raw + b"}" for raw in found]
    return Page(priced, listing.rows.page_info.following("shopify products", token))


def fetch_inventory(session: Session, window: Window, token: str | None) -> Page:
    """Stock levels changed in the window, one location after the other."""
    try:
        place = msgspec.json.decode(token, type=_Place) if token else _Place(None, None)
    except UNREADABLE:
        raise PageTokenExpired("shopify inventory: the page token is not one of ours") from None
    listing = ask(
        session,
        "inventory",
        graphql.LEVELS,
        _LocationListing,
        q=_updated(window),
        location=place.location,
        after=place.level,
    )
    locations = listing.rows
    if not locations.nodes:
        return Page([], None)
    levels = locations.nodes[0].inventory_levels
    following: _Place | None = None
    if level := levels.page_info.following("shopify inventory", place.level):
        following = _Place(place.location, level)
    elif location := locations.page_info.following("shopify locations", place.location):
        following = _Place(location, None)
    found = _checked(levels, window, "inventory", lambda raw, _: bytes(raw))
    return Page(found, msgspec.json.encode(following).decode() if following else None)


def _updated(window: Window) -> str:
    # Whole seconds, so the upper bound is rounded up.
    until = window.until + timedelta(microseconds=999_999)
    return f"updated_at:>='{_second(window.since)}' updated_at:<='{_second(until)}'"


def _second(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _checked(
    rows: _Rows, window: Window, operation: str, whole: Callable[[msgspec.Raw, _Row], bytes]
) -> list[bytes]:
    """The rows, each made whole; one that cannot be read is passed on to become a reject.

    Raises:
        ResponseInvalid: A row is older than the window: the filter was not applied.
    """
    found = []
    since = window.since.replace(microsecond=0)
    for raw in rows.nodes:
        try:
            row = msgspec.json.decode(raw, type=_Row)
        except UNREADABLE:
            found.append(bytes(raw))
            continue
        if row.updated_at < since:
            message = f"shopify {operation}: a row is older than the window; the filter was not applied"
            raise ResponseInvalid(message)
        found.append(whole(raw, row))
    return found


def _whole_order(session: Session, raw: msgspec.Raw, row: _Row) -> bytes:
    return _whole(session, raw, row, "lineItems", graphql.LINES)


def _whole_product(session: Session, raw: msgspec.Raw, row: _Row) -> bytes:
    return _whole(session, raw, row, "variants", graphql.VARIANTS)


def _whole(session: Session, raw: msgspec.Raw, row: _Row, field: str, query: str) -> bytes:
    """The row with what its nested connection holds beyond the first page."""
    nested = row.line_items or row.variants
    cursor = nested.page_info.following(f"shopify {field}", None) if nested else None
    if cursor is None:
        return bytes(raw)
    whole: dict[str, Any] = msgspec.json.decode(raw)
    while cursor is not None:
        parent = ask(session, field, query, _Parent, id=row.id, after=cursor).parent
        if parent is None:
            break
        whole[field]["nodes"] += parent.rows.nodes
        cursor = parent.rows.page_info.following(f"shopify {field}", cursor)
    whole[field]["pageInfo"] = {"hasNextPage": False}
    return msgspec.json.encode(whole)


def open_session(opening: SessionRequest) -> Session:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(opening, ShopSettings)
    bucket = CostBucket(opening.clock)
    client = Client(
        opening,
        marketplace="shopify",
        hosts=frozenset({settings.shop}),
        auth=_auth(opening, f"https://{settings.shop}/admin/oauth/access_token"),
        pace=bucket,
        base_url=settings.base_url,
    )
    url = f"https://{settings.shop}/admin/api/{graphql.API_VERSION}/graphql.json"
    return Session(client, Shop(url, bucket), opening.connection.store_buyer_pii)


def _auth(opening: SessionRequest, token_url: str) -> Auth:
    """The strategy for the kind of credential the secret holds."""
    content = opening.secrets.get(opening.connection.credential)
    credential = parse_credential(opening, content, Credential)

    def grant(client: Client, owner: Credential, kind: type[G], **fields: str | None) -> G:
        body = {"client_id": owner.client_id, "client_secret": owner.client_secret, **fields}
        # An exchange is refused with 400 and a word such as invalid_grant.
        return client.request(
            "token",
            token_url,
            lambda response: response.decode(kind),
            json=body,
            authenticated=False,
            errors={400: CredentialsRejected},
        )

    def rotate(client: Client, content: str) -> Rotation:
        owner = parse_credential(opening, content, Credential)
        if not owner.refresh_token:
            raise CredentialsRejected("shopify token: this version of the secret has no refresh token")
        return grant(client, owner, Rotation, grant_type="refresh_token", refresh_token=owner.refresh_token)

    def exchange(client: Client) -> Token:
        granted = grant(client, credential, _Granted, grant_type="client_credentials")
        return Token.granted(granted.access_token, granted.expires_in, now())

    now = opening.clock.now
    if credential.refresh_token:
        kept = None
        if credential.access_token and credential.expires_at:
            kept = Token(credential.access_token, credential.expires_at)
        return ExpiringToken(_TOKEN_HEADER, "", RotatingGrant(opening, content, rotate), now, kept)
    if credential.access_token:
        return FixedHeader(_TOKEN_HEADER, credential.access_token)
    return ExpiringToken(_TOKEN_HEADER, "", exchange, now)


def check(session: Session) -> str:
    """Name the shop the credential opens."""
    shop = ask(session, "shop", graphql.SHOP, _ShopName).shop
    return f"shopify: {shop.name} ({shop.myshopify_domain})"


_AGE = timedelta(minutes=2)

CONNECTOR = Connector(
    marketplace="shopify",
    settings=ShopSettings,
    credential=Credential,
    access=ACCESS,
    streams={
        "orders": Stream(
            name="orders",
            listing=Listing.INCREMENTAL,
            fetch=fetch_orders,
            normalize=records.order,
            record_id=records.order_id,
            version=1,
            age=_AGE,
            durable_token=True,
            ordered=True,
            remembers_all=False,
            # Deleted orders leave no trace; what matters of them is recent.
            long_span=timedelta(days=14),
        ),
        "products": Stream(
            name="products",
            listing=Listing.INCREMENTAL,
            fetch=fetch_products,
            normalize=records.product,
            record_id=records.product_id,
            version=1,
            age=_AGE,
            durable_token=True,
            ordered=True,
            long_span=timedelta.max,
        ),
        "inventory": Stream(
            name="inventory",
            listing=Listing.INCREMENTAL,
            fetch=fetch_inventory,
            normalize=records.level,
            record_id=records.level_id,
            version=1,
            age=_AGE,
            durable_token=True,
            long_span=timedelta.max,
        ),
    },
    epoch=datetime(2006, 1, 1, tzinfo=UTC),
    open=open_session,
    check=check,
    personal_fields=records.PERSONAL_FIELDS,
)
