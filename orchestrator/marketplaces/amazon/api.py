"""Amazon's Selling Partner API: who may call, how often, and what a refusal means.

Source: Amazon's published models (github.com/amzn/selling-partner-api-models: orders 2026-01-01,
listings items 2021-08-01, FBA inventory v1, reports 2021-06-30, sellers v1) and developer-docs.amazon.com,
read 2026-11-23. What is heeded:

- An access token is exchanged at another host, lasts an hour, and serves all calls of a session.
- A refused access token is a 403, not a 401; so is a role that the application lacks.
- Limits are for each operation: documented, and told as a rate by `x-amzn-RateLimit-Limit`. A 429 does
  not say how long to wait: a call's share of the rate.
- `x-amzn-RequestId` is what Amazon's support asks for: it stands in every error.
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
    ConnectionInvalid,
    CredentialsRejected,
    PageTokenExpired,
    PermissionDenied,
    RequestRejected,
)
from orchestrator.marketplaces.auth import ExpiringToken, Token
from orchestrator.marketplaces.client import Client, Errors, Response
from orchestrator.marketplaces.pacing import OperationBuckets, Rate
from orchestrator.marketplaces.session_request import SessionRequest, Settings, read_credential, read_settings
from orchestrator.marketplaces.spec import Access, Scope, Session

T = TypeVar("T")

TOKEN_HOST = "api.amazon.com"  # noqa: S105 - a host's name
#: Where report documents have been seen: `tortuga-prod-eu.s3-eu-west-1.amazonaws.com`.
DOCUMENT_HOSTS = re.compile(r"tortuga-prod-(na|eu|fe)\.s3[.-][a-z0-9-]+\.amazonaws\.com")
#: Defaults of the published models; calls that are not made in rows are not held back.
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
#: What `details` says of an access token that is expired, malformed or missing.
_REFUSED_TOKEN = "access token"  # noqa: S105 - words of a message


class SellerSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    region: Annotated[
        Literal["na", "eu", "fe"],
        Meta(description="Amazon's region of the account: North America, Europe with Africa, or Far East."),
    ]
    marketplace_ids: Annotated[
        tuple[str, ...],
        Meta(
            description="Amazon's ids of 1 to 50 marketplaces of this region, such as A1F83G8C2ARO7P "
            "(the limit is that of one search for orders)."
        ),
    ]
    seller_id: Annotated[
        str, Meta(description="The seller's merchant token, `A…`: Settings > Account Info > Merchant Token.")
    ]

    def __post_init__(self) -> None:
        """Refuse what cannot be an id."""
        ids = self.marketplace_ids
        if not (0 < len(ids) <= 50 and len(set(ids)) == len(ids) and all(map(_is_id, ids))):
            raise ValueError("marketplace_ids takes a list of 1 to 50 ids such as A1F83G8C2ARO7P, each once")
        if not _is_id(self.seller_id):
            raise ValueError("seller_id takes the merchant token as Seller Central shows it")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content: the application's, and what the seller granted it."""

    client_id: Annotated[
        str, Meta(description="Client identifier among the application's LWA credentials, `amzn1.…`.")
    ]
    client_secret: Annotated[str, Meta(description="Client secret among the application's LWA credentials.")]
    refresh_token: Annotated[
        str, Meta(description="Token that Amazon shows once the application is authorized, `Atzr|…`.")
    ]


ACCESS = Access(
    menu_path=("Seller Central", "Apps and Services", "Develop Apps", "the application", "Authorize app"),
    scopes_are="role",
    scopes=(
        Scope(
            "Inventory and Order Tracking",
            "orders with their items, states and totals (searchOrders)",
            ("orders",),
        ),
        Scope(
            "Product Listing",
            "listings with prices, the listings report, own stock and stock at Amazon",
            ("products", "inventory"),
        ),
        Scope(
            "Finance and Accounting",
            "the marketplaces in which the seller takes part (getMarketplaceParticipations)",
            (),
        ),
        Scope(
            "Direct-to-Consumer Shipping (Restricted)",
            "the buyer's e-mail address and the delivery address, if the connection stores them",
            ("orders",),
            optional=True,
        ),
    ),
    lifetime="The authorization lapses after a year; authorize the application again. A role that is added "
    "later takes effect with a new authorization.",
    sources=(
        "https://developer-docs.amazon.com/sp-api/docs/self-authorization",
        "https://developer-docs.amazon.com/sp-api/docs/role-mappings",
        "https://developer-docs.amazon.com/sp-api/docs/get-orders-with-filtering-criteria",
        "https://developer-docs.amazon.com/sp-api/docs/get-fba-inventory-summaries",
        "https://developer-docs.amazon.com/sp-api/docs/get-seller-market-participation",
        "https://developer-docs.amazon.com/sp-api/docs/access-orders-pii",
    ),
)


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: int


class _Error(msgspec.Struct):
    code: str
    details: str | None = None
    message: str | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error]


class Fba(msgspec.Struct, frozen=True, array_like=True, tag="fba"):
    """How far Amazon's own stock has been listed."""

    marketplace: str
    page: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """SKUs of a report, and where its reading stands."""

    document_id: str
    #: Row of the first SKU.
    first: int
    skus: list[str]
    rest: Iterator[str] = field(repr=False)


@dataclass(slots=True)
class Seller:
    """What a session keeps beside its client."""

    settings: SellerSettings
    #: The page of Amazon's stock that comes next, and the token for it, which lives for seconds.
    fba: tuple[Fba, str] | None = None
    #: The report that is being read.
    report: Batch | None = None


class Gone(RequestRejected):
    """What was asked for by its name is not there any more."""


#: What a query with a page token means by 400, and one for a single thing by 404.
WITH_TOKEN: Errors = {400: PageTokenExpired}
SINGLE: Errors = {404: Gone}


class _Forbidden(CredentialsRejected):
    """Refused, for whatever reason: it may go away with another access token."""


def ask(
    session: Session,
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
        path: From the host on.
        kind: What the answer is.
        params: The query.
        json: A body, where the call creates something.
        errors: What a status means for this call alone.

    Raises:
        MarketplaceError: One of its kinds.
    """
    url = f"https://{_host(session.settings.settings.region)}{path}"
    try:
        return session.client.request(
            operation, url, lambda response: response.decode(kind), params=params, json=json, errors=errors
        )
    except _Forbidden as error:
        action = "give the application the role this call needs in Seller Central, and authorize it again"
        raise PermissionDenied(error.message, action=action) from None


def open_session(opening: SessionRequest) -> Session:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(opening, SellerSettings)
    credential = read_credential(opening, Credential)

    def exchange(client: Client) -> Token:
        granted = client.request(
            "token",
            f"https://{TOKEN_HOST}/auth/o2/token",
            lambda response: response.decode(_Granted),
            form={"grant_type": "refresh_token", **msgspec.structs.asdict(credential)},
            authenticated=False,
            errors={400: CredentialsRejected},
        )
        return Token.granted(granted.access_token, granted.expires_in, opening.clock.now())

    client = Client(
        opening,
        marketplace="amazon",
        hosts=frozenset({_host(settings.region), TOKEN_HOST}),
        host_pattern=DOCUMENT_HOSTS,
        auth=ExpiringToken("x-amz-access-token", "", exchange, opening.clock.now),
        pace=OperationBuckets(opening.clock, RATES, "x-amzn-RateLimit-Limit"),
        errors={403: _Forbidden, "AccessToken": CredentialsRejected},
        error_code=_error_code,
        request_id="x-amzn-RequestId",
        base_url=settings.base_url,
    )
    return Session(client, Seller(settings), opening.connection.store_buyer_pii)


class _Marketplace(msgspec.Struct):
    id: str


class _Participation(msgspec.Struct, rename="camel"):
    marketplace: _Marketplace
    store_name: str | None = None


class _Participations(msgspec.Struct):
    payload: list[_Participation]


def check(session: Session) -> str:
    """Name the store, and see that it sells where the settings say.

    Raises:
        ConnectionInvalid: A marketplace id is not one of this seller's in this region.
    """
    settings: SellerSettings = session.settings.settings
    found = ask(session, "sellers", "/sellers/v1/marketplaceParticipations", _Participations).payload
    unknown = set(settings.marketplace_ids) - {each.marketplace.id for each in found}
    if unknown:
        raise ConnectionInvalid(
            f"amazon: the seller does not sell in {', '.join(sorted(unknown))} of region {settings.region}",
            action="correct marketplace_ids or region in the connection's settings",
        )
    store = next((each.store_name for each in found if each.store_name), None) or settings.seller_id
    return f"amazon: {store} ({settings.region}, {', '.join(settings.marketplace_ids)})"


def _host(region: str) -> str:
    return f"sellingpartnerapi-{region}.amazon.com"


def _is_id(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Z0-9]{5,20}", text))


def _error_code(response: Response) -> str | None:
    """Amazon's own code; `AccessToken` where the token was refused and not what it may do."""
    try:
        error = msgspec.json.decode(response.body, type=_Errors).errors[0]
    except (*UNREADABLE, IndexError):
        return None
    if response.status == 403 and _REFUSED_TOKEN in f"{error.message} {error.details}".lower():
        return "AccessToken"
    return "".join(each for each in error.code[:40] if each.isascii() and each.isalnum()) or None
