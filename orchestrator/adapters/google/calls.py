"""Calls to Google's services: clients made once and late, bounded retries, errors in one line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import grpc
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError

from orchestrator.errors import SyncError

R = TypeVar("R")

#: The remedy, by the kind of fault.
Remedies = Mapping[type[Exception], str]
#: The error to raise, by the kind of fault.
Refusals = Mapping[type[Exception], type[SyncError]]

_CREDENTIALS = "give this process credentials (on a laptop: gcloud auth application-default login)"
#: The words of grpcio (1.85.1) if the credentials give no token, such as those of an expired login; then it
#: reports an unavailable service.
_NOT_LOGGED_IN = "Getting metadata from plugin failed"
_WAIT = "nothing to do if it passes; else see Google Cloud's status page and this project's quotas"


class _Closable(Protocol):
    def close(self) -> None: ...


class _Generated(Protocol):
    """A client of Google's; they share no base class."""

    @property
    def transport(self) -> _Closable: ...


T = TypeVar("T", bound=_Generated)


@dataclass(eq=False)
class Client(Generic[T]):
    """A client that is made on first use, so after a fork, and only once; safe for threads."""

    make: Callable[..., T]
    #: The error for all faults without a remedy of their own.
    unavailable: type[SyncError]
    #: Remedies that depend on the service.
    remedies: Remedies
    #: Makes the client's transport to an emulator.
    transport: Callable[..., object] | None = None
    #: `HOST:PORT` of Google's emulator; empty for the service itself.
    emulator_host: str = ""
    #: The error for faults with a remedy, if it is another one.
    refused: type[SyncError] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _client: T | None = field(default=None, init=False)

    def call(self, about: str, repeat: Retry, call: Callable[[T], R], also: Refusals | None = None) -> R:
        """Make a call, and repeat it if that may help.

        Args:
            about: The called resource, for errors.
            repeat: Decides about repeating the call.
            call: Sends one request; the generated client's own retry is to be off.
            also: Errors for faults of this call alone.

        Raises:
            SyncError: One of this client's or this call's.
        """
        try:
            return repeat(lambda: call(self._get()))()
        except (exceptions.GoogleAPIError, GoogleAuthError) as error:
            cause = error.cause if isinstance(error, exceptions.RetryError) and error.cause else error
            fault = f"{about}: {type(cause).__name__}: {_first_line(cause)}"
            for kind, raised in (also or {}).items():
                if isinstance(cause, kind):
                    raise raised(fault) from error
            for kind, action in self.remedies.items():
                if isinstance(cause, kind):
                    raise (self.refused or self.unavailable)(fault, action=action) from error
            lacks_identity = (
                isinstance(cause, exceptions.Unauthenticated | GoogleAuthError) or _NOT_LOGGED_IN in fault
            )
            raise self.unavailable(fault, action=_CREDENTIALS if lacks_identity else _WAIT) from error

    def close(self) -> None:
        """Close its connections; the next use makes another client."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.transport.close()

    def _get(self) -> T:
        with self._lock:
            if self._client is None and self.transport is not None and self.emulator_host:
                channel = emulator_channel(self.emulator_host)
                self._client = self.make(transport=self.transport(channel=channel))
            elif self._client is None:
                self._client = self.make()
            return self._client


def retry(*also: type[Exception], total_s: float) -> Retry:
    """Repeat calls whose fault may pass, with jitter, for at most `total_s` seconds."""
    return Retry(
        predicate=if_exception_type(
            exceptions.ServiceUnavailable,
            exceptions.ResourceExhausted,
            exceptions.InternalServerError,
            *also,
        ),
        initial=0.2,
        maximum=3.0,
        multiplier=2.0,
        timeout=total_s,
    )


def emulator_channel(host: str) -> grpc.Channel:
    """A connection to one of Google's emulators, given as `HOST:PORT` or as a URL."""
    return grpc.insecure_channel(
        host.removeprefix("http://").rstrip("/"),
        options=[
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.keepalive_time_ms", 30_000),
        ],
    )


def _first_line(error: Exception) -> str:
    """The service's own message, shortened."""
    text = str(getattr(error, "message", error)).strip() or "no answer"
    return text.splitlines()[0][:300]
