"""Amazon's website authorization workflow.

Sources, read 2026-11-29: developer-docs.amazon.com/sp-api/docs/website-authorization-workflow (address,
`state`, `version=beta` for an application in draft status, `spapi_oauth_code` and `selling_partner_id` in the
address that the browser arrives at; a code lasts five minutes), developer-docs.amazon.com/sp-api/docs/
seller-central-urls (the hosts), and the Login with Amazon token endpoint with `authorization_code`.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from orchestrator.marketplaces.amazon.api import TOKEN_HOST, SellerSettings
from orchestrator.marketplaces.auth import FixedHeader, Rotation, ask_token
from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.consent import Application, Consent
from orchestrator.marketplaces.session_request import SessionRequest, read_settings

#: Seller Central of a region.
_CENTRALS = {
    "na": "https://sellercentral.amazon.com",
    "eu": "https://sellercentral-europe.amazon.com",
    "fe": "https://sellercentral.amazon.co.jp",
}
#: Seller Central of marketplaces that have another one than their region, by the marketplace's id.
_OWN_CENTRALS = {
    "A2EUQ1WTGCTBG2": "https://sellercentral.amazon.ca",
    "A1AM78C64UM0Y8": "https://sellercentral.amazon.com.mx",
    "A2Q3Y263D00KWC": "https://sellercentral.amazon.com.br",
    "A21TJRUUN4KGV": "https://sellercentral.amazon.in",
    "A33AVAJ2PDY3EV": "https://sellercentral.amazon.com.tr",
    "A2VIGQ35RCS4UG": "https://sellercentral.amazon.ae",
    "A17E79C6D8DWNP": "https://sellercentral.amazon.sa",
    "ARBP9OOSHTCHU": "https://sellercentral.amazon.eg",
    "AE08WJ6YKNBMC": "https://sellercentral.amazon.co.za",
    "A39IBJ37TRP1C6": "https://sellercentral.amazon.com.au",
    "A19VAU5U5O7RUS": "https://sellercentral.amazon.sg",
}


def address(request: SessionRequest, application: Application, state: str) -> str:
    """The page of Seller Central on which the seller agrees."""
    settings = read_settings(request, SellerSettings)
    place = settings.marketplace_ids[0]
    origin = settings.base_url or _OWN_CENTRALS.get(place) or _CENTRALS[settings.region]
    query = {"application_id": application.registration, "state": state}
    if not application.is_listed:
        query["version"] = "beta"
    return f"{origin.rstrip('/')}/apps/authorize/consent?{urlencode(query, quote_via=quote)}"


def exchange(request: SessionRequest, application: Application, code: str) -> str:
    """Exchange the code at Login with Amazon."""
    client = Client(
        request,
        marketplace="amazon",
        hosts=frozenset({TOKEN_HOST}),
        auth=FixedHeader("Authorization", ""),
        base_url=read_settings(request, SellerSettings).base_url,
    )
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": application.client_id,
        "client_secret": application.client_secret,
    }
    return ask_token(client, f"https://{TOKEN_HOST}/auth/o2/token", Rotation, form=form).refresh_token


CONSENT = Consent(
    "application id", "spapi_oauth_code", address, exchange, {"selling_partner_id": "seller_id"}
)
