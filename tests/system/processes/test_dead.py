"""A task that a real worker fails on again and again: dead letter, failed task, replay."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.processes import ROOT, Processes, free_ports
from orchestrator import wiring
from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.healing import HEALING_PATH
from orchestrator.model.run import RunStatus, Task
from orchestrator.operators import dead_letters
from orchestrator.operators.dead_letters import Effect, Wanted
from orchestrator.ports import Delete, Update
from orchestrator.runs.start import start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.support.people import ME
from tests.support.waiting import wait_until
from tests.system.processes.test_stop import connect, run

pytestmark = pytest.mark.processes

ORDERS = 40
#: As production's subscription, but in a second instead of hours.
DELIVERY = Delivery(max_attempts=3, min_backoff_s=0.05, max_backoff_s=0.2)


@pytest.fixture
def defect(tmp_path: Path) -> Path:
    """The worker fails on every task while this file is there."""
    return tmp_path / "defect"


@pytest.fixture
def services(tmp_path: Path, defect: Path) -> Iterator[Services]:
    """A sandbox, a worker process, one connection; this process delivers the messages, quickly."""
    shop, port = free_ports(2)
    variables = {
        "ENVIRONMENT": "development",
        "SYNC_STORE": f"sqlite:{tmp_path / 'store.db'}",
        "SYNC_QUEUE": f"local:http://127.0.0.1:{port}",
        "SHOP": '{"access_token": "shpat_sandbox_0"}',
    }
    settings = Settings.from_environment(variables)
    made = wiring.build(settings, delivers=False)
    queue = LocalQueue(wiring.queue_path(settings), f"http://127.0.0.1:{port}", delivery=DELIVERY)
    with Processes(tmp_path / "logs") as processes:
        command = [sys.executable, "-m", "local.sandbox", "shopify", f"--port={shop}", "--accounts=1"]
        command += [f"--orders={ORDERS}", "--products=10", "--until=2026-11-01T00:00:00Z"]
        processes.start("shopify", command, os.environ)
        worker = ROOT / "tests" / "system" / "processes" / "quiet_worker.py"
        command = [sys.executable, "-m", "functions_framework", f"--source={worker}", "--target=sync_worker"]
        command += ["--signature-type=cloudevent", "--host=127.0.0.1", f"--port={port}"]
        variables["DEFECT"] = str(defect)
        processes.start("worker", command, {**os.environ, **variables, "PYTHONPATH": str(ROOT)})
        for name, at in (("shopify", shop), ("worker", port)):
            processes.wait_ready(name, f"http://127.0.0.1:{at}/")
        connect(made, f"http://127.0.0.1:{shop}")
        yield replace(made, queue=queue)
        queue.close()


def tick(services: Services, scheduled: timedelta) -> str:
    """A tick that was scheduled so long ago; two in one second would be one."""
    at = datetime.now(UTC) - scheduled
    return start_tick(services, job="test", schedule_time=at, requested_by="test").run_id


def test_a_task_whose_messages_keep_failing_is_failed_and_can_be_replayed(
    services: Services, defect: Path
) -> None:
    """The message dies, the run is closed at its deadline with a failed task, a replay syncs it after all."""
    letters = wiring.dead_letters(services.settings)
    defect.touch()
    run_id = tick(services, timedelta(minutes=15))
    wait_until(lambda: dead_letters.look(services, letters, Wanted()).letters != [])
    (letter,) = dead_letters.look(services, letters, Wanted()).letters
    assert (letter.kind, letter.connection_id, letter.deliveries) == ("task", "c", DELIVERY.max_attempts)
    assert run(services, run_id).status is RunStatus.RUNNING

    defect.unlink()  # the defect is mended
    past = datetime.now(UTC) - timedelta(seconds=1)
    services.store.commit([Update(ids.run_path(run_id), {"deadline_at": past})])
    services.store.commit([Update(ids.connection_path("c"), {"status": "paused"})])
    services.store.commit([Delete(HEALING_PATH)])  # as if the minutes between two heals had passed
    tick(services, timedelta(0))
    wait_until(lambda: run(services, run_id).status.is_final)
    snapshot = services.store.get(ids.task_path(run_id, "c"))
    assert snapshot is not None
    task = from_document(Task, snapshot.data)
    assert (run(services, run_id).status, task.reason) == (RunStatus.FAILED, "no_answer")
    assert services.store.count("connections/c/orders") == 0

    services.store.commit([Update(ids.connection_path("c"), {"status": "active"})])
    done = dead_letters.replay(services, letters, Wanted(), by=ME)
    (started,) = done.started
    wait_until(lambda: run(services, started.run_id).status.is_final)

    assert [letter.effect for letter in done.letters] == [Effect.NEW_RUN]
    assert run(services, started.run_id).status is RunStatus.SUCCEEDED
    assert services.store.count("connections/c/orders") == ORDERS
    assert dead_letters.look(services, letters, Wanted()).letters == []
