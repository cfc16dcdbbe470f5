"""`make dev`'s screen: one line for a run, and more only if something has changed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from local.watch import Watch
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.errors import StoreUnavailable
from orchestrator.model.counts import Counts, ErrorInfo, MarketplaceTotals, RecordTotals, RunCost, TaskTotals
from orchestrator.model.documents import to_document
from orchestrator.model.run import Run, RunStatus, Shard, Task, TaskStatus
from orchestrator.ports import Put

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REFUSED = ErrorInfo(kind="credentials_rejected", message="takealot said 401", action="store a valid one")


class Screen:
    """A store, and the lines that the watch prints about it."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path)
        self._output = io.StringIO()
        self._console = Console(file=self._output, width=240, markup=False, highlight=False)
        self._runs = 0

    def watch(self) -> Watch:
        """A watch that begins now."""
        return Watch(self.store, self._console)

    def lines(self) -> list[str]:
        """The lines since the last call."""
        text = self._output.getvalue()
        self._output.seek(0)
        self._output.truncate()
        return text.splitlines()

    def put(
        self,
        error: ErrorInfo | None = None,
        *,
        run_id: str = "",
        is_open: bool = False,
        written: int = 0,
        rejected: int = 0,
        total: int = 2,
    ) -> str:
        """Store a run of two connections (or one); the second one fails if there is an error."""
        self._runs += not run_id
        name = run_id or f"t-{self._runs}"
        counts = Counts(seen=written + rejected, written=written, rejected=rejected)
        records = RecordTotals(by_stream={"orders": counts})
        records.add(counts)
        tasks = TaskTotals(total=total, succeeded=total - bool(error), failed=1 if error else 0)
        run = Run(
            trigger="interval",
            requested_by="scheduler",
            order=f"2026-{self._runs:03}|{name}",
            status=RunStatus.RUNNING if is_open else RunStatus.SUCCEEDED,
            dispatch={},
            dispatched_at=START,
            deadline_at=START + timedelta(hours=1),
            tasks=tasks,
            records=records,
            by_marketplace={"takealot": MarketplaceTotals(tasks=tasks, records=records, cost=RunCost())},
            started_at=START,
            finished_at=None if is_open else START + timedelta(seconds=1.5),
            expires_at=START + timedelta(days=30),
        )
        shard = Shard(
            marketplace="takealot", ids=("shop-0", "shop-1"), open=int(is_open), expires_at=run.expires_at
        )
        given = {"shop-0": None, "shop-1": error} if not is_open or error else {"shop-0": None}
        self.store.commit(
            [
                Put(f"runs/{name}", to_document(run)),
                Put(f"runs/{name}/shards/takealot-0", to_document(shard)),
                *(
                    Put(f"runs/{name}/tasks/{each}", to_document(_task(name, each, given[each])))
                    for each in given
                ),
            ]
        )
        return name


def _task(run_id: str, connection_id: str, error: ErrorInfo | None) -> Task:
    return Task(
        run_id=run_id,
        shard="takealot-0",
        connection_id=connection_id,
        marketplace="takealot",
        status=TaskStatus.FAILED if error else TaskStatus.SUCCEEDED,
        reason=error.kind if error else None,
        error=error,
        finished_at=START,
        expires_at=START + timedelta(days=30),
    )


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    """An empty store."""
    made = Screen(tmp_path / "store.db")
    yield made
    made.store.close()


def test_an_idle_run_is_one_line(screen: Screen) -> None:
    """Runs that ended before the watch began are not shown, and each other one is shown once."""
    screen.put(written=3)
    watch = screen.watch()
    screen.put()
    for _ in range(3):
        assert watch.look() == []

    assert screen.lines() == ["run t-2: succeeded in 1.5 s; 2 connections, nothing new"]


def test_changes_are_shown_by_stream(screen: Screen) -> None:
    """The same rejects again are no change; more of them are."""
    watch = screen.watch()
    for written, rejected in ((5, 1), (0, 1), (0, 2)):
        screen.put(written=written, rejected=rejected)
        watch.look()

    assert screen.lines() == [
        "run t-1: succeeded in 1.5 s; 2 connections, 5 written, 1 rejected",
        "  takealot orders: 5 written, 1 rejected",
        "run t-2: succeeded in 1.5 s; 2 connections, 1 rejected",
        "run t-3: succeeded in 1.5 s; 2 connections, 2 rejected",
        "  takealot orders: 2 rejected",
    ]


def test_a_failure_is_explained_once_and_its_end_is_told(screen: Screen) -> None:
    """With its remedy; the same failure in the next run is only counted."""
    watch = screen.watch()
    for error in (REFUSED, REFUSED, None):
        screen.put(error)
        watch.look()

    failed = "succeeded in 1.5 s; 2 connections, 1 failed, nothing new"
    assert screen.lines() == [
        f"run t-1: {failed}",
        "  shop-1 failed (credentials_rejected): takealot said 401",
        "    store a valid one",
        f"run t-2: {failed}",
        "run t-3: succeeded in 1.5 s; 2 connections, nothing new",
        "  shop-1 works again",
    ]


def test_a_long_run_says_how_far_it_is(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds, then only if something has changed; its failed tasks are shown before its end."""
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    name = screen.put(is_open=True)
    watch = screen.watch()
    assert screen.lines() == ["run t-1 was interrupted, and continues"]
    (sentence,) = watch.look()
    assert sentence == "run t-1: 1 of 2 connections done, 0 records read; left: shop-1 (not started)"
    assert screen.lines() == []
    for clock[0] in (106.0, 130.0, 150.0):
        watch.look()
    assert screen.lines() == [
        "run t-1: open for 6 s; 1 of 2 connections done, 0 records read; left: shop-1 (not started)"
    ]
    screen.put(REFUSED, run_id=name, is_open=True)
    watch.look()
    assert screen.lines()[1:] == [
        "  shop-1 failed (credentials_rejected): takealot said 401",
        "    store a valid one",
    ]
    screen.put(REFUSED, run_id=name)

    assert watch.look() == []
    assert screen.lines() == ["run t-1: succeeded in 1.5 s; 2 connections, 1 failed, nothing new"]


def test_a_store_that_does_not_answer_ends_nothing(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once, and the next look goes on where this one could not."""
    watch = screen.watch()
    screen.put()
    with monkeypatch.context() as broken:
        broken.setattr(screen.store, "query", _unavailable)
        assert watch.look() == watch.look() == []
    assert screen.lines() == ["The runs cannot be read: nobody answers"]
    watch.look()

    assert len(screen.lines()) == 1


def _unavailable(*_: object) -> None:
    raise StoreUnavailable("nobody answers")


def test_a_run_of_one_connection_says_so(screen: Screen) -> None:
    """One connection, not "1 connections"."""
    watch = screen.watch()
    screen.put(total=1)
    watch.look()
    assert screen.lines() == ["run t-1: succeeded in 1.5 s; 1 connection, nothing new"]
