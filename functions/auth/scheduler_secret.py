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

    def matches(self, presented: str) -> bool:
        """Whether it is the current or the previous secret, compared in constant time.

        Raises:
            SecretMissing: The reference names no secret that may be read.
            SecretUnavailable: The secret was never read and the secret store does not answer.
        """
        # Header values are the bytes that were sent, one character each.
        sent = presented.encode("latin-1", "replace")
        current = self._auth.scheduler_secret.reveal()
        if not self._auth.secret_is_reference:
            return _is_one_of(sent, current, self._auth.scheduler_secret_previous.reveal())
        if _is_one_of(sent, *self._read(current)):
            return True
        if not sent or not self._may_refresh():
            return False
        try:
            # Perhaps the secret was rotated since it was read.
            return _is_one_of(sent, *self._read(current, fresh=True))
        except SecretUnavailable as error:
            _log.warning(
                "the scheduler's secret cannot be read again: %s",
                error,
                extra={"action": "scheduler_secret_unavailable"},
            )
            return False

    def _may_refresh(self) -> bool:
        with self._lock:
            now = self._monotonic()
            if now - self._refreshed_at < SECRET_INTERVAL:
                return False
            self._refreshed_at = now
            return True

    def _read(self, reference: str, *, fresh: bool = False) -> tuple[str, str]:
        store = self._secrets()
        # A secret piped into the secret store often ends in a line break.
        current = store.get(reference, fresh=fresh).rstrip("\r\n")
        if not current:
            raise SecretMissing(f"{reference} is empty", action="add a version with the scheduler's secret")
        return current, (store.previous(reference) or "").rstrip("\r\n")


def _is_one_of(presented: bytes, *accepted: str) -> bool:
    # Compared with each, also after a match, so that the time taken gives nothing away.
    matches = [hmac.compare_digest(presented, value.encode()) for value in accepted if value]
    return any(matches)
