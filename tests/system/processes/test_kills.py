"""A worker process that is really killed, after every commit it makes: the redelivery finishes its work."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.google import topics
from local.google.emulators import Emulators
from local.processes import ROOT, Processes, free_ports
from orchestrator import wiring
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run, RunStatus, Shard, Task
from orchestrator.model.state import SyncState
from orchestrator.ports import Put, Query
from orchestrator.runs.start import start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.support.emulators import fresh_project

pytestmark = [pytest.mark.emulator, pytest.mark.processes]

UNTIL = "2026-11-01T00:00:00Z"
#: Each page is a commit and so a worker to kill; Shopify lists five orders a page.
ORDERS, PRODUCTS = {"shopify": 6, "takealot": 8}, 8
#: An undisturbed run makes fewer commits; where nothing was killed any more the series is over.
MOST_COMMITS = 80
#: Sites at a time: a worker that was killed is waited for, and leaves the processor to others.
AT_ONCE = 3
WAIT_S = 300.0
SOON = topics.Delivery(ack_deadline_s=10, min_backoff_s=1)
_WORKER = ROOT / "tests" / "system" / "processes" / "killing_worker.py"


@dataclass(frozen=True)
class Site:
    """One project on the emulators with a worker process of its own."""

    services: Services
    processes: Processes
    marker: Path

    def run(self) -> tuple[str, Run]:
        """Deliver a tick and wait for its run to end."""
        now = datetime.now(UTC)
        run_id = start_tick(self.services, job="test", schedule_time=now, requested_by="test").run_id
        deadline = time.monotonic() + WAIT_S
        while True:
            snapshot = self.services.store.get(ids.run_path(run_id))
            assert snapshot is not None
            run = from_document(Run, snapshot.data)
            if run.status.is_final:
                return run_id, run
            self.processes.check()
            assert time.monotonic() < deadline, f"{run_id} does not end: {run}"
            time.sleep(0.05)

    def documents(self) -> dict[str, Any]:
        """What consumers read, by path, apart from the time of each write."""
        return {
            snapshot.path: {name: value for name, value in snapshot.data.items() if name != "synced_at"}
            for connection_id in ("s", "t")
            for stream in STREAMS
            for snapshot in self.services.store.query(
                Query(f"connections/{connection_id}/{stream}", limit=5000)
            )
        }

    def check(self, run_id: str, run: Run) -> None:
        """The run succeeded, its counts are its tasks', and nobody holds anything."""
        store = self.services.store
        tasks = [
            from_document(Task, found.data) for found in store.query(Query(f"runs/{run_id}/tasks", limit=100))
        ]
        shards = [
            from_document(Shard, found.data)
            for found in store.query(Query(f"runs/{run_id}/shards", limit=100))
        ]
        assert run.status is RunStatus.SUCCEEDED, tasks
        assert (run.tasks.total, run.tasks.succeeded) == (2, 2)
        assert sorted(task.connection_id for task in tasks) == ["s", "t"]
        assert all(shard.open == 0 for shard in shards)
        for connection_id in ("s", "t"):
            snapshot = store.get(ids.state_path(connection_id))
            assert snapshot is not None
            state = from_document(SyncState, snapshot.data)
            assert state.open is None
            assert all(stream.cursor.since is not None for stream in state.streams.values())


@pytest.fixture(scope="module")
def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A small Shopify and a small Takealot."""
    ports = free_ports(2)
    with Processes(tmp_path_factory.mktemp("sandboxes")) as processes:
        urls = {}
        for (marketplace, orders), port in zip(ORDERS.items(), ports, strict=True):
            command = [sys.executable, "-m", "local.sandbox", marketplace, f"--port={port}", "--seed=5"]
            command += [f"--orders={orders}", f"--products={PRODUCTS}", "--accounts=1", f"--until={UNTIL}"]
            processes.start(marketplace, command, os.environ)
            urls[marketplace] = f"http://127.0.0.1:{port}"
            processes.wait_ready(marketplace, urls[marketplace])
        yield urls


@contextmanager
def made(emulators: Emulators, sandboxes: Mapping[str, str], folder: Path, kill_after: int) -> Iterator[Site]:
    """A fresh project with two connections, and a worker that dies once after so many commits."""
    project, (port,), marker = fresh_project(), free_ports(1), folder / f"killed-{kill_after}"
    variables = {
        **emulators.variables,
        "ENVIRONMENT": "development",
        "GOOGLE_CLOUD_PROJECT": project,
        "SYNC_STORE": "firestore",
        "SYNC_QUEUE": f"pubsub:{topics.TOPIC}",
        "SHOPIFY": '{"access_token": "shpat_sandbox_0"}',
        "TAKEALOT": '{"api_key": "sandbox-key-0"}',
    }
    killing = {
        "KILL_MARKER": str(marker),
        "KILL_AFTER": str(kill_after),
        "PYTHONPATH": str(ROOT),
        "THREADS": "4",
    }
    services = wiring.build(Settings.from_environment(variables))
    now = datetime.now(UTC)
    for name, marketplace, settings in (
        ("s", "shopify", {"shop": "sandbox-0.myshopify.com"}),
        ("t", "takealot", {}),
    ):
        document = {
            "organization_id": "org",
            "marketplace": marketplace,
            "name": name,
            "status": "active",
            "credential": f"env:{marketplace.upper()}",
            "settings": {**settings, "base_url": sandboxes[marketplace]},
            "streams": list(STREAMS),
            "created_at": now,
            "updated_at": now,
        }
        services.store.commit([Put(ids.connection_path(name), document)])
    with Processes(folder / f"logs-{kill_after}") as processes:
        command = [sys.executable, "-m", "functions_framework", f"--source={_WORKER}", "--target=sync_worker"]
        command += ["--signature-type=cloudevent", "--host=127.0.0.1", f"--port={port}"]
        processes.start("worker", command, {**os.environ, **variables, **killing})
        processes.wait_ready("worker", f"http://127.0.0.1:{port}/")
        topics.create(project, f"http://127.0.0.1:{port}", SOON)
        yield Site(services, processes, marker)


def test_a_worker_killed_after_any_commit_is_finished_by_its_redelivery(
    emulators: Emulators, sandboxes: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL after each commit in turn: the same documents as undisturbed, and every run closes."""
    for name, value in emulators.variables.items():
        monkeypatch.setenv(name, value)
    with made(emulators, sandboxes, tmp_path, 0) as calm:
        run_id, run = calm.run()
        calm.check(run_id, run)
        expected = calm.documents()
    assert len(expected) > 100

    def killed(kill_after: int) -> bool:
        with made(emulators, sandboxes, tmp_path, kill_after) as site:
            run_id, run = site.run()
            site.check(run_id, run)
            assert site.documents() == expected, f"killed after commit {kill_after}"
            return site.marker.exists()

    kills = [True]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for first in range(1, MOST_COMMITS, AT_ONCE):
            kills = list(pool.map(killed, range(first, first + AT_ONCE)))
            if not all(kills):
                break
    assert 12 <= first < MOST_COMMITS - AT_ONCE
    assert not kills[-1]
