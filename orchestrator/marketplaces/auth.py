"""Authentication strategies: a fixed header, a token that expires, a refresh token that rotates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from orchestrator.errors import CredentialsRejected
from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.session_request import SessionRequest

#: A token is replaced this long before it expires.
MARGIN = timedelta(minutes=2)
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class FixedHeader:
    """A key that is sent as it is and does not expire."""

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
    def granted(cls, value: str, lasts_s: int, now: datetime) -> Token:
        """A token that lasts so many seconds; one that lasts longer than a day is replaced after a day."""
        return cls(value, now + timedelta(seconds=max(0, min(lasts_s, _DAY_S))))


@dataclass(slots=True)
class ExpiringToken:
    """An access token that is exchanged for something lasting, shortly before it expires or when refused."""

    #: The header's name, and what stands before the token in it.
    header: str
    prefix: str
    #: Makes the exchange.
    exchange: Callable[[Client], Token] = field(repr=False)
    now: Callable[[], datetime] = field(repr=False)
    token: Token | None = field(default=None, repr=False)

    def headers(self, client: Client) -> Mapping[str, str]:
        """The header, with a token that is good for a while."""
        if self.token is None or self.token.expires_at - MARGIN <= self.now():
            self.token = self.exchange(client)
        return {self.header: f"{self.prefix}{self.token.value}"}

    def refresh(self, client: Client) -> bool:
        """Exchange again."""
        self.token = self.exchange(client)
        return True


class Rotation(msgspec.Struct, frozen=True):
    """What an exchange of a rotating refresh token gave."""

    access_token: str
    expires_in: int
    refresh_token: str


@dataclass(slots=True)
class RotatingGrant:
    """Exchanges a refresh token that is replaced on each use.

    The new pair is stored as a new version of the secret before it is used. A refused refresh token
    may be one that a crashed or older invocation has already replaced: the latest version and the
    one before it are then read again and tried, each once.
    """

    opening: SessionRequest
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
        secrets, reference = self.opening.secrets, self.opening.connection.credential
        yield self.content
        latest = secrets.get(reference, fresh=True)
        if latest != self.content:
            yield latest
        previous = secrets.previous(reference)
        if previous is not None and previous not in (self.content, latest):
            yield previous

    def _store(self, content: str, rotation: Rotation) -> Token:
        token = Token.granted(rotation.access_token, rotation.expires_in, self.opening.clock.now())
        fields: dict[str, object] = msgspec.json.decode(content)
        fields |= {
            "refresh_token": rotation.refresh_token,
            "access_token": rotation.access_token,
            "expires_at": token.expires_at,
        }
        stored = msgspec.json.encode(fields).decode()
        self.opening.secrets.add_version(self.opening.connection.credential, stored)
        self.content = stored
        return token
