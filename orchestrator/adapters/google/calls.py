"""What all clients of Google's services need: made once and late, bounded retries, errors in one line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import grpc
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError

T = TypeVar("T")

#: Everything that a call may raise once it was sent, and what making a client may raise.
CallFailed = (exceptions.GoogleAPIError, GoogleAuthError)

_CREDENTIALS = "give this process credentials (on a laptop: gcloud auth application-default login)"
_WAIT = "nothing to do if it passes; else see Google Cloud's status page and this project's quotas"


class Lazy(Generic[T]):
    """A client that is made on first use, so after a fork, and only once.

    Args:
        make: Makes the client; it has a `transport` that can be closed.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._client: T | None = None

    def get(self) -> T:
        """The client."""
        with self._lock:
            if self._client is None:
                self._client = self._make()
            return self._client

    def close(self) -> None:
        """Close its connections; the next use makes another client."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            transport: Any = getattr(client, "transport")  # noqa: B009 - generated clients share no base class
            transport.close()


def retry(*also: type[Exception], total_s: float) -> Retry:
    """Repeat what may pass, with jitter, for at most so many seconds."""
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


def first_line(error: Exception) -> str:
    """What the service said, shortened."""
    text = str(getattr(error, "message", error)).strip() or "no answer"
    return text.splitlines()[0][:300]


def explain(error: Exception, actions: Mapping[type[Exception], str]) -> tuple[str, str]:
    """What happened, and what to do about it.

    Args:
        error: One of `CallFailed`.
        actions: What to do for errors whose remedy depends on the service.
    """
    if isinstance(error, exceptions.RetryError) and isinstance(error.cause, Exception):
        error = error.cause
    what = f"{type(error).__name__}: {first_line(error)}"
    for kind, action in actions.items():
        if isinstance(error, kind):
            return what, action
    return what, _CREDENTIALS if isinstance(error, exceptions.Unauthenticated | GoogleAuthError) else _WAIT
