"""Calls beside the main thread that an interrupted chaos does not wait for, and whose errors are not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Background:
    """Runs each call in a thread of its own, which ends with the process."""

    def __init__(self) -> None:
        self._calls: list[Future[None]] = []
        self._lock = threading.Lock()

    def start(self, call: Callable[..., None], *arguments: Any) -> None:
        """Start a call."""
        future: Future[None] = Future()
        with self._lock:
            self._calls.append(future)
        threading.Thread(target=_run, args=(future, call, arguments), daemon=True).start()

    @property
    def is_idle(self) -> bool:
        """Whether all calls have ended; raises what one of them raised."""
        with self._lock:
            calls, self._calls = self._calls, []
            for future in calls:
                if future.done():
                    future.result()
                else:
                    self._calls.append(future)
            return not self._calls


def _run(future: Future[None], call: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    try:
        call(*arguments)
    except BaseException as error:  # noqa: BLE001 - raised again where the main thread looks
        future.set_exception(error)
    else:
        future.set_result(None)
