"""Secrets in Google's Secret Manager, by reference `projects/P/secrets/S[/versions/V]`.

Needs `roles/secretmanager.secretAccessor` only, and `…secretVersionAdder` for what is written. A version
is immutable, so what is cached can only be late, never wrong, and outlives an outage of the service.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceClient

from orchestrator.adapters.google_calls import CallFailed, Lazy, explain, retry
from orchestrator.errors import SecretMissing, SecretUnavailable

#: A rotated secret is noticed after at most this long.
CACHE_S = 300.0
#: After a failure the kept value is used this long before the service is asked again.
_STALE_S = 30.0
#: How many versions below the latest may be disabled or destroyed before the search for one ends.
_SEARCH = 5
_TIMEOUT_S = 5.0
_RETRY = retry(exceptions.DeadlineExceeded, total_s=15.0)

_REFERENCE = re.compile(r"(projects/[^/]+/secrets/[^/]+)(?:/versions/([^/]+))?")


class _Cached(NamedTuple):
    """A version as it was read; `number` and `content` are None where there is none."""

    number: int | None
    content: str | None
    fresh_until: float


class SecretManager:
    """The SecretStore port; safe for threads. The client is made on first use, so after a fork.

    Args:
        make_client: Makes the client.
        monotonic: Seconds that never go back, for the cache's age.
    """

    def __init__(
        self,
        make_client: Callable[[], SecretManagerServiceClient] = SecretManagerServiceClient,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = Lazy(make_client)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._cache: dict[str, _Cached] = {}

    def close(self) -> None:
        """Close the connection to Secret Manager and forget what was read."""
        with self._lock:
            self._cache.clear()
        self._client.close()

    def get(self, reference: str) -> str:
        """The version named, or the latest; at most `CACHE_S` seconds old unless the service is away."""
        secret, version = _parse(reference)
        return self._latest(secret, version, reference)[1]

    def previous(self, reference: str) -> str | None:
        """The newest enabled version below the one that `get` reads, if there is one close below."""
        secret, version = _parse(reference)
        number, _ = self._latest(secret, version, reference)
        key = f"{secret} below {number}"
        found = self._cached(key)
        if found is None or not self._is_fresh(found):
            try:
                found = self._find_below(secret, number, reference)
            except SecretUnavailable:
                if found is None:
                    raise
                found = found._replace(fresh_until=self._monotonic() + _STALE_S)
            self._keep(key, found)
        return found.content

    def add_version(self, reference: str, content: str) -> None:
        """Store a new latest version."""
        secret, version = _parse(reference)
        if version != "latest":
            raise SecretMissing(
                f"secret {reference}: a reference to one fixed version cannot be written to",
                action=f"refer to {secret}/versions/latest",
            )

        def add() -> str:
            answer = self._client.get().add_secret_version(
                parent=secret, payload={"data": content.encode()}, retry=None, timeout=_TIMEOUT_S
            )
            return answer.name

        try:
            name = _RETRY(add)()
        except CallFailed as error:
            raise _failure(error, reference, "secretmanager.secretVersionAdder") from error
        self._keep(f"{secret}/versions/latest", self._fresh(_number(name), content))

    def _latest(self, secret: str, version: str, reference: str) -> tuple[int, str]:
        key = f"{secret}/versions/{version}"
        found = self._cached(key)
        if found is None or not self._is_fresh(found):
            try:
                found = self._access(key, reference)
            except SecretUnavailable:
                if found is None:
                    raise
                found = found._replace(fresh_until=self._monotonic() + _STALE_S)
            self._keep(key, found)
        ...
