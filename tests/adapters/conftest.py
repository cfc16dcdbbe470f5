"""The stores under contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.google.emulators import Emulators
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.ports import DocumentStore
from tests.adapters.worker import Worker, running_worker
from tests.support.emulators import fresh_project

HERE = Path(__file__).parent
STORES = ["sqlite", pytest.param("firestore", marks=pytest.mark.emulator)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that the worker's process delivers to."""
    for item in items:
        if item.path.parent == HERE and {"worker", "dead"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.processes)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DocumentStore]:
    """An empty document store of each kind."""
    made: SqliteStore | FirestoreStore
    if request.param == "sqlite":
        made = SqliteStore(tmp_path / "data" / "store.db")
    else:
        emulators: Emulators = request.getfixturevalue("emulators")
        made = FirestoreStore(
            project=fresh_project(), database="(default)", emulator_host=emulators.firestore_host
        )
    yield made
    made.close()


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """The worker that queues deliver to."""
    with running_worker(tmp_path_factory.mktemp("worker")) as running:
        yield running
