"""eBay's consent flow.

Sources, read 2026-11-29: developer.ebay.com/api-docs/static/oauth-consent-request.html (address and its
parameters; `redirect_uri` is the RuName, which eBay resolves to the registered redirect address),
developer.ebay.com/api-docs/static/oauth-auth-code-grant-request.html (exchange; a code lasts five minutes).
"""

from __future__ import annotations

import base64
from urllib.parse import quote, urlencode

from orchestrator.marketplaces.auth import FixedHeader, Rotation, ask_token
from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.consent import Application, Consent
from orchestrator.marketplaces.ebay.api import ACCESS, HOST, TOKEN_URL, SiteSettings, error_code
from orchestrator.marketplaces.session_request import SessionRequest, read_settings


def address(request: SessionRequest, application: Application, state: str) -> str:
    """The page on which the seller signs in, always anew, and agrees to the scopes."""
    origin = read_settings(request, SiteSettings).base_url or "https://auth.ebay.com"
    query = {
        "client_id": application.client_id,
        "redirect_uri": application.registration,
        "response_type": "code",
        "scope": " ".join(scope.name for scope in ACCESS.scopes),
        "state": state,
        "prompt": "login",
    }
    return f"{origin.rstrip('/')}/oauth2/authorize?{urlencode(query, quote_via=quote)}"


def exchange(request: SessionRequest, application: Application, code: str) -> str:
    """Exchange the code, with the RuName once more."""
    pair = f"{application.client_id}:{application.client_secret}".encode()
    basic = f"Basic {base64.b64encode(pair).decode()}"
    client = Client(
        request,
        marketplace="ebay",
        hosts=frozenset({HOST}),
        auth=FixedHeader("Authorization", basic),
        error_code=error_code,
        base_url=read_settings(request, SiteSettings).base_url,
    )
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": application.registration}
    return ask_token(client, TOKEN_URL, Rotation, form=form, headers={"Authorization": basic}).refresh_token


CONSENT = Consent("RuName", "code", address, exchange)
