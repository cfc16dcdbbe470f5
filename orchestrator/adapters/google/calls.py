"""Calls to Google's services: clients made once and late, bounded retries, errors in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError

from orchestrator.adapters.google.channels import Channel, Generated, Transport, opened
from orchestrator.errors import SyncError

R = TypeVar("R")
T = TypeVar("T", bound=Generated)

#: The remedy, by the kind of fault.
Remedies = Mapping[type[Exception], str]
#: The error to raise, by the kind of fault.
Refusals = Mapping[type[Exception], type[SyncError]]

_CREDENTIALS = "give this process credentials (on a laptop: gcloud auth application-default login)"
#: The words of grpcio (1.85.1) if the credentials give no token, such as those of an expired login; then it
#: reports an unavailable service.
_NOT_LOGGED_IN = "Getting metadata from plugin failed"
_WAIT = "nothing to do if it passes; else see Google Cloud's status page and this project's quotas"


class Client(Generic[T]):
    """A client that is made on first use, so after a fork; safe for threads.

    Args:
        make: The class of Google's client.
        transport: The class of its transport over gRPC.
        unavailable: The error for all faults without a remedy of their own.
        remedies: Remedies that depend on the service.
        emulator_host: `HOST:PORT` of Google's emulator; empty for the service itself.
        refused: The error for faults with a remedy, if it is another one.
    """

    def __init__(
        self,
        make: Callable[..., T],
        transport: Transport,
        unavailable: type[SyncError],
        remedies: Remedies,
        *,
        emulator_host: str = "",
        refused: type[SyncError] | None = None,
    ) -> None:
        self.emulator_host = emulator_host
        self._unavailable = unavailable
        self._refused = refused or unavailable
        self._remedies = remedies
        self._channel = Channel(lambda: opened(make, transport, emulator_host))

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

        def attempt() -> R:
            with self._channel.client() as client:
                return call(client)

        try:
            return repeat(attempt)()
        except (exceptions.GoogleAPIError, GoogleAuthError) as error:
            cause = error.cause if isinstance(error, exceptions.RetryError) and error.cause else error
            fault = f"{about}: {type(cause).__name__}: {_first_line(cause)}"
            for kind, raised in (also or {}).items():
                if isinstance(cause, kind):
                    raise raised(fault) from error
            for kind, action in self._remedies.items():
                if isinstance(cause, kind):
                    raise self._refused(fault, action=action) from error
            lacks_identity = (
                isinstance(cause, exceptions.Unauthenticated | GoogleAuthError) or _NOT_LOGGED_IN in fault
            )
            raise self._unavailable(fault, action=_CREDENTIALS if lacks_identity else _WAIT) from error

    def close(self) -> None:
        """Close its connections; the next use makes another client."""
        self._channel.close()


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


def _first_line(error: Exception) -> str:
    """The service's own message, shortened."""
    text = str(getattr(error, "message", error)).strip() or "no answer"
    return text.splitlines()[0][:300]
