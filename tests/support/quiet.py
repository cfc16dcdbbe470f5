"""A test that starts a process says so with a marker; without one, the start fails.

`make check` runs the tests that start nothing. Without this guard, nobody would notice one that does.
"""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest

#: Markers of the tests that may start processes.
STARTING = ("processes", "emulator", "terraform")
_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"})


class QuietTests:
    """A plugin that refuses every process of an unmarked test."""

    def __init__(self) -> None:
        self._item: pytest.Item | None = None
        sys.addaudithook(self._audit)  # it cannot be removed; it acts only during an unmarked test

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note whose turn it is."""
        is_marked = any(item.get_closest_marker(name) for name in STARTING)
        self._item = None if is_marked else item
        try:
            return (yield)
        finally:
            self._item = None

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in _STARTS and self._item is not None:
            raise AssertionError(
                f"{self._item.nodeid} starts a process ({event} {arguments[:2]}): mark it with one of"
                f" {', '.join(STARTING)}"
            )
