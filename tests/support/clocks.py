"""The clock of every test that must not wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


class VirtualClock:
    """Time that passes only in sleeps, and when a test advances it."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._mono = 0.0
        self.slept: list[float] = []
        #: Called after each sleep: the rest of the world acts during it.
        self.meanwhile: Callable[[], None] | None = None

    def now(self) -> datetime:
        """The virtual time."""
        return self._now

    def monotonic(self) -> float:
        """Virtual seconds since the clock was made."""
        return self._mono

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept.append(seconds)
        self.advance(seconds)
        if self.meanwhile is not None:
            self.meanwhile()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._mono += seconds
