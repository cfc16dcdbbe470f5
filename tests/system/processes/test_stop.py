"""SIGTERM, as Cloud Run sends it before it takes an instance away: the slice is handed over in time."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3

from local.processes import Processes, free_ports
from orchestrator import wiring
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run, RunStatus, Task
from orchestrator.model.state import SyncState
from orchestrator.ports import Put
from orchestrator.runs.start import start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.support.waiting import wait_until

pytestmark = pytest.mark.processes

#: At five a page, and a call for each one with a refund, reading them all slowly takes half a minute.
ORDERS = 300
WAIT_S = 300.0
#: Cloud Run kills about ten seconds after SIGTERM.
HANDED_OVER_S = 8.0


@contextmanager
def worker(folder: Path, variables: dict[str, str], port: int) -> Iterator[Processes]:
    """A worker process under functions-framework."""
    with Processes(folder) as processes:
        command = [sys.executable, "-m", "functions_framework", "--target=sync_worker"]
        command += ["--signature-type=cloudevent", "--host=127.0.0.1", f"--port={port}"]
        processes.start("worker", command, {**os.environ, **variables})
        processes.wait_ready("worker", f"http://127.0.0.1:{port}/")
        yield processes


def test_a_worker_that_has_to_end_hands_over(tmp_path: Path) -> None:
    """Told to end in the middle of a slow listing, it checkpoints, publishes its continuation and is gone."""
    shop, port = free_ports(2)
    variables = {
        "ENVIRONMENT": "development",
        "SYNC_STORE": f"sqlite:{tmp_path / 'store.db'}",
        "SYNC_QUEUE": f"local:http://127.0.0.1:{port}",
        "SHOP": '{"access_token": "shpat_sandbox_0"}',
    }
    with Processes(tmp_path / "sandbox") as sandbox:
        command = [sys.executable, "-m", "local.sandbox", "shopify", f"--port={shop}", "--accounts=1"]
        command += [f"--orders={ORDERS}", "--products=10", "--until=2026-11-01T00:00:00Z"]
        sandbox.start("shopify", command, os.environ)
        url = f"http://127.0.0.1:{shop}"
        sandbox.wait_ready("shopify", url)
        slow = b'{"kind": "slow", "seconds": 0.3}'
        answer = urllib3.request("POST", f"{url}/_sandbox/faults", body=slow)
        assert answer.status == 200, answer.data
        services = wiring.build(Settings.from_environment(variables))
        connect(services, url)
        with worker(tmp_path / "first", variables, port) as first:
            now = datetime.now(UTC)
            run_id = start_tick(services, job="test", schedule_time=now, requested_by="test").run_id
            wait_until(lambda: has_read(services))
            (child,) = first._children.values()
            begun = time.monotonic()
            os.killpg(child.process.pid, signal.SIGTERM)
            child.process.wait(WAIT_S)
            took = time.monotonic() - begun
        handed = state(services)
        answer = urllib3.request("DELETE", f"{url}/_sandbox/faults")
        with worker(tmp_path / "second", variables, port):
            wait_until(lambda: run(services, run_id).status.is_final)

    snapshot = services.store.get(ids.task_path(run_id, "c"))
    assert snapshot is not None
    task = from_document(Task, snapshot.data)
    assert took < HANDED_OVER_S
    assert handed.open is not None
    assert (handed.lease.owner, handed.open.slice) == (None, 1)
    assert run(services, run_id).status is RunStatus.SUCCEEDED
    assert task.slices == 2
    assert services.store.count("connections/c/orders") == ORDERS


def connect(services: Services, url: str) -> None:
    """One connection to the sandbox."""
    now = datetime.now(UTC)
    document = {
        "organization_id": "org",
        "marketplace": "shopify",
        "name": "c",
        "status": "active",
        "credential": "env:SHOP",
        "settings": {"shop": "sandbox-0.myshopify.com", "base_url": url},
        "streams": ["orders"],
        "created_at": now,
        "updated_at": now,
    }
    services.store.commit([Put(ids.connection_path("c"), document)])


def state(services: Services) -> SyncState:
    """The connection's state."""
    snapshot = services.store.get(ids.state_path("c"))
    return from_document(SyncState, snapshot.data) if snapshot is not None else SyncState()


def has_read(services: Services) -> bool:
    """Whether a page is stored."""
    cursor = state(services).streams.get("orders")
    return cursor is not None and cursor.cursor.window is not None


def run(services: Services, run_id: str) -> Run:
    """The run's record."""
    snapshot = services.store.get(ids.run_path(run_id))
    assert snapshot is not None
    return from_document(Run, snapshot.data)
