"""The worker function in a process that kills itself, once, after its nth commit of records or state.

Run by functions-framework as `--source`; everything but the killing is the product's own. A holder is
taken for dead sooner than in production, so that a test need not wait a minute and a half.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from main import sync_worker
from orchestrator import wiring
from orchestrator.ports import DocumentStore, Write, Written
from orchestrator.services import Services
from orchestrator.settings import Settings
from orchestrator.sync import pages
from orchestrator.tasks import claim
from tests.support.stores import WrappedStore

__all__ = ["sync_worker"]

claim.WATCH_EVERY_S = 0.2
claim.WATCHED_S = 1.0
pages.JOINED_RECORDS = 1

_build = wiring.build


class KillingStore(WrappedStore):
    """A store whose process dies after a number of commits."""

    def __init__(self, store: DocumentStore, marker: Path, commits: int) -> None:
        super().__init__(store)
        self._marker, self._left = marker, commits
        self._lock = threading.Lock()

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Commit; then perhaps die without another word."""
        written = super().commit(writes)
        with self._lock:
            self._left -= 1
            if self._left == 0 and not self._marker.exists():
                self._marker.write_text("killed")
                os.kill(os.getpid(), signal.SIGKILL)
        return written


def _build_killing(settings: Settings, **options: Any) -> Services:
    services = _build(settings, **options)
    store = KillingStore(services.store, Path(os.environ["KILL_MARKER"]), int(os.environ["KILL_AFTER"]))
    return dataclasses.replace(services, store=store)


wiring.build = _build_killing
