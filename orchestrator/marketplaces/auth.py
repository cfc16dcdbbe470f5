"""Authentication strategies: a fixed header, a token that expires, a refresh token that rotates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from orchestrator.errors import CredentialsRejected
from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.session_request import SessionRequest

G = TypeVar("G", bound="Granted")

#: A token is replaced this long before it expires.
MARGIN = timedelta(minutes=2)
_DAY_S = 86_400


class Granted(msgspec.Struct, frozen=True):
    """A token endpoint's answer."""

    access_token: str
    expires_in: int


class Rotation(Granted, frozen=True):
    """The answer to a rotating refresh token."""

    refresh_token: str


def ask_token(
    client: Client,
    url: str,
    kind: type[G],
    *,
    form: Mapping[str, str] | None = None,
    json: object = None,
    headers: Mapping[str, str] | None = None,
) -> G:
    """Ask a token endpoint, with a form or with JSON.

    Raises:
        CredentialsRejected: The grant is refused, with 400 and a word such as invalid_grant.
        MarketplaceError: One of its other kinds.
    """
    return client.request(
        "token",
        url,
        lambda response: response.decode(kind),
        form=form,
        json=json,
        headers=headers,
        authenticated=False,
        errors={400: CredentialsRejected},
    )


@dataclass(frozen=True, slots=True)
class FixedHeader:
    """A key that is sent unchanged and does not expire."""

    name: str
    value: str = field(repr=False)

    def headers(self, client: Client) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """The one header."""
        return {self.name: self.value}

    def refresh(self, client: Client) -> bool:  # noqa: ARG002 - the port's signature
        """There is no other key."""
        return False


@dataclass(frozen=True, slots=True)
class Token:
    """An access token."""

    value: str = field(repr=False)
    expires_at: datetime

    @classmethod
    def granted(cls, granted: Granted, now: datetime) -> Token:
        """The token of an answer that came now; one that lasts longer than a day is replaced after a day."""
        lasts_s = max(0, min(granted.expires_in, _DAY_S))
        return cls(granted.access_token, now + timedelta(seconds=lasts_s))


@dataclass(slots=True)
class ExpiringToken:
    """An access token; it is exchanged for a lasting credential shortly before it expires or when refused."""

    #: The header's name, and the text before the token in its value.
    header: str
    prefix: str
    #: Makes the exchange.
    exchange: Callable[[Client], Token] = field(repr=False)
    now: Callable[[], datetime] = field(repr=False)
    token: Token | None = field(default=None, repr=False)

    def headers(self, client: Client) -> Mapping[str, str]:
        """The header, with a token that is valid for at least `MARGIN`."""
        if self.token is None or self.token.expires_at - MARGIN <= self.now():
            self.token = self.exchange(client)
        return {self.header: f"{self.prefix}{self.token.value}"}

    def refresh(self, client: Client) -> bool:
        """Exchange again."""
        self.token = self.exchange(client)
        return True


@dataclass(slots=True)
class RotatingGrant:
    """Exchanges a refresh token that is replaced on each use.

    The lease is taken first: of two workers that exchange at once, one would have a token that the other has
    replaced. The new pair is stored as a new version of the secret before it is used. A refused refresh token
    may be one that a crashed or older invocation has already replaced. So the latest version and the one
    before it are read again and tried, each once.
    """

    request: SessionRequest
    #: The secret's content as it was read; a JSON object with `refresh_token`.
    content: str = field(repr=False)
    #: Asks the token endpoint: (client, secret's content). Raises CredentialsRejected.
    ask: Callable[[Client, str], Rotation] = field(repr=False)

    def __call__(self, client: Client) -> Token:
        """Exchange, store, return.

        Raises:
            CredentialsRejected: Every known refresh token is refused.
            SecretError: The new pair could not be stored; it was not used.
        """
        self.request.claim()
        refused: CredentialsRejected | None = None
        for content in self._candidates():
            try:
                rotation = self.ask(client, content)
            except CredentialsRejected as error:
                refused = error
                continue
            return self._store(content, rotation)
        raise refused or CredentialsRejected("no refresh token to exchange")

    def _candidates(self) -> Iterator[str]:
        secrets, reference = self.request.secrets, self.request.connection.credential
        yield self.content
        latest = secrets.get(reference, fresh=True)
        if latest != self.content:
            yield latest
        previous = secrets.previous(reference)
        if previous is not None and previous not in (self.content, latest):
            yield previous

    def _store(self, content: str, rotation: Rotation) -> Token:
        token = Token.granted(rotation, self.request.clock.now())
        fields: dict[str, object] = msgspec.json.decode(content)
        fields |= {
            "refresh_token": rotation.refresh_token,
            "access_token": rotation.access_token,
            "expires_at": token.expires_at,
        }
        stored = msgspec.json.encode(fields).decode()
        self.request.secrets.add_version(self.request.connection.credential, stored)
        self.content = stored
        return token
