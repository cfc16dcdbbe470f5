"""Ticks on time: a slow run, or a tick that nobody answers, never keeps the next one waiting."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from local.google.scheduler import Scheduler, TickFailed, next_tick

#: The maximum seconds of one wait: after a machine's sleep the clock is read again this soon.
_LONGEST_WAIT_S = 1.0


class Ticks:
    """Delivers a tick at the start of the `with` block, then one at every interval until its end.

    As on Google Cloud, a tick is due whatever has become of the one before. A connection that an earlier run
    still works on is skipped by the product.

    Args:
        scheduler: Delivers a tick, with its retries.
        interval: Time between two ticks.
    """

    def __init__(self, scheduler: Scheduler, interval: timedelta) -> None:
        self._scheduler = scheduler
        self._interval = interval
        self._failures: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stopped = threading.Event()
        #: The time of the next tick.
        self.due = datetime.now(UTC)

    def __enter__(self) -> Self:
        threading.Thread(target=self._keep_time, daemon=True, name="ticks").start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()

    def failures(self) -> Iterator[str]:
        """The ticks that have failed since the last call, a sentence each."""
        while True:
            try:
                yield self._failures.get_nowait()
            except queue.Empty:
                return

    def _keep_time(self) -> None:
        while not self._stopped.is_set():
            now = datetime.now(UTC)
            if now >= self.due:
                # A thread of its own: an attempt may take minutes.
                threading.Thread(target=self._deliver, args=(self.due,), daemon=True).start()
                self.due = next_tick(now, self._interval)
            wait_s = (self.due - datetime.now(UTC)).total_seconds()
            self._stopped.wait(min(_LONGEST_WAIT_S, max(0.0, wait_s)))

    def _deliver(self, schedule_time: datetime) -> None:
        try:
            self._scheduler.deliver(schedule_time)
        except TickFailed as error:
            self._failures.put(f"The tick of {schedule_time:%H:%M:%S}Z failed: {error}")
