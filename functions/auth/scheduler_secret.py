"""The secret that Cloud Scheduler presents beside its token."""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable

from orchestrator.errors import SecretMissing, SecretUnavailable
from orchestrator.ports import SecretStore
from orchestrator.settings import AuthSettings

_log = logging.getLogger(__name__)


#: Seconds that a secret read from the secret store is used without asking again.
SECRET_AGE = 300.0


#: Seconds between two readings made because a presented secret did not match.
SECRET_INTERVAL = 10.0


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


def _is_one_of(presented: bytes, accepted: tuple[bytes, ...]) -> bool:
    # Compared with each, also after a match, so that time tells nothing.
    matches = [hmac.compare_digest(presented, value) for value in accepted]
    return any(matches)
