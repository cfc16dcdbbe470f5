"""Secrets in Google's Secret Manager, by reference `projects/P/secrets/S[/versions/V]`.

Reading needs `roles/secretmanager.secretAccessor`, adding versions `…secretVersionAdder`, creating secrets
the permission `secretmanager.secrets.create`. Values kept in memory bridge an outage of the service.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from google.api_core import exceptions
from google.cloud.secretmanager_v1 import Replication, Secret, SecretManagerServiceClient, SecretPayload
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcTransport,
)

from orchestrator.adapters.google.calls import Client, Remedies, retry
from orchestrator.errors import SecretAbsent, SecretError, SecretMissing, SecretUnavailable

#: A rotated secret is noticed after at most this long.
CACHE_S = 300.0
#: After a failure the kept value is used this long before the service is asked again.
_STALE_S = 30.0
#: Versions below the latest that `previous` tries, past disabled and destroyed ones.
_SEARCH = 5
_TIMEOUT_S = 5.0
_RETRY = retry(exceptions.DeadlineExceeded, total_s=10.0)

_REFERENCE = re.compile(r"(projects/[^/]+/secrets/[^/]+)(?:/versions/([^/]+))?")
_REMEDIES: Remedies = {
    exceptions.PermissionDenied: "grant this function's account roles/secretmanager.secretAccessor on it, "
    "and secretmanager.secretVersionAdder if its tokens rotate",
    exceptions.NotFound: "create the secret and its first version, or correct the reference",
    exceptions.FailedPrecondition: "enable the version, or add another one",
    exceptions.InvalidArgument: "correct the reference",
}
_CREATING = (
    "grant your account a role with secretmanager.secrets.create on the project (see docs/deploy.md), "
    "or have the secret created and take --credential REFERENCE"
)
_NO_SUCH = (exceptions.NotFound, exceptions.FailedPrecondition)

T = TypeVar("T")


class _Exists(SecretError):
    """There is a secret of this name."""


class _Version(NamedTuple):
    """A secret's version; its `content` is None if no enabled version was found."""

    number: int
    content: str | None


class _Kept(NamedTuple):
    version: _Version
    fresh_until: float


class SecretManager:
    """The SecretStore port; safe for threads. The client is made on first use, so after a fork.

    Args:
        locations: Regions of new secrets; none: Google chooses, which an organization's policy
            `gcp.resourceLocations` may forbid (cloud.google.com/secret-manager/docs/choosing-replication).
        host: `HOST:PORT` of another server; empty for the service itself.
        monotonic: Seconds that never go back, for the age of kept values.
    """

    def __init__(
        self,
        *,
        locations: Sequence[str] = (),
        host: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._replication = _replication(locations)
        self._client = Client(
            SecretManagerServiceClient,
            SecretManagerServiceGrpcTransport,
            SecretUnavailable,
            _REMEDIES,
            emulator_host=host,
            refused=SecretMissing,
        )
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def close(self) -> None:
        """Close the connection to Secret Manager and forget all values."""
        with self._lock:
            self._kept.clear()
        self._client.close()

    def get(self, reference: str, *, fresh: bool = False) -> str:
        """The version named, or the latest; at most `CACHE_S` seconds old while the service answers."""
        return self._named(reference, fresh=fresh).content or ""

    def previous(self, reference: str) -> str | None:
        """The newest enabled version not far below the one that `get` reads."""
        secret, _ = _parse(reference)
        above = self._named(reference).number
        return self._through_cache(
            f"{secret} below {above}", lambda: self._read_below(secret, above, reference)
        ).content

    def add_version(self, reference: str, content: str) -> None:
        """Store a new latest version; if the answer is lost it may be stored twice, which is harmless."""
        secret, version = _parse(reference)
        if version != "latest":
            raise SecretMissing(
                f"secret {reference}: a fixed version cannot be written to",
                action=f"refer to {secret}/versions/latest",
            )
        payload = SecretPayload(data=content.encode())
        answer = self._call(
            reference,
            lambda client: client.add_secret_version(
                parent=secret, payload=payload, retry=None, timeout=_TIMEOUT_S
            ),
        )
        self._keep(f"{secret}/versions/latest", _Version(_number(answer.name), content), CACHE_S)

    def create(self, reference: str) -> None:
        """Create the secret in its locations; one that exists is left as it is, and where it is."""
        secret, _ = _parse(reference)
        project, _, name = secret.partition("/secrets/")
        made = Secret(replication=self._replication)
        try:
            self._client.call(
                f"secret {reference}",
                _RETRY,
                lambda client: client.create_secret(
                    parent=project, secret_id=name, secret=made, retry=None, timeout=_TIMEOUT_S
                ),
                {exceptions.AlreadyExists: _Exists},
            )
        except _Exists:
            return
        except SecretMissing as error:
            if not isinstance(error.__cause__, exceptions.PermissionDenied):
                raise
            raise SecretMissing(error.message, action=_CREATING) from error

    def _named(self, reference: str, *, fresh: bool = False) -> _Version:
        secret, version = _parse(reference)
        name = f"{secret}/versions/{version}"
        return self._through_cache(name, lambda: self._read(name, reference), fresh=fresh)

    def _through_cache(self, key: str, read: Callable[[], _Version], *, fresh: bool = False) -> _Version:
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and not fresh and self._monotonic() < kept.fresh_until:
            return kept.version
        try:
            version = read()
        except SecretUnavailable:
            if kept is None or fresh:
                raise
            self._keep(key, kept.version, _STALE_S)
            return kept.version
        except SecretMissing:
            with self._lock:
                self._kept.pop(key, None)
            raise
        self._keep(key, version, CACHE_S)
        return version

    def _keep(self, key: str, version: _Version, for_s: float) -> None:
        with self._lock:
            self._kept[key] = _Kept(version, self._monotonic() + for_s)

    def _read(self, name: str, reference: str) -> _Version:
        answer = self._call(
            reference,
            lambda client: client.access_secret_version(name=name, retry=None, timeout=_TIMEOUT_S),
        )
        try:
            return _Version(_number(answer.name), answer.payload.data.decode())
        except UnicodeDecodeError:
            # Without the cause: it would quote the secret.
            raise SecretMissing(
                f"secret {reference}: is not text in UTF-8", action="add a version with the right content"
            ) from None

    def _read_below(self, secret: str, above: int, reference: str) -> _Version:
        for number in range(above - 1, max(0, above - 1 - _SEARCH), -1):
            try:
                return self._read(f"{secret}/versions/{number}", reference)
            except SecretMissing as error:
                if not isinstance(error.__cause__, _NO_SUCH):
                    raise
        return _Version(above, None)

    def _call(self, reference: str, call: Callable[[SecretManagerServiceClient], T]) -> T:
        try:
            return self._client.call(f"secret {reference}", _RETRY, call)
        except SecretMissing as error:
            if isinstance(error.__cause__, exceptions.NotFound):
                raise SecretAbsent(error.message, action=error.action) from error.__cause__
            raise


def _replication(locations: Sequence[str]) -> Replication:
    if not locations:
        return Replication(automatic=Replication.Automatic())
    replicas = [Replication.UserManaged.Replica(location=location) for location in locations]
    return Replication(user_managed=Replication.UserManaged(replicas=replicas))


def _parse(reference: str) -> tuple[str, str]:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise SecretMissing(
            f"secret {reference!r}: is not a reference to Secret Manager",
            action="write projects/PROJECT/secrets/SECRET/versions/latest",
        )
    return match[1], match[2] or "latest"


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])
