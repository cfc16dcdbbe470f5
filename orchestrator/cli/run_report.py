"""A run as tables: its records by marketplace and stream, its failed tasks, its cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import attrgetter

import msgspec
from rich.console import Console
from rich.text import Text

from orchestrator.cli.output import STYLES, print_faults, safe, table
from orchestrator.cli.task_report import OUTCOME, life, outcome, print_windows, windows_of
from orchestrator.model.counts import COUNTS
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run, Task, TaskStatus
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.run_views import Progress, RunPage, RunView

#: Columns of the list of runs that a narrow terminal loses, the first one first.
_DROP = ("written", "trigger", "s", "seen", "skipped", "tasks", "started", "failed")
_counts = attrgetter(*COUNTS)
_used = attrgetter("document_reads", "document_writes", "marketplace_calls", "marketplace_bytes")
_COST = ("marketplace", "document reads", "document writes", "calls", "bytes", "estimated USD")


def print_run(screen: Console, view: RunView, now: datetime | None = None) -> None:
    """Print one run, with the failed, incomplete and skipped tasks of this page first."""
    print_faults(screen, view.faults)
    try:
        run = from_document(Run, view.run)
    except msgspec.ValidationError:  # it is among the faults
        screen.print(table(f"run {safe(view.run['run_id'])}", ("field", "value"), sorted(view.run.items())))
        return
    headline = Text.assemble(
        f"run {safe(view.run['run_id'])}: ", (run.status.value, f"bold {STYLES[run.status.value]}")
    )
    screen.print(headline)
    screen.print(_sentence(run))
    if run.cancel_requested_at is not None:
        by, at = safe(run.cancel_requested_by or "somebody"), safe(run.cancel_requested_at)
        screen.print(f"asked to stop by {by} at {at}")
    if run.error is not None:
        screen.print(f"{safe(run.error.message)} {safe(run.error.action)}", style="red")
    _print_tasks(screen, view)
    if view.progress is not None:
        _print_progress(screen, view.progress, now or datetime.now(UTC))
    if run.by_marketplace:
        screen.print()
        screen.print(table("records", ("marketplace", "stream", *COUNTS), _record_rows(run)))
        screen.print()
        screen.print(table("cost", _COST, _cost_rows(run)))
    if view.next_page_token is not None:
        screen.print(f"There are more tasks: --page-token {view.next_page_token}")


def print_runs(screen: Console, page: RunPage) -> None:
    """Print a page of a list of runs."""
    runs = [(document["run_id"], from_document(Run, document)) for document in page.runs]
    rows = [
        (
            run_id,
            run.status.value,
            run.trigger,
            run.started_at,
            _seconds(run),
            run.tasks.total,
            run.tasks.failed,
            run.tasks.skipped,
            run.tasks.incomplete or 0,
            run.tasks.throttled or 0,
            run.records.seen,
            run.records.written,
        )
        for run_id, run in runs
    ]
    columns = (
        *("run", "status", "trigger", "started", "s", "tasks", "failed", "skipped"),
        *("incomplete", "throttled", "seen", "written"),
    )
    screen.print(table(plural(len(rows), "run"), columns, rows, drop=_DROP))
    print_faults(screen, page.faults)
    if page.next_page_token is not None:
        print(f"There are more: --page-token {page.next_page_token}")


def _sentence(run: Run) -> str:
    tasks = run.tasks
    started = f"{safe(run.trigger)}, started {safe(run.started_at)}"
    seconds = _seconds(run)
    if seconds is None:
        return f"{started}, to be closed by {safe(run.deadline_at)} at the latest"
    incomplete = (
        f"; {tasks.incomplete} of {tasks.total} left records for the next run" if tasks.incomplete else ""
    )
    throttled = f"; the marketplace asked {tasks.throttled} to wait" if tasks.throttled else ""
    return (
        f"{started}, took {seconds} s; {plural(tasks.total, 'connection')}: {tasks.succeeded} succeeded, "
        f"{tasks.failed} failed, {tasks.skipped} skipped{incomplete}{throttled}"
    )


def _seconds(run: Run) -> float | None:
    return None if run.finished_at is None else round((run.finished_at - run.started_at).total_seconds(), 1)


def _record_rows(run: Run) -> Iterator[Sequence[object]]:
    for marketplace, share in sorted(run.by_marketplace.items()):
        for stream, records in sorted((share.records.by_stream or {}).items()):
            yield marketplace, stream, *_counts(records)
    yield "all", "all", *_counts(run.records)


def _cost_rows(run: Run) -> Iterator[Sequence[object]]:
    costs = {name: share.cost for name, share in sorted(run.by_marketplace.items())}
    for name, cost in {**costs, "all": run.cost}.items():
        # At list price, one connection costs millionths of a dollar.
        yield name, *_used(cost), f"{cost.estimated_usd:.6f}"


def _print_progress(screen: Console, progress: Progress, now: datetime) -> None:
    screen.print()
    screen.print(
        f"Done: {plural(progress.tasks.total, 'connection')}; open: {plural(progress.open_shards, 'shard')}."
    )
    rows = [
        (known.connection_id, known.attempts, known.slices, known.seen, life(known, now))
        for known in progress.connections
    ]
    if rows:
        columns = ("connection", "attempts", "slices", "records seen", "now")
        screen.print(table("waited for", columns, rows, drop=("slices", "attempts", "records seen")))
    print_windows(screen, windows_of(progress.connections))


def _print_tasks(screen: Console, view: RunView) -> None:
    """Those with something to tell one by one; the others by their names."""
    tasks = [from_document(Task, document) for document in view.tasks]
    unusual = [task for task in tasks if task.status is not TaskStatus.SUCCEEDED or task.incomplete]
    if unusual:
        rows = [(task.connection_id, *outcome(task)) for task in unusual]
        screen.print()
        columns = ("connection", *OUTCOME)
        screen.print(table("tasks to look at", columns, rows, drop=("attempts", "reason", "status")))
    if len(unusual) < len(tasks):
        of_a_page = " on this page" if view.next_page_token is not None else ""
        screen.print(f"Succeeded{of_a_page}: {plural(len(tasks) - len(unusual), 'task')}.")
