"""A connector's input for opening a session, and how it reads a connection's settings and secret."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import ConnectionInvalid
from orchestrator.model.connection import Connection
from orchestrator.ports import Clock, SecretStore
from orchestrator.room import ROOM, Room

S = TypeVar("S", bound="Settings")
C = TypeVar("C", bound=msgspec.Struct)


def no_lease() -> None:
    """The claim of somebody whose secret nobody else uses."""


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """The engine's input to `Connector.open`."""

    connection_id: str
    connection: Connection
    secrets: SecretStore
    clock: Clock
    #: For jitter.
    random: random.Random
    #: Sleeps these seconds if that is short and fits the slice, else raises RateLimited; so do 0 seconds once
    #: the slice is over.
    wait: Callable[[float], None]
    #: Whether `base_url` is obeyed.
    development: bool
    #: Takes the connection's lease, if it is not held yet: before a refresh token is replaced.
    claim: Callable[[], None] = no_lease
    #: Is told that the marketplace does not answer as it should, or that a large answer has to wait for its
    #: turn: the session may take minutes.
    troubled: Callable[[], None] = no_lease
    #: The places for large answers.
    room: Room = ROOM


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of every marketplace's connections; a connector adds its own."""

    base_url: Annotated[
        str | None, Meta(description="Scheme, host and port that replace all hosts; development only.")
    ] = None


def read_settings(request: SessionRequest, kind: type[S]) -> S:
    """Decode the connection's `settings`.

    Raises:
        ConnectionInvalid: The message names the field and its form.
    """
    where = f"connections/{request.connection_id}: settings"
    try:
        settings = msgspec.convert(request.connection.settings, kind)
    except msgspec.ValidationError as error:
        raise ConnectionInvalid(f"{where}: {error}", action="correct the connection's settings") from error
    if settings.base_url is not None:
        if not request.development:
            raise ConnectionInvalid(
                f"{where}: base_url is obeyed only if ENVIRONMENT=development",
                action="remove base_url from the connection's settings",
            )
        if not _is_origin(settings.base_url):
            raise ConnectionInvalid(
                f"{where}: base_url takes scheme, host and port, such as http://127.0.0.1:8090",
                action="correct the connection's settings",
            )
    return settings


def read_credential(request: SessionRequest, kind: type[C]) -> C:
    """Read and decode the connection's secret.

    Raises:
        ConnectionInvalid: The message names the field and its form, never the content.
        SecretMissing: The reference names nothing.
        SecretUnavailable: The secret store did not answer.
    """
    return parse_credential(request, request.secrets.get(request.connection.credential), kind)


def parse_credential(request: SessionRequest, content: str, kind: type[C]) -> C:
    """Decode a secret's content.

    Raises:
        ConnectionInvalid: The message names the field and its form, never the content.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except UNREADABLE as error:
        # msgspec's messages name fields and types; from None keeps the content out of tracebacks.
        raise ConnectionInvalid(
            f"connections/{request.connection_id}: the content of its credential: {error}",
            action="store a new version of the secret with the documented JSON fields",
        ) from None


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and parts.username is None
        and not (parts.path.rstrip("/") or parts.query or parts.fragment)
    )
