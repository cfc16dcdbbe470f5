"""The whole stack on Google's emulators: one tick, delivered twenty times at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.folder import Folder
from local.google.emulators import EmulatorsMissing
from local.samples import SAMPLES
from local.stack import Options, running
from orchestrator.cli.follow import follow
from orchestrator.cli.output import console
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run, RunStatus, Shard, Task
from orchestrator.ports import Query
from tests.support.emulators import refuse_or_skip

pytestmark = [pytest.mark.emulator, pytest.mark.processes]

DELIVERIES = 20


def test_a_tick_delivered_twenty_times_at_once_is_one_run(tmp_path: Path) -> None:
    """Twenty simultaneous deliveries: twenty 202s, one run, one task a connection."""
    options = Options(folder=Folder(tmp_path / "stack"), orders=60, products=30, seed=3, emulators=True)
    try:
        with running(options) as stack:
            now = datetime.now(UTC)
            with ThreadPoolExecutor(DELIVERIES) as pool:
                answers = list(pool.map(lambda _: stack.scheduler.deliver(now), range(DELIVERIES)))
            store = stack.services.store
            (run_id,) = {answer.run_id for answer in answers}
            view = follow(
                store, stack.services.clock, run_id, console(), look=lambda _: stack.processes.check()
            )
            runs = store.query(Query("runs", limit=10))
            tasks = store.query(Query(f"{ids.run_path(run_id)}/tasks", limit=100))
            shards = store.query(Query(f"{ids.run_path(run_id)}/shards", limit=100))
    except EmulatorsMissing as error:
        refuse_or_skip(error)

    run = from_document(Run, runs[0].data)
    planned = [name for shard in shards for name in from_document(Shard, shard.data).ids]
    assert len(runs) == 1
    assert sum(not answer.duplicate for answer in answers) == 1
    assert view.run["status"] == RunStatus.SUCCEEDED
    assert sorted(planned) == sorted(sample.id for sample in SAMPLES)
    assert sorted(from_document(Task, task.data).connection_id for task in tasks) == sorted(planned)
    assert run.tasks.total == len(SAMPLES)
    assert all(from_document(Shard, shard.data).open == 0 for shard in shards)
