"""Shopify's Admin API: settings, credential, session, and how its GraphQL answers are read.

Source: shopify.dev, Admin API 2026-10 (access tokens, rate limits, versioning), read 2026-11-23. Facts that
this module depends on:

- An answer tells the cost of its query, and can have errors beside data.
- A version past its end is served silently by another one: the answer's header is compared.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceUnavailable,
    PageTokenExpired,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.auth import (
    ExpiringToken,
    FixedHeader,
    Granted,
    RotatingGrant,
    Rotation,
    Token,
    ask_token,
)
from orchestrator.marketplaces.client import Auth, Client, Response
from orchestrator.marketplaces.pacing import CostBucket
from orchestrator.marketplaces.paging import single_step
from orchestrator.marketplaces.session_request import (
    SessionRequest,
    Settings,
    parse_credential,
    read_settings,
)
from orchestrator.marketplaces.shopify.queries import POINTS
from orchestrator.marketplaces.spec import Access, Scope, Session
from orchestrator.marketplaces.values import Instant

API_VERSION = "2026-10"
T = TypeVar("T")
G = TypeVar("G", bound=Granted)
_TOKEN_HEADER = "X-Shopify-Access-Token"  # noqa: S105 - a header's name
_log = logging.getLogger(__name__)


class ShopSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    shop: Annotated[str, Meta(description="The shop's own host, name.myshopify.com.")]
    fulfillment_orders: Annotated[
        bool,
        Meta(
            description="Whether to read `ship_by` of orders that are not sent yet: one call more for up to "
            "100 such orders that changed. It needs an access scope for fulfillment orders; without one "
            "`ship_by` stays null, and the log says so. Once it is granted, a run with `full` fills older "
            "orders."
        ),
    ] = False

    def __post_init__(self) -> None:
        """Refuse a text that is not a shop's own host."""
        name = self.shop.removesuffix(".myshopify.com")
        if name == self.shop or not (name.isascii() and name.replace("-", "").isalnum()):
            raise ValueError("shop takes the form name.myshopify.com")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content: a lasting token, client credentials, or those with a rotating refresh token."""

    access_token: Annotated[
        str | None,
        Meta(description="Lasting token of an admin-made app, `shpat_…`, or the latest rotation's."),
    ] = None
    client_id: Annotated[str | None, Meta(description="Client ID of the app.")] = None
    client_secret: Annotated[str | None, Meta(description="Client secret of the app.")] = None
    refresh_token: Annotated[
        str | None, Meta(description="Token that is replaced on each use; the sync stores its replacement.")
    ] = None
    expires_at: Annotated[
        Instant | None, Meta(description="End of `access_token`; the sync stores it with each rotation.")
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
        Scope("read_orders", "orders of the last 60 days, with lines and refunds", ("orders",)),
        Scope(
            "read_all_orders",
            "older orders; granted on request, and without it they are absent without an error",
            ("orders",),
            optional=True,
        ),
        Scope(
            "read_merchant_managed_fulfillment_orders",
            "`ship_by` of orders that the seller's own locations ship, with the setting `fulfillment_orders`",
            ("orders",),
            optional=True,
        ),
        Scope(
            "read_third_party_fulfillment_orders",
            "the same of orders that fulfillment services ship",
            ("orders",),
            optional=True,
        ),
        Scope("read_products", "products with variants, and those of order lines", ("products", "orders")),
        Scope("read_inventory", "stock levels of the items", ("inventory",)),
        Scope("read_locations", "the locations whose stock is listed", ("inventory",)),
        Scope(
            "protected customer data",
            "buyers, if the connection stores personal data; an approval of the app, not a scope",
            ("orders",),
            optional=True,
        ),
    ),
    lifetime="Client credentials last until the app is removed, for shops of the app's own organization. "
    "Refresh tokens are replaced on each use. Admin-made tokens do not expire; no new ones since 2026-01-01.",
    sources=(
        "https://shopify.dev/docs/apps/build/dev-dashboard/get-api-access-tokens",
        "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens",
        "https://shopify.dev/docs/api/usage/access-scopes",
    ),
)


@dataclass(slots=True)
class Shop:
    """The session's shop."""

    graphql_url: str
    bucket: CostBucket
    #: Whether to read the deadlines of fulfilment orders; unset once Shopify denies access to them.
    fulfillment_orders: bool = False
    _warned: set[str] = field(default_factory=set)
    _counted: set[str] = field(default_factory=set)

    def warn_once(self, message: str, kind: str = "") -> None:
        """Log the session's first warning of a kind; later ones would repeat it for every page."""
        if kind not in self._warned:
            self._warned.add(kind)
            _log.warning("%s", message, extra={"action": "answer_warning"})

    def note_cost(self, call: str, query: str, points: float) -> None:
        """Log a query's requested cost beside the expected one, once in a session.

        How Shopify counts lists is not documented: the lines tell it, and how much larger pages may be.
        """
        if query in self._counted:
            return
        self._counted.add(query)
        most = POINTS.get(query)
        extra = {"action": "query_cost", "points": points, "expected_points": most}
        _log.info(
            "%s: Shopify counts %g points, and at most %s are expected", call, points, most, extra=extra
        )


def open_session(request: SessionRequest) -> Session[Shop]:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(request, ShopSettings)
    bucket = CostBucket(request.clock)
    client = Client(
        request,
        marketplace="shopify",
        hosts=frozenset({settings.shop}),
        auth=_auth(request, f"https://{settings.shop}/admin/oauth/access_token"),
        pace=bucket,
        base_url=settings.base_url,
    )
    url = f"https://{settings.shop}/admin/api/{API_VERSION}/graphql.json"
    return Session(client, Shop(url, bucket, settings.fulfillment_orders), request.connection.store_buyer_pii)


def _auth(request: SessionRequest, token_url: str) -> Auth:
    """The strategy for the secret's kind of credential."""
    content = request.secrets.get(request.connection.credential)
    credential = parse_credential(request, content, Credential)

    def grant(client: Client, owner: Credential, kind: type[G], **fields: str | None) -> G:
        body = {"client_id": owner.client_id, "client_secret": owner.client_secret, **fields}
        return ask_token(client, token_url, kind, json=body)

    def rotate(client: Client, content: str) -> Rotation:
        owner = parse_credential(request, content, Credential)
        if not owner.refresh_token:
            raise CredentialsRejected("shopify token: this version of the secret has no refresh token")
        return grant(client, owner, Rotation, grant_type="refresh_token", refresh_token=owner.refresh_token)

    def exchange(client: Client) -> Token:
        return Token.granted(grant(client, credential, Granted, grant_type="client_credentials"), now())

    now = request.clock.now
    if credential.refresh_token:
        kept = None
        if credential.access_token and credential.expires_at:
            kept = Token(credential.access_token, credential.expires_at)
        return ExpiringToken(_TOKEN_HEADER, "", RotatingGrant(request, content, rotate), now, kept)
    if credential.access_token:
        return FixedHeader(_TOKEN_HEADER, credential.access_token)
    return ExpiringToken(_TOKEN_HEADER, "", exchange, now)


class PageInfo(msgspec.Struct, rename="camel"):
    """The next page of a GraphQL connection."""

    has_next_page: bool
    end_cursor: str | None = None

    def following(self, operation: str, cursor: str | None) -> str | None:
        """The next page's cursor, None at the end.

        Raises:
            ResponseInvalid: The cursor is missing, or is the one that asked for this page.
        """
        if not self.has_next_page:
            return None
        if not self.end_cursor:
            raise ResponseInvalid(f"{operation}: says there is a next page but not where")
        return single_step(operation, cursor, self.end_cursor)


class _ThrottleStatus(msgspec.Struct, rename="camel"):
    maximum_available: float
    currently_available: float
    restore_rate: float


class _Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float
    throttle_status: _ThrottleStatus


class _Extensions(msgspec.Struct, frozen=True):
    cost: _Cost | None = None


class _ErrorExtensions(msgspec.Struct, frozen=True):
    code: str | None = None


class _Error(msgspec.Struct):
    message: str = ""
    extensions: _ErrorExtensions = _ErrorExtensions()


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    #: A text if the API in front refuses the call, a list if GraphQL does.
    errors: list[_Error] | str = []
    extensions: _Extensions = _Extensions()

    def has_data(self) -> bool:
        """Whether the answer has any of the fields, or of the nodes, asked for."""
        try:
            fields = msgspec.json.decode(self.data)
        except UNREADABLE:
            return False
        found = fields.values() if isinstance(fields, dict) else ()
        nodes = (node for each in found for node in (each if isinstance(each, list) else [each]))
        return any(node is not None for node in nodes)


def ask(
    session: Session[Shop],
    operation: str,
    query: str,
    kind: type[T],
    **variables: str | Sequence[str] | None,
) -> T:
    """Run a query and read its `data` as `kind`.

    Raises:
        MarketplaceError: One of its kinds; a throttled or half-answered query is retried first.
    """
    shop = session.settings

    def read(response: Response) -> T:
        answer = _read(shop, operation, query, response)
        try:
            return msgspec.json.decode(answer.data, type=kind)
        except UNREADABLE as error:
            raise response.broken_promise(error) from None

    query_and_variables = {"query": query, "variables": variables}
    return session.client.request(operation, shop.graphql_url, read, json=query_and_variables)


def _read(shop: Shop, operation: str, query: str, response: Response) -> _Answer:
    served = response.headers.get("X-Shopify-API-Version", API_VERSION)
    if served != API_VERSION:
        message = f"{response.call}: served as version {served} instead of {API_VERSION}"
        raise ResponseInvalid(message, action="move the connector to a version that Shopify still supports")
    if reason := response.headers.get("X-Shopify-API-Deprecated-Reason"):
        shop.warn_once(f"{response.call}: uses something deprecated: {reason}")
    answer = response.decode(_Answer)
    if cost := answer.extensions.cost:
        shop.note_cost(response.call, query, cost.requested_query_cost)
        now = cost.throttle_status
        shop.bucket.tell(
            operation,
            cost.requested_query_cost,
            now.currently_available,
            now.maximum_available,
            now.restore_rate,
        )
    if answer.errors:
        _raise_errors(shop, operation, response.call, answer)
    elif bytes(answer.data) == b"null":
        raise ResponseInvalid(f"{response.call}: answered with neither data nor errors")
    return answer


def _raise_errors(shop: Shop, operation: str, call: str, answer: _Answer) -> None:
    """Raise the errors' meaning, or return if the data beside them is all that the app may see."""
    if isinstance(answer.errors, str):
        raise RequestRejected(f"{call}: the call is refused")
    codes = {error.extensions.code for error in answer.errors}
    named = ", ".join(sorted(code for code in codes if code)) or "no code"
    if "THROTTLED" in codes:
        raise RateLimited(f"{call}: throttled", wait_s=max(1.0, shop.bucket.wait_s(operation)))
    if codes == {"ACCESS_DENIED"}:
        if not answer.has_data():
            action = "grant the app the scope this query needs"
            raise PermissionDenied(f"{call}: access is denied", action=action)
        shop.warn_once(f"{call}: some fields are withheld: the app lacks approval for them")
        return
    if any("cursor" in error.message.lower() for error in answer.errors):
        raise PageTokenExpired(f"{call}: the page token is not accepted")
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"} or answer.has_data():
        # Part of the data is missing, so none of it is used.
        raise MarketplaceUnavailable(f"{call}: answered with errors ({named})")
    raise RequestRejected(f"{call}: the query is refused ({named})")
