"""eBay's APIs: settings, credential, session, tokens, and the names of its errors.

Source: eBay's pages on OAuth and on call limits, read 2026-11-23. Facts that this module depends on (for
limits see `limits`):

- Token exchanges are limited (50,000 a day): an instance's sessions share a token for its two hours.
- Inventory calls need a language that eBay knows, else it answers 400 with error 25709.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import MarketplaceError, PermissionDenied, RateLimited, RequestRejected
from orchestrator.marketplaces.auth import ExpiringToken, Granted, Token, ask_token
from orchestrator.marketplaces.client import Client, Errors
from orchestrator.marketplaces.ebay.limits import (
    APPLICATION_SCOPE,
    RATE_LIMITS_URL,
    RESOURCES,
    RateLimits,
    ResourceLimits,
)
from orchestrator.marketplaces.response import Response
from orchestrator.marketplaces.session_request import SessionRequest, Settings, read_credential, read_settings
from orchestrator.marketplaces.spec import Access, Scope, Session
from orchestrator.ports import Clock

T = TypeVar("T")

HOST = "api.ebay.com"
INVENTORY = f"https://{HOST}/sell/inventory/v1"
TOKEN_URL = f"https://{HOST}/identity/v1/oauth2/token"
#: Access tokens of this process, by a hash of the credential that they were exchanged for.
_tokens: dict[str, Token] = {}
_MOST_TOKENS = 2000

#: The buyers' language on each site, as a header's value.
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
    """The SKU has no offers, or eBay refuses to look it up."""


class SiteSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    marketplace_id: Annotated[
        str, Meta(description="The site whose offers give the prices, such as EBAY_GB; orders come from all.")
    ]

    def __post_init__(self) -> None:
        """Refuse a text that is not one of eBay's sites."""
        if self.marketplace_id not in LANGUAGES:
            raise ValueError(f"marketplace_id takes one of {', '.join(sorted(LANGUAGES))}")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content."""

    client_id: Annotated[str, Meta(description="App ID of the application's production keys.")]
    client_secret: Annotated[str, Meta(description="Cert ID of the application's production keys.")]
    refresh_token: Annotated[str, Meta(description="Token of the seller's consent; not replaced on use.")]


_SCOPE = "https://api.ebay.com/oauth/api_scope"
ACCESS = Access(
    menu_path=("developer.ebay.com", "My Account", "Application Keys", "User Tokens"),
    scopes_are="OAuth scope",
    scopes=(
        Scope(f"{_SCOPE}/sell.fulfillment.readonly", "orders with payments and refunds", ("orders",)),
        Scope(f"{_SCOPE}/sell.inventory.readonly", "items, offers and stock", ("products", "inventory")),
    ),
    lifetime="The refresh token lasts 18 months; then the seller consents again.",
    sources=(
        "https://developer.ebay.com/develop/guides-v2/authorization",
        "https://developer.ebay.com/api-docs/static/oauth-refresh-token-request.html",
        "https://developer.ebay.com/api-docs/static/oauth-ui-tokens.html",
    ),
)


class _Error(msgspec.Struct):
    error_id: int | None = msgspec.field(default=None, name="errorId")


class _Errors(msgspec.Struct):
    errors: list[_Error] = []
    #: The token endpoint's word.
    error: str | None = None


@dataclass(slots=True)
class Seller:
    """The session's seller, and its application."""

    marketplace_id: str
    limits: ResourceLimits
    clock: Clock
    #: The application's password as a header, and the key of its token.
    basic: Mapping[str, str] = field(repr=False)
    application: str


def ask(
    session: Session[Seller],
    operation: str,
    url: str,
    kind: type[T],
    params: list[tuple[str, str]],
    *,
    errors: Errors | None = None,
) -> T:
    """A call of one of the APIs, read as `kind`.

    Raises:
        NoOffers: See its description.
        RateLimited: The wait that eBay tells, or until the reset of a used-up day, or until the next try.
        MarketplaceError: One of its kinds.
    """
    inventory = RESOURCES.get(operation) == "inventory"
    headers = {"Accept-Language": LANGUAGES[session.settings.marketplace_id]} if inventory else None
    try:
        return session.client.request(
            operation,
            url,
            lambda response: response.decode(kind),
            params=params,
            headers=headers,
            errors=errors,
        )
    except RateLimited as error:
        until_reset_s = _proven_wait_s(session, operation)
        if until_reset_s is None:
            raise
        message = f"ebay {operation}: the application's calls are used up until their reset"
        raise RateLimited(message, wait_s=until_reset_s) from error


def _proven_wait_s(session: Session[Seller], operation: str) -> float | None:
    """Seconds until the reset of a resource whose calls are used up; None if it is not proved."""
    seller = session.settings
    if not seller.limits.wants_proof(operation):
        return None
    try:
        token = _application_token(session)
        limits = session.client.request(
            "rate_limits",
            RATE_LIMITS_URL,
            lambda response: response.decode(RateLimits),
            params=[("api_context", "sell"), ("api_name", RESOURCES.get(operation, operation))],
            headers={"Authorization": f"Bearer {token}"},
            authenticated=False,
        )
    except MarketplaceError:
        return None  # the tries continue, each after a longer wait
    return seller.limits.use_up(operation, limits)


def _application_token(session: Session[Seller]) -> str:
    seller = session.settings
    key, now = f"application {seller.application}", seller.clock.now()
    token = _tokens.get(key)
    if token is None or token.expires_at <= now:
        form = {"grant_type": "client_credentials", "scope": APPLICATION_SCOPE}
        granted = ask_token(session.client, TOKEN_URL, Granted, form=form, headers=seller.basic)
        token = _kept(key, Token.granted(granted, now))
    return token.value


def _kept(key: str, token: Token) -> Token:
    if len(_tokens) >= _MOST_TOKENS:
        _tokens.clear()
    _tokens[key] = token
    return token


def open_session(request: SessionRequest) -> Session[Seller]:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(request, SiteSettings)
    credential = read_credential(request, Credential)
    key = _hash(settings.base_url, credential)
    application = _hash(settings.base_url, [credential.client_id, credential.client_secret])
    pair = f"{credential.client_id}:{credential.client_secret}".encode()
    basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    # Without `scope`, the token has all the rights that the seller has consented to.
    form = {"grant_type": "refresh_token", "refresh_token": credential.refresh_token}

    def exchange(client: Client) -> Token:
        granted = ask_token(client, TOKEN_URL, Granted, form=form, headers=basic)
        return _kept(key, Token.granted(granted, now()))

    now = request.clock.now
    limits = ResourceLimits(request.clock, application, lambda response: error_code(response) == "2001")
    client = Client(
        request,
        marketplace="ebay",
        hosts=frozenset({HOST}),
        auth=ExpiringToken("Authorization", "Bearer ", exchange, now, _tokens.get(key)),
        pace=limits,
        # No offer of this SKU; a SKU with characters that only listings made by other tools may have.
        errors={"25713": NoOffers, "25707": NoOffers, "1100": PermissionDenied},
        error_code=error_code,
        base_url=settings.base_url,
    )
    seller = Seller(settings.marketplace_id, limits, request.clock, basic, application)
    return Session(client, seller, request.connection.store_buyer_pii)


def _hash(base_url: str | None, secret: object) -> str:
    basis = msgspec.json.encode([base_url, secret], order="deterministic")
    return hashlib.sha256(basis).hexdigest()


def error_code(response: Response) -> str | None:
    """The first error's number, or the token endpoint's word."""
    try:
        answer = msgspec.json.decode(response.body, type=_Errors)
    except UNREADABLE:
        return None
    if answer.errors and answer.errors[0].error_id is not None:
        return str(answer.errors[0].error_id)
    word = answer.error or ""
    return word if word.isascii() and word.replace("_", "").isalpha() and len(word) < 40 else None
