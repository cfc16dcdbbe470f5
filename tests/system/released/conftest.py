"""Each frozen release in each store, and a process that is left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.google.emulators import Emulators
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.google.firestore import FirestoreStore
from tests.edge.conftest import _process_as_it_was
from tests.support.emulators import fresh_project
from tests.support.world import ENVIRONMENT
from tests.system.released.replay import RELEASED, Release

__all__ = ["_process_as_it_was"]

STORES = ["embedded", pytest.param("firestore", marks=pytest.mark.emulator)]


@dataclass(frozen=True, slots=True)
class Left:
    """A release's legacy: its folder, and its documents in a store that a test may change."""

    release: Release
    store: SqliteStore | FirestoreStore


@pytest.fixture(params=RELEASED, ids=lambda release: release.folder.name)
def release(request: pytest.FixtureRequest) -> Release:
    """Each release that was frozen."""
    found: Release = request.param
    return found


@pytest.fixture(params=STORES)
def left(request: pytest.FixtureRequest, release: Release, tmp_path: Path) -> Iterator[Left]:
    """A release's documents in each kind of store."""
    store: SqliteStore | FirestoreStore
    if request.param == "embedded":
        store = release.embedded_store(tmp_path)
    else:
        emulators: Emulators = request.getfixturevalue("emulators")
        store = release.firestore(emulators.firestore_host, fresh_project(), tmp_path)
    yield Left(release, store)
    store.close()


@pytest.fixture(autouse=True)
def _worker_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that the worker's process needs at its start; its services are the test's."""
    for name in ("K_SERVICE", "FUNCTION_TARGET", "SCHEDULER_AUTH", "SKIP_SCHEDULER_AUTH", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
