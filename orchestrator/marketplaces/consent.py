"""A marketplace's own flow by which a seller lets an application in (OAuth 2.0, RFC 6749, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.marketplaces.session_request import SessionRequest


@dataclass(frozen=True, slots=True)
class Application:
    """The application that asks for consent, as it is registered at the marketplace."""

    client_id: str
    client_secret: str = field(repr=False)
    #: Its registration: eBay's RuName, Amazon's application id.
    registration: str
    #: Whether Amazon's Appstore lists it; a draft needs another address.
    is_listed: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """The flow of one marketplace."""

    #: The name of the registration, for people.
    registration: str
    #: The parameter with the code, in the address that the browser arrives at.
    code: str
    #: Makes the address that the seller opens: (session's input, application, state).
    address: Callable[[SessionRequest, Application, str], str]
    #: Exchanges the code for a refresh token: (session's input, application, code).
    #: Raises CredentialsRejected if it is refused, and the other kinds of MarketplaceError.
    exchange: Callable[[SessionRequest, Application, str], str]
    #: The settings that the arriving address tells, by the name of its parameter.
    told: Mapping[str, str] = field(default_factory=dict)

    def other_seller(self, arrived: Mapping[str, str], settings: Mapping[str, Any]) -> str:
        """The setting by which the address belongs to another seller than the connection; empty if none."""
        for parameter, setting in self.told.items():
            if parameter in arrived and arrived[parameter] != settings.get(setting):
                return setting
        return ""
