"""Who is let in: the scheduler by token and secret, operators by token."""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from functions import tokens
from functions.certificates import CertificateCache
from functions.fields import Fields
from orchestrator.errors import SecretMissing, SecretUnavailable
from orchestrator.ports import SecretStore
from orchestrator.settings import AuthSettings

_log = logging.getLogger(__name__)

#: Seconds that a secret read from the secret store is used without asking again.
SECRET_AGE = 300.0
#: Seconds between two readings made because a presented secret did not match.
SECRET_INTERVAL = 10.0


class Refused(Exception):
    """The caller is not let in.

    Args:
        status: 401 where nobody was proven, 403 where it was the wrong one or the wrong secret.
        reason: For the log alone; holds nothing of the token or secret.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class SchedulerSecret:
    """The secret that Cloud Scheduler presents: its current value, and the one before it.

    Args:
        auth: Says whether the secret is a value or a reference to one.
        secrets: Gives the secret store; called only where it is a reference.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self,
        auth: AuthSettings,
        secrets: Callable[[], SecretStore],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._auth = auth
        self._secrets = secrets
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._accepted: tuple[bytes, ...] = ()
        self._read_at: float | None = None
        self._tried_at: float | None = None
        if not auth.secret_is_reference:
            values = (auth.scheduler_secret.reveal(), auth.scheduler_secret_previous.reveal())
            self._accepted = tuple(value.encode() for value in values if value)

    def matches(self, presented: str) -> bool:
        """Whether it is the current or the previous secret, found out in constant time.

        Raises:
            SecretMissing: The reference names nothing that may be read.
            SecretUnavailable: The secret was never read and the secret store does not answer.
        """
        # Header values are the bytes that were sent, one character each.
        sent = presented.encode("latin-1", "replace")
        if not self._auth.secret_is_reference:
            return _is_one_of(sent, self._accepted)
        may_try = self._age(self._tried_at) >= SECRET_INTERVAL
        if not self._accepted or (may_try and self._age(self._read_at) >= SECRET_AGE):
            self._read()
        elif may_try and sent and not _is_one_of(sent, self._accepted):
            # Perhaps the secret was rotated since it was read.
            self._read()
        return _is_one_of(sent, self._accepted)

    def _age(self, instant: float | None) -> float:
        return float("inf") if instant is None else self._monotonic() - instant

    def _read(self) -> None:
        """Read both versions again; while the store does not answer, what was read last stays good."""
        seen = self._tried_at
        with self._lock:
            if self._tried_at != seen and self._accepted:
                return  # Another thread has just done it.
            self._tried_at = self._monotonic()
            try:
                self._accepted = self._versions(self._auth.scheduler_secret.reveal())
                self._read_at = self._tried_at
            except SecretMissing:
                # Withdrawn, which is an answer: what was read last opens nothing any more.
                self._accepted = ()
                raise
            except SecretUnavailable as error:
                if not self._accepted:
                    raise
                _log.warning(
                    "the scheduler's secret cannot be read again: %s",
                    error,
                    extra={"action": "scheduler_secret_unavailable"},
                )

    def _versions(self, reference: str) -> tuple[bytes, ...]:
        store = self._secrets()
        # A secret piped into the secret store often ends in a line break.
        values = [
            (value or "").rstrip("\r\n")
            for value in (store.get(reference, fresh=True), store.previous(reference))
        ]
        if not values[0]:
            raise SecretMissing(f"{reference} is empty", action="add a version with the scheduler's secret")
        return tuple(value.encode() for value in values if value)


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides about callers."""

    auth: AuthSettings
    certificates: CertificateCache
    secret: SchedulerSecret
    #: Seconds since 1970.
    now: Callable[[], float] = time.time

    def scheduler(self, headers: Fields) -> str:
        """Let only Cloud Scheduler in; returns who it is.

        Raises:
            Refused: It is somebody else.
            CertificatesUnavailable: A token cannot be checked now.
            SecretError: The secret cannot be compared.
        """
        if self.auth.skip_scheduler_auth:
            return "anyone"
        caller = "scheduler"
        if self.auth.requires_token:
            caller = self._email(headers)
            if caller != self.auth.scheduler_service_account:
                raise Refused(HTTPStatus.FORBIDDEN, "the token is not the scheduler's")
        if self.auth.requires_secret and not self.secret.matches(headers.get("x-scheduler-secret", "")):
            raise Refused(HTTPStatus.FORBIDDEN, "x-scheduler-secret is missing or wrong")
        return caller

    def operator(self, headers: Fields) -> str:
        """Let only operators in; returns the operator's e-mail.

        Raises:
            Refused: It is somebody else.
            CertificatesUnavailable: A token cannot be checked now.
        """
        email = self._email(headers)
        if email not in self.auth.operators:
            raise Refused(HTTPStatus.FORBIDDEN, "the token is not an operator's")
        return email

    def _email(self, headers: Fields) -> str:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(HTTPStatus.UNAUTHORIZED, "no bearer token")
        audiences = (self.auth.audience, f"{self.auth.audience}/")
        try:
            return tokens.verify(token.strip(), self.certificates, audiences, self.now).email
        except tokens.TokenInvalid as error:
            raise Refused(HTTPStatus.UNAUTHORIZED, f"token: {error}") from error


def _is_one_of(presented: bytes, accepted: tuple[bytes, ...]) -> bool:
    # Compared with each, also after a match, so that time tells nothing.
    matches = [hmac.compare_digest(presented, value) for value in accepted]
    return any(matches)
