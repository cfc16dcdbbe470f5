"""Amazon's Selling Partner API: settings, credential, session, rate limits, and the meaning of refusals.

Source: Amazon's published models (github.com/amzn/selling-partner-api-models: orders 2026-01-01,
listings items 2021-08-01, FBA inventory v1, reports 2021-06-30, sellers v1) and developer-docs.amazon.com,
read 2026-11-23. Facts that this module depends on:

- An access token is exchanged at another host, lasts an hour, and serves all calls of a session.
- A refused access token is a 403, not a 401; so is a role that the application lacks. Roles are given for
  each operation (`role-mappings`), so such a 403 says nothing about the other operations.
- A seller who does not take part in Fulfillment by Amazon gets 400 `InvalidInput` for its stock at Amazon,
  for ever, and no operation tells who takes part (github.com/ericcj/amz_sp_api/issues/28,
  github.com/jlevers/selling-partner-api/issues/118). A wrong query gets the same answer.
- Limits are for each operation. They are documented, and `x-amzn-RateLimit-Limit` tells them as a rate.
  A 429 does not say how long to wait; the wait is one call's share of the rate.
- Amazon's support asks for `x-amzn-RequestId`, so every error names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import (
    CredentialsRejected,
    PageTokenExpired,
    PermissionDenied,
    RequestRejected,
)
from orchestrator.marketplaces.auth import ExpiringToken, Granted, Token, ask_token
from orchestrator.marketplaces.client import Client, Errors
from orchestrator.marketplaces.pacing import OperationBuckets, Rate
from orchestrator.marketplaces.response import Response
from orchestrator.marketplaces.session_request import SessionRequest, Settings, read_credential, read_settings
from orchestrator.marketplaces.spec import Access, Scope, Session

T = TypeVar("T")

TOKEN_HOST = "api.amazon.com"  # noqa: S105 - a host's name
#: Hosts of report documents seen so far, such as `tortuga-prod-eu.s3-eu-west-1.amazonaws.com`.
DOCUMENT_HOSTS = re.compile(r"tortuga-prod-(na|eu|fe)\.s3[.-][a-z0-9-]+\.amazonaws\.com")
#: Defaults of the published models; operations that are not repeated in a row have no entry.
RATES = {
    "orders": Rate(0.0056, 20),
    "listings": Rate(5, 5),
    "listing": Rate(5, 10),
    "fba": Rate(2, 2),
    "create_report": Rate(0.0167, 15),
    "report": Rate(2, 15),
    "document": Rate(0.0167, 15),
    "sellers": Rate(0.016, 15),
}
#: The roles that open an operation; any one of them does.
_STOCK_ROLE = "Amazon Fulfillment or Product Listing"
ROLES = {
    "orders": "Inventory and Order Tracking",
    "listings": "Product Listing",
    "listing": "Product Listing",
    "fba": _STOCK_ROLE,
    "create_report": "Product Listing",
    "report": "Product Listing",
    "document": "Product Listing",
    "sellers": "Finance and Accounting",
}
#: Words in the error for an access token that is expired, malformed or missing.
_REFUSED_TOKEN = "access token"  # noqa: S105 - words of a message


class SellerSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    region: Annotated[
        Literal["na", "eu", "fe"],
        Meta(description="Amazon's region: na (Americas), eu (Europe, Africa, India), fe (Far East)."),
    ]
    marketplace_ids: Annotated[
        tuple[str, ...],
        Meta(description="Ids of 1 to 50 marketplaces of this region, such as A1F83G8C2ARO7P."),
    ]
    seller_id: Annotated[str, Meta(description="Merchant token `A…`: Settings > Account Info.")]
    destination: Annotated[
        bool,
        Meta(
            description="Store the country and region that orders go to. Amazon sends them only with the "
            "whole address, which is dropped unless the connection stores personal data; "
            "it needs the role for the delivery address."
        ),
    ] = False

    def __post_init__(self) -> None:
        """Refuse texts that cannot be ids."""
        # A search for orders accepts at most 50.
        ids = self.marketplace_ids
        if not (0 < len(ids) <= 50 and len(set(ids)) == len(ids) and all(map(_is_id, ids))):
            raise ValueError("marketplace_ids takes a list of 1 to 50 ids such as A1F83G8C2ARO7P, each once")
        if not _is_id(self.seller_id):
            raise ValueError("seller_id takes the merchant token as Seller Central shows it")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content: the application's credentials, and the seller's grant."""

    client_id: Annotated[str, Meta(description="Client identifier of the application, `amzn1.…`.")]
    client_secret: Annotated[str, Meta(description="Client secret of the application.")]
    refresh_token: Annotated[str, Meta(description="Token shown when the seller authorizes it, `Atzr|…`.")]


ACCESS = Access(
    menu_path=("Seller Central", "Apps and Services", "Develop Apps", "the application", "Authorize app"),
    scopes_are="role",
    scopes=(
        Scope("Inventory and Order Tracking", "orders with items, states and totals", ("orders",)),
        Scope("Product Listing", "listings, the listings report, and stock", ("products", "inventory")),
        Scope("Finance and Accounting", "the seller's marketplaces, for the check", ()),
        Scope(
            "Direct-to-Consumer Shipping (Restricted)",
            "the buyer's e-mail and delivery address, if the connection stores personal data; the delivery "
            "address, with the setting `destination`",
            ("orders",),
            optional=True,
        ),
    ),
    lifetime="The client secret must be rotated every 180 days: store the new one in the connection's "
    "secret. A seller's authorization lapses after a year, and does not include roles added later: "
    "authorize the application again.",
    sources=(
        "https://developer-docs.amazon.com/sp-api/docs/self-authorization",
        "https://developer-docs.amazon.com/sp-api/docs/rotating-your-apps-lwa-credentials",
        "https://developer-docs.amazon.com/sp-api/docs/role-mappings",
        "https://developer-docs.amazon.com/sp-api/docs/get-seller-market-participation",
        "https://developer-docs.amazon.com/sp-api/docs/access-orders-pii",
    ),
)


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class Paged(msgspec.Struct, rename="camel", kw_only=True):
    """An answer that may have a next page."""

    pagination: _Pagination | None = None

    @property
    def next_token(self) -> str | None:
        """The next page's token; None on the last page."""
        return self.pagination.next_token if self.pagination else None


class _Error(msgspec.Struct):
    code: str
    details: str | None = None
    message: str | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error]


class Fba(msgspec.Struct, frozen=True, array_like=True, tag="fba"):
    """A position in the listing of stock at Amazon."""

    marketplace: str
    page: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """The latest SKUs of a report, and the rest of it."""

    document_id: str
    #: Row of the first SKU.
    first: int
    skus: list[str]
    rest: Iterator[str] = field(repr=False)


@dataclass(slots=True)
class Seller:
    """The connection's settings, and the session's state."""

    region: str
    marketplace_ids: tuple[str, ...]
    seller_id: str
    #: Whether the address of orders is asked for without personal data being stored.
    destination: bool = False
    #: The next page of stock at Amazon, and the token for it, which lives for seconds.
    fba: tuple[Fba, str] | None = None
    #: The report that is being read.
    report: Batch | None = None


class Gone(RequestRejected):
    """The item asked for by its name no longer exists."""


class NotEnrolled(RequestRejected):
    """Amazon refuses to list its stock, as it does for a seller that has none there."""


#: The meaning of 400 for a query with a page token, and of 404 for a single item.
WITH_TOKEN: Errors = {400: PageTokenExpired}
SINGLE: Errors = {404: Gone}
#: The meaning of an error for the first page of the stock at Amazon.
ENROLLED: Errors = {"InvalidInput": NotEnrolled}


class _Forbidden(CredentialsRejected):
    """Refused, and the reason is not known: another access token may help."""


def ask(
    session: Session[Seller],
    operation: str,
    path: str,
    kind: type[T],
    params: Sequence[tuple[str, str]] = (),
    *,
    json: object = None,
    errors: Errors | None = None,
) -> T:
    """Make a call of the region's API.

    Args:
        session: The seller's.
        operation: One of `RATES`.
        path: The URL after the host.
        kind: The form of the answer.
        params: The query.
        json: A body, if the call creates something.
        errors: The meaning of a status for this call alone.

    Raises:
        MarketplaceError: One of its kinds.
    """
    url = f"https://{_host(session.settings.region)}{path}"
    try:
        return session.client.request(
            operation, url, lambda response: response.decode(kind), params=params, json=json, errors=errors
        )
    except _Forbidden as error:
        action = f"give the application the role {ROLES[operation]} in Seller Central, and authorize it again"
        raise PermissionDenied(error.message, action=action) from None


def open_session(request: SessionRequest) -> Session[Seller]:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(request, SellerSettings)
    credential = read_credential(request, Credential)
    form = {"grant_type": "refresh_token", **msgspec.structs.asdict(credential)}

    def exchange(client: Client) -> Token:
        granted = ask_token(client, f"https://{TOKEN_HOST}/auth/o2/token", Granted, form=form)
        return Token.granted(granted, request.clock.now())

    client = Client(
        request,
        marketplace="amazon",
        hosts=frozenset({_host(settings.region), TOKEN_HOST}),
        host_pattern=DOCUMENT_HOSTS,
        auth=ExpiringToken("x-amz-access-token", "", exchange, request.clock.now),
        pace=OperationBuckets(request.clock, RATES, "x-amzn-RateLimit-Limit"),
        errors={403: _Forbidden, "AccessToken": CredentialsRejected},
        error_code=_error_code,
        request_id="x-amzn-RequestId",
        base_url=settings.base_url,
    )
    seller = Seller(settings.region, settings.marketplace_ids, settings.seller_id, settings.destination)
    return Session(client, seller, request.connection.store_buyer_pii)


def _host(region: str) -> str:
    return f"sellingpartnerapi-{region}.amazon.com"


def _is_id(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Z0-9]{5,20}", text))


def _error_code(response: Response) -> str | None:
    """Amazon's own code; `AccessToken` if Amazon refused the token itself, not a right that it lacks."""
    try:
        error = msgspec.json.decode(response.body, type=_Errors).errors[0]
    except (*UNREADABLE, IndexError):
        return None
    if response.status == 403 and _REFUSED_TOKEN in f"{error.message} {error.details}".lower():
        return "AccessToken"
    return "".join(each for each in error.code[:40] if each.isascii() and each.isalnum()) or None
