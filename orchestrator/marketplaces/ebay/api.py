"""eBay's door: what people configure, tokens, the day's quota, and what its errors are called."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import CredentialsRejected, PermissionDenied, RequestRejected
from orchestrator.marketplaces.auth import ExpiringToken, Token
from orchestrator.marketplaces.client import Client, Response
from orchestrator.marketplaces.pacing import DailyQuota
from orchestrator.marketplaces.session_request import SessionRequest, Settings, read_credential, read_settings
from orchestrator.marketplaces.spec import Access, Scope, Session

T = TypeVar("T")

HOST = "api.ebay.com"
INVENTORY = f"https://{HOST}/sell/inventory/v1"
TOKEN_URL = f"https://{HOST}/identity/v1/oauth2/token"
#: Midnight Pacific standard time; an hour past midnight while daylight saving lasts there.
DAY_BEGINS = timedelta(hours=8)
#: Access tokens of this process, by what they were exchanged for.
_tokens: dict[str, Token] = {}
_MOST_TOKENS = 2000

#: What buyers read on each site, as a header's value.
LANGUAGES = {
    **{f"EBAY_{site}": f"en-{site}" for site in ("AU", "CA", "GB", "IE", "MY", "PH", "SG", "US")},
    **{f"EBAY_{site}": f"de-{site}" for site in ("AT", "CH", "DE")},
    **{f"EBAY_{site}": f"nl-{site}" for site in ("BE", "NL")},
    "EBAY_ES": "es-ES",
    "EBAY_FR": "fr-FR",
    "EBAY_HK": "zh-HK",
    "EBAY_IT": "it-IT",
    "EBAY_MOTORS_US": "en-US",
    "EBAY_PL": "pl-PL",
    "EBAY_TH": "th-TH",
    "EBAY_TW": "zh-TW",
    "EBAY_VN": "vi-VN",
}


class NoOffers(RequestRejected):
    """The SKU has no offers, or is one that eBay takes no questions about."""


class SiteSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    marketplace_id: Annotated[
        str, Meta(description="The site whose offers give the prices, such as EBAY_GB; orders come from all.")
    ]

    def __post_init__(self) -> None:
        """Refuse what is not one of eBay's sites."""
        if self.marketplace_id not in LANGUAGES:
            raise ValueError(f"marketplace_id takes one of {', '.join(sorted(LANGUAGES))}")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content."""

    client_id: Annotated[str, Meta(description="App ID (client id) of the application's production keys.")]
    client_secret: Annotated[
        str, Meta(description="Cert ID (client secret) of the application's production keys.")
    ]
    refresh_token: Annotated[
        str, Meta(description="Refresh token of the seller's consent; eBay does not replace it on use.")
    ]


_SCOPE = "https://api.ebay.com/oauth/api_scope"
ACCESS = Access(
    menu_path=("developer.ebay.com", "My Account", "Application Keys", "User Tokens"),
    scopes_are="OAuth scope",
    scopes=(
        Scope(f"{_SCOPE}/sell.fulfillment.readonly", "orders with their payments and refunds", ("orders",)),
        Scope(
            f"{_SCOPE}/sell.inventory.readonly",
            "inventory items, their offers and their stock; the check of a connection",
            ("products", "inventory"),
        ),
    ),
    lifetime="The refresh token lasts 18 months; then the seller consents again.",
    sources=(
        "https://developer.ebay.com/develop/guides-v2/authorization",
        "https://developer.ebay.com/api-docs/static/oauth-refresh-token-request.html",
        "https://developer.ebay.com/api-docs/static/oauth-ui-tokens.html",
    ),
)


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: int


class _Error(msgspec.Struct):
    error_id: int | None = msgspec.field(default=None, name="errorId")


class _Errors(msgspec.Struct):
    errors: list[_Error] = []
    #: The token endpoint's word.
    error: str | None = None


def ask_inventory(
    session: Session, operation: str, resource: str, kind: type[T], params: list[tuple[str, str]]
) -> T:
    """A call of the Inventory API, read as `kind`.

    Raises:
        NoOffers: See there.
        MarketplaceError: One of its kinds.
    """
    return session.client.request(
        operation,
        f"{INVENTORY}/{resource}",
        lambda response: response.decode(kind),
        params=params,
        headers={"Accept-Language": LANGUAGES[session.settings.marketplace_id]},
    )


def open_session(opening: SessionRequest) -> Session:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(opening, SiteSettings)
    credential = read_credential(opening, Credential)
    basis = msgspec.json.encode([settings.base_url, credential], order="deterministic")
    key = hashlib.sha256(basis).hexdigest()
    pair = f"{credential.client_id}:{credential.client_secret}".encode()
    basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    # Without `scope`, the token may do what the seller has consented to.
    form = {"grant_type": "refresh_token", "refresh_token": credential.refresh_token}

    def exchange(client: Client) -> Token:
        granted = client.request(
            "token",
            TOKEN_URL,
            lambda response: response.decode(_Granted),
            form=form,
            headers=basic,
            authenticated=False,
            # A refresh token that is dead or another application's.
            errors={400: CredentialsRejected},
        )
        token = Token.granted(granted.access_token, granted.expires_in, now())
        if len(_tokens) >= _MOST_TOKENS:
            _tokens.clear()
        _tokens[key] = token
        return token

    now = opening.clock.now
    client = Client(
        opening,
        marketplace="ebay",
        hosts=frozenset({HOST}),
        auth=ExpiringToken("Authorization", "Bearer ", exchange, now, _tokens.get(key)),
        pace=DailyQuota(
            opening.clock,
            quota_of=lambda operation: operation if operation in ("orders", "token") else "inventory",
            is_used_up=lambda response: error_code(response) == "2001",
            day_begins=DAY_BEGINS,
            reset="X-EBAY-C-RATELIMIT-RESET",
        ),
        # No offer of this SKU; a SKU with characters that only listings made elsewhere may have.
        errors={"25713": NoOffers, "25707": NoOffers, "1100": PermissionDenied},
        error_code=error_code,
        base_url=settings.base_url,
    )
    return Session(client, settings, opening.connection.store_buyer_pii)


def error_code(response: Response) -> str | None:
    """The first error's number, or the token endpoint's word for it."""
    try:
        answer = msgspec.json.decode(response.body, type=_Errors)
    except UNREADABLE:
        return None
    if answer.errors and answer.errors[0].error_id is not None:
        return str(answer.errors[0].error_id)
    word = answer.error or ""
    return word if word.isascii() and word.replace("_", "").isalpha() and len(word) < 40 else None
