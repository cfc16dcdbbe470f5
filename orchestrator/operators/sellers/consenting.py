"""The seller's consent: an address to open, the address that the browser arrives at, a refresh token."""

from __future__ import annotations

import hmac
import re
import secrets as randomness
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import msgspec

from orchestrator.errors import CredentialsRejected, RequestError
from orchestrator.marketplaces.consent import Application, Consent
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.model.connection import Connection
from orchestrator.operators.connections import connector_of
from orchestrator.operators.sellers.credentials import HeldSecret
from orchestrator.services import Services
from orchestrator.vault.trial import session_request

_AGAIN = "open the consent address of a new `connections authorize` and paste the whole new address"
_WORD = re.compile(r"[A-Za-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A consent that was asked for; it lives in this process alone."""

    #: The address that the seller opens.
    address: str
    _state: str = field(repr=False)
    _application: Application
    _request: SessionRequest = field(repr=False)
    _consent: Consent

    def refresh_token(self, pasted: str) -> str:
        """The refresh token for the code in the address that the browser arrived at.

        Raises:
            RequestError: It is no such address, the seller declined, or it answers another question (`state`)
                or belongs to another seller. No call is made then, and the message quotes none of it.
            CredentialsRejected: The code is used or too old, or the application's credentials are wrong.
            MarketplaceError: The marketplace did not answer.
        """
        arrived = _parameters(pasted)
        if "error" in arrived:
            word = arrived["error"]
            told = f" ({word})" if _WORD.fullmatch(word) else ""
            raise RequestError(f"the seller did not agree{told}; nothing is stored", action=_AGAIN)
        state = arrived.get("state", "")
        if not hmac.compare_digest(state.encode(), self._state.encode()):
            raise RequestError(
                "the address does not belong to this consent: its `state` is another one; nothing is stored",
                action=_AGAIN,
            )
        if setting := self._consent.other_seller(arrived, self._request.connection.settings):
            raise RequestError(
                f"another seller agreed than the connection's {setting} names; nothing is stored",
                action=f"sign in as the right seller, or correct {setting}",
            )
        code = arrived.get(self._consent.code, "")
        if not code:
            raise RequestError(f"the address has no {self._consent.code}; nothing is stored", action=_AGAIN)
        try:
            return self._consent.exchange(self._request, self._application, code)
        except CredentialsRejected as error:
            raise CredentialsRejected(
                error.message,
                action="a code works once and for five minutes: check the application's id, secret and "
                f"{self._consent.registration}, then {_AGAIN}",
            ) from None

    def secret(self, pasted: str) -> str:
        """The content of the connection's secret; see `refresh_token`."""
        fields = {
            "client_id": self._application.client_id,
            "client_secret": self._application.client_secret,
            "refresh_token": self.refresh_token(pasted),
        }
        return msgspec.json.encode(fields).decode()


def consent_of(services: Services, marketplace: str) -> Consent | None:
    """A marketplace's consent flow; None if it has none.

    Raises:
        RequestError: There is no such marketplace.
    """
    return connector_of(services, marketplace).consent


def ask_for_consent(
    services: Services, connection_id: str, connection: Connection, application: Application
) -> Asked:
    """Begin a consent for a connection, which may be stored nowhere yet.

    Raises:
        RequestError: The marketplace has no consent flow.
        ConnectionInvalid: The settings do not fit the marketplace.
    """
    consent = consent_of(services, connection.marketplace)
    if consent is None:
        raise RequestError(f"{connection.marketplace} has no consent flow: its sellers make a key themselves")
    request = session_request(services, connection_id, connection, HeldSecret(""))
    state = randomness.token_urlsafe(32)
    return Asked(consent.address(request, application, state), state, application, request, consent)


def _parameters(pasted: str) -> Mapping[str, str]:
    try:
        parts = urlsplit(pasted.strip())
        found = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50))
    except ValueError:
        parts, found = None, {}
    if parts is None or parts.scheme not in {"http", "https"} or not found:
        raise RequestError(
            "that is not the address that the browser arrived at; nothing is stored",
            action="paste the whole address from the browser's address bar; it begins with https://",
        )
    return found
