"""`marketplace-sync`, from arguments to output and exit code."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli.app import FAILED, main
from orchestrator.cli.commands.run_commands import NOT_SUCCEEDED
from orchestrator.model.counts import (
    Counts,
    ErrorInfo,
    MarketplaceTotals,
    RecordTotals,
    RunCost,
    StreamCounts,
    TaskTotals,
)
from orchestrator.model.documents import to_document
from orchestrator.model.run import Run, RunStatus, Task, TaskStatus
from orchestrator.ports import Put

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ADD = [
    *("connections", "add", "shop-1"),
    *("--marketplace", "shopify"),
    *("--organization", "org-1", "--no-check"),
    *("--credential", "env:SHOP_SECRET"),
    *("--setting", "shop=one.myshopify.com"),
]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded store, named in the environment as by a developer's shell."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("SYNC_STORE", f"sqlite:{tmp_path / 'store.db'}")
    monkeypatch.setenv("SYNC_QUEUE", "local:http://127.0.0.1:1")
    monkeypatch.setenv("SHOP_SECRET", '{"access_token": "shpat_1"}')
    monkeypatch.delenv("K_SERVICE", raising=False)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """The store that the commands use."""
    return SqliteStore(tmp_path / "store.db")


def put_run(store: SqliteStore, run_id: str = "t-1", status: RunStatus = RunStatus.PARTIAL) -> None:
    """A closed run with a task that succeeded and one that failed."""
    tasks = TaskTotals(total=2, succeeded=1, failed=1)
    by_stream = {"orders": Counts(seen=1234, written=1200, unchanged=34)}
    records = RecordTotals(seen=1234, written=1200, unchanged=34, by_stream=by_stream)
    cost = RunCost(document_reads=5, document_writes=1210, marketplace_calls=6, estimated_usd=0.001)
    run = Run(
        trigger="scheduler",
        requested_by="scheduler",
        order=f"2026|{run_id}",
        status=status,
        dispatch={},
        dispatched_at=START,
        deadline_at=START + timedelta(hours=1),
        tasks=tasks,
        records=records,
        cost=cost,
        by_marketplace={"shopify": MarketplaceTotals(tasks=tasks, records=records, cost=cost)},
        started_at=START,
        finished_at=START + timedelta(seconds=12.5),
        expires_at=START + timedelta(days=30),
    )
    error = ErrorInfo(kind="credentials_rejected", message="shopify said 401", action="store a valid one")
    store.commit(
        [
            Put(f"runs/{run_id}", to_document(run)),
            Put(f"runs/{run_id}/tasks/shop-1", to_document(task(run_id, "shop-1"))),
            Put(f"runs/{run_id}/tasks/shop-2", to_document(task(run_id, "shop-2", error))),
        ]
    )


def task(run_id: str, connection_id: str, error: ErrorInfo | None = None) -> Task:
    """A final task; failed if there is an error."""
    return Task(
        run_id=run_id,
        shard="shopify-000000",
        connection_id=connection_id,
        marketplace="shopify",
        status=TaskStatus.FAILED if error else TaskStatus.SUCCEEDED,
        reason=error.kind if error else None,
        attempts=1,
        streams={"orders": StreamCounts(seen=1234)},
        error=error,
        finished_at=START,
        expires_at=START + timedelta(days=30),
    )


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    """Run a command that succeeds, and read its JSON."""
    assert main([*arguments, "--json"]) == 0
    answer: object = json.loads(capsys.readouterr().out)
    return answer


def test_a_connections_life(capsys: pytest.CaptureFixture[str]) -> None:
    """Add, list, pause, resume and remove work, and each prints one sentence."""
    assert main(ADD) == 0
    assert "shop-1: added" in capsys.readouterr().out
    assert main(["connections", "list"]) == 0
    listed = capsys.readouterr().out
    for shown in ("shop-1", "shopify", "org-1", "active", "new"):
        assert shown in listed
    assert main(["connections", "pause", "shop-1"]) == 0
    assert "paused" in capsys.readouterr().out
    assert run_json(capsys, "connections", "list", "--status", "active") == []
    assert main(["connections", "resume", "shop-1"]) == 0
    assert main(["connections", "remove", "shop-1"]) == 0
    assert "its records stay; a secret of its own in Secret Manager stays" in capsys.readouterr().out
    assert run_json(capsys, "connections", "list") == []


def test_show_tells_document_and_state(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON holds the stored fields and the state; neither output holds the secret's content."""
    main(ADD)
    capsys.readouterr()
    shown = run_json(capsys, "connections", "show", "shop-1")

    assert isinstance(shown, dict)
    assert shown["credential"] == "env:SHOP_SECRET"
    assert shown["settings"] == {"shop": "one.myshopify.com"}
    assert shown["state"] is None
    assert main(["connections", "show", "shop-1"]) == 0
    text = capsys.readouterr().out
    assert "env:SHOP_SECRET" in text
    assert "shpat_1" not in text


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([*ADD[:-1], "shop=not a shop"], "shop"),
        ([*ADD[:-1], "shop"], "write it as NAME=VALUE"),
        ([*ADD[:-1], "shop=[1"], "no JSON list"),
        (["connections", "show", "shop-9"], "no connection 'shop-9'"),
        (["runs", "show", "t-9"], "no such run: t-9"),
        (["runs", "list", "--limit", "1000"], "limit"),
    ],
)
def test_what_is_refused_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    """An error is one line for people on standard error, without a traceback, with exit code 1."""
    assert main(arguments) == FAILED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert line in captured.err
    assert "Traceback" not in captured.err


def test_adding_twice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The second add changes nothing and exits with 1."""
    assert main(ADD) == 0
    assert main([*ADD, "--name", "Another"]) == FAILED
    assert "exists already" in capsys.readouterr().err


def test_wrong_settings_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong environment is refused before anything is changed."""
    monkeypatch.setenv("SYNC_STORE", "mysql:there")

    assert main(["runs", "list"]) == FAILED
    assert "SYNC_STORE" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["connections"], ["connections", "add"], ["runs", "wach", "t-1"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    """Wrong usage has the usual exit code."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


def test_a_run_is_shown_with_what_failed(capsys: pytest.CaptureFixture[str], store: SqliteStore) -> None:
    """The output has counts by stream, the cost, and the remedy for every failed task."""
    put_run(store)
    assert main(["runs", "show", "t-1"]) == 0

    text = capsys.readouterr().out
    for shown in ("partial", "took 12.5 s", "1,234", "1,210", "orders", "shop-2", "store a valid one"):
        assert shown in text
    assert "shop-1" not in text


def test_runs_are_listed_in_pages(capsys: pytest.CaptureFixture[str], store: SqliteStore) -> None:
    """The newest run is first, and a token leads to the next page."""
    for run_id in ("t-1", "t-2", "t-3"):
        put_run(store, run_id)
    first = run_json(capsys, "runs", "list", "--limit", "2")

    assert isinstance(first, dict)
    assert [run["run_id"] for run in first["runs"]] == ["t-3", "t-2"]
    token = first["next_page_token"]
    second = run_json(capsys, "runs", "list", "--limit", "2", "--page-token", token)
    assert isinstance(second, dict)
    assert [run["run_id"] for run in second["runs"]] == ["t-1"]
    assert main(["runs", "list", "--limit", "2"]) == 0
    assert f"--page-token {token}" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "code"), [(RunStatus.SUCCEEDED, 0), (RunStatus.PARTIAL, NOT_SUCCEEDED)])
def test_watch_tells_by_its_exit_code(
    capsys: pytest.CaptureFixture[str], store: SqliteStore, status: RunStatus, code: int
) -> None:
    """A script learns from the exit code whether the run succeeded."""
    put_run(store, status=status)

    assert main(["runs", "watch", "t-1", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["run"]["status"] == status.value


def test_names_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str], store: SqliteStore) -> None:
    """Escape sequences and markup in stored text are shown, not obeyed."""
    main([*ADD, "--organization", "\x1b[2J[bold]x"])
    assert main(["connections", "list"]) == 0

    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "[bold]x" in text
