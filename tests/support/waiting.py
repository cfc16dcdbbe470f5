"""Waiting for other threads and processes, with deadlines that only a broken product misses."""

from __future__ import annotations

import time
from collections.abc import Callable

#: A busy machine needs long for anything; a test that passes waits no longer than it has to.
PATIENCE_S = 120.0


def wait_until(holds: Callable[[], bool], *, timeout_s: float = PATIENCE_S, every_s: float = 0.02) -> None:
    """Return as soon as a condition holds.

    Raises:
        AssertionError: It did not hold in time.
    """
    give_up_at = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < give_up_at, f"the condition did not hold within {timeout_s:g} s"
        time.sleep(every_s)
