"""The bound and the back-off of every loop that reads, decides and commits."""

from __future__ import annotations

from orchestrator.errors import StoreUnavailable
from orchestrator.services import Services

#: Every conflict is another's progress on the same document: this many in a row mean that the store is
#: unwell, and a redelivery (or the person who asked) tries again later.
TRIES = 60


class Attempts:
    """Counts the attempts of one loop: read, decide, commit; after a conflict, `again`.

    Args:
        services: For the clock and the jitter.
        failure: The error's message after the last attempt.
        tries: How many attempts there are.
    """

    def __init__(self, services: Services, failure: str, *, tries: int = TRIES) -> None:
        self._services = services
        self._failure = failure
        self._tries = tries
        self._failed = 0

    def again(self, *, back_off: bool = True) -> None:
        """Back off before the next attempt, with full jitter, at most 0.4 s; or only count the attempt.

        Raises:
            StoreUnavailable: That was the last attempt.
        """
        self._failed += 1
        if self._failed >= self._tries:
            raise StoreUnavailable(self._failure)
        if back_off:
            longest = min(0.4, 0.02 * 2 ** min(self._failed - 1, 6))
            self._services.clock.sleep(self._services.random.uniform(0.005, longest))

    def restart(self) -> None:
        """Count from the beginning: the attempt that failed had made progress."""
        self._failed = 0
