"""The tick at the end of a deployment."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.processes import ROOT
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.model.documents import to_document
from orchestrator.model.run import Run, RunStatus
from orchestrator.ports import Put
from terraform import tick

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
#: Stands in for gcloud: writes down how it was called, and copies a run's document into the store.
GCLOUD = """#!{python}
import json, pathlib, sys
sys.path.insert(0, {root!r})
folder = pathlib.Path({folder!r})
(folder / "called.json").write_text(json.dumps(sys.argv[1:]))
from orchestrator.adapters.embedded.store import SqliteStore
store = SqliteStore(folder / "store.db")
from orchestrator.ports import Put, Query
for snapshot in store.query(Query("waiting", limit=10)):
    store.commit([Put("runs/" + snapshot.id, snapshot.data)])
store.close()
"""
TERRAFORM = """#!{python}
import pathlib, sys
assert sys.argv[1:] == ["-chdir=terraform/environments/dev", "output", "-json"]
print(pathlib.Path({folder!r}, "outputs.json").read_text())
"""


def run_document(status: RunStatus, order: int) -> dict[str, object]:
    """A closed run of the scheduler's."""
    at = NOW + timedelta(minutes=order)
    run = Run(
        trigger="scheduler",
        requested_by="s",
        order=f"{order:04}",
        status=status,
        dispatch={},
        dispatched_at=at,
        deadline_at=at,
        started_at=at,
        finished_at=at,
        expires_at=at,
    )
    return to_document(run)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    """A deployed environment's store with one old run, and stand-ins for `terraform` and `gcloud`."""
    environment = {
        "ENVIRONMENT": "development",
        "SYNC_STORE": f"sqlite:{tmp_path / 'store.db'}",
        "SYNC_QUEUE": "local:http://127.0.0.1:9",
    }
    outputs = {
        "command_line_environment": "\n".join(
            f"export {name}='{value}'" for name, value in environment.items()
        ),
        "project_id": "a-project",
        "scheduler": {"job": "sync-tick", "region": "europe-west1"},
    }
    (tmp_path / "outputs.json").write_text(
        json.dumps({key: {"value": value} for key, value in outputs.items()})
    )
    for name, script in (("gcloud", GCLOUD), ("terraform", TERRAFORM)):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script.format(python=sys.executable, root=str(ROOT), folder=str(tmp_path)))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("TERRAFORM", raising=False)
    found = SqliteStore(tmp_path / "store.db")
    found.commit([Put("runs/old", run_document(RunStatus.SUCCEEDED, 1))])
    return found


@pytest.mark.processes
@pytest.mark.parametrize(("status", "code"), [(RunStatus.SUCCEEDED, 0), (RunStatus.FAILED, 1)])
def test_the_new_run_is_waited_for_and_shown(
    store: SqliteStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], status: RunStatus, code: int
) -> None:
    """The job is run by name, the run that was not there before is printed, and its status decides."""
    store.commit([Put("waiting/new", run_document(status, 2))])

    assert tick.main(["terraform/environments/dev"]) == code

    assert f"run new: {status.value}" in capsys.readouterr().out
    assert json.loads((tmp_path / "called.json").read_text()) == [
        *("scheduler", "jobs", "run", "sync-tick"),
        *("--location=europe-west1", "--project=a-project", "--quiet"),
    ]


@pytest.mark.processes
def test_a_tick_that_comes_to_nothing_is_an_error(
    store: SqliteStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a run record the deployment has failed, and the message says where to look."""
    monkeypatch.setattr(tick, "APPEAR_S", 0.1)
    monkeypatch.setattr(tick, "_POLL_S", 0.05)

    assert tick.main(["terraform/environments/dev"]) == 1

    assert "no run appeared" in capsys.readouterr().err


@pytest.mark.processes
def test_a_tool_that_refuses_is_quoted(
    store: SqliteStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What gcloud says stands in the error."""
    (tmp_path / "bin" / "gcloud").write_text("#!/bin/sh\necho 'PERMISSION_DENIED: no' >&2\nexit 1\n")

    assert tick.main(["terraform/environments/dev"]) == 1

    assert "PERMISSION_DENIED: no" in capsys.readouterr().err
