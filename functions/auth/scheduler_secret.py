"""The secret that Cloud Scheduler presents beside its token."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable

from orchestrator.errors import SecretMissing, SecretUnavailable
from orchestrator.ports import SecretStore
from orchestrator.settings import AuthSettings

#: Seconds between two readings past the secret store's memory, made because a presented secret did not match.
SECRET_INTERVAL = 10.0


class SchedulerSecret:
    """The secret that Cloud Scheduler presents: its current value, and the one before it.

    Args:
        auth: Holds the secret, or a reference to it.
        secrets: Gives the secret store; called only if there is a reference. The store keeps values in memory
            for some minutes, and longer during an outage.
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
        self._refreshed_at = float("-inf")
        #: Whether the last reading past the store's memory failed, or is under way.
        self._is_unread = False

    def matches(self, presented: str) -> bool:
        """Whether it is the current or the previous secret, compared in constant time.

        Raises:
            SecretMissing: The reference names no secret that may be read.
            SecretUnavailable: The secret store does not answer, so nobody knows: the presented secret is not
                one of those in memory, and may be newer.
        """
        # Header values are the bytes that were sent, one character each.
        sent = presented.encode("latin-1", "replace")
        current = self._auth.scheduler_secret.reveal()
        if not self._auth.secret_is_reference:
            return _is_one_of(sent, current, self._auth.scheduler_secret_previous.reveal())
        if not sent:
            # Read all the same: without a secret to compare with, the function is not set up.
            self._read(current)
            return False
        return self._is_among(sent, current) or (
            self._may_refresh() and self._is_among(sent, current, fresh=True)
        )

    def _may_refresh(self) -> bool:
        """Whether to read past the store's memory now: perhaps the secret was rotated since it was read.

        Raises:
            SecretUnavailable: Not yet again, and the last such reading has told nothing.
        """
        with self._lock:
            now = self._monotonic()
            if now - self._refreshed_at >= SECRET_INTERVAL:
                self._refreshed_at = now
                self._is_unread = True
                return True
            if self._is_unread:
                raise SecretUnavailable(
                    "the scheduler's secret could not be read again: perhaps it was rotated"
                )
            return False

    def _is_among(self, sent: bytes, reference: str, *, fresh: bool = False) -> bool:
        """Whether it is the current version or the one before it."""
        store = self._secrets()
        current = self._read(reference, fresh=fresh)
        try:
            before = (store.previous(reference) or "").rstrip("\r\n")
        except SecretUnavailable:
            if _is_one_of(sent, current):
                return True
            raise
        if fresh:
            with self._lock:
                self._is_unread = False
        return _is_one_of(sent, current, before)

    def _read(self, reference: str, *, fresh: bool = False) -> str:
        # A secret piped into the secret store often ends in a line break.
        current = self._secrets().get(reference, fresh=fresh).rstrip("\r\n")
        if not current:
            raise SecretMissing(f"{reference} is empty", action="add a version with the scheduler's secret")
        return current


def _is_one_of(presented: bytes, *accepted: str) -> bool:
    # Compared with each, also after a match, so that the time taken gives nothing away.
    matches = [hmac.compare_digest(presented, value.encode()) for value in accepted if value]
    return any(matches)
