"""A run as tables: what was synced, by marketplace and stream, what failed, what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from orchestrator.cli.output import STYLES, safe, table
from orchestrator.model.counts import Counts, RecordTotals, RunCost
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run, Task
from orchestrator.operators.run_views import RunView
from orchestrator.ports import Document

_COUNTS = ("seen", "written", "unchanged", "deleted", "rejected")
_COST = ("marketplace", "document reads", "document writes", "calls", "bytes", "estimated USD")


def print_run(screen: Console, view: RunView) -> None:
    """Print one run, with the tasks of this page that did not simply succeed."""
    run = from_document(Run, view.run)
    headline = Text.assemble(
        f"run {safe(view.run['run_id'])}: ", (run.status.value, f"bold {STYLES[run.status.value]}")
    )
    screen.print(headline)
    screen.print(_sentence(run))
    if run.error is not None:
        screen.print(f"{safe(run.error.message)} {safe(run.error.action)}", style="red")
    if run.by_marketplace:
        screen.print()
        screen.print(table("records", ("marketplace", "stream", *_COUNTS), _record_rows(run)))
        screen.print()
        screen.print(table("cost", _COST, _cost_rows(run)))
    if view.progress is not None:
        _print_progress(screen, view)
    unusual = _unusual(view.tasks)
    if unusual:
        columns = ("connection", "status", "reason", "attempts", "error", "what to do")
        screen.print()
        screen.print(table("tasks to look at", columns, unusual))
    if view.next_page_token is not None:
        screen.print(f"There are more tasks: --page-token {view.next_page_token}")


def print_runs(screen: Console, runs: Sequence[Document]) -> None:
    """Print a list of runs."""
    rows = []
    for document in runs:
        run = from_document(Run, document)
        tasks = run.tasks
        rows.append(
            (
                document["run_id"],
                run.status.value,
                run.trigger,
                run.started_at,
                _seconds(run),
                tasks.total,
                tasks.failed,
                tasks.skipped,
                run.records.seen,
                run.records.written,
            )
        )
    columns = ("run", "status", "trigger", "started", "s", "tasks", "failed", "skipped", "seen", "written")
    screen.print(table(f"{len(rows)} runs", columns, rows))


def _sentence(run: Run) -> str:
    tasks = run.tasks
    started = f"{safe(run.trigger)}, started {safe(run.started_at)}"
    seconds = _seconds(run)
    if seconds is None:
        return f"{started}, to be closed by {safe(run.deadline_at)} at the latest"
    return (
        f"{started}, took {seconds} s; {tasks.total} connections: {tasks.succeeded} succeeded, "
        f"{tasks.failed} failed, {tasks.skipped} skipped"
    )


def _seconds(run: Run) -> float | None:
    return None if run.finished_at is None else round((run.finished_at - run.started_at).total_seconds(), 1)


def _record_rows(run: Run) -> Iterator[Sequence[object]]:
    for marketplace, share in sorted(run.by_marketplace.items()):
        for stream, records in _by_stream(share.records):
            yield marketplace, stream, *_counts(records)
    yield "all", "all", *_counts(run.records)


def _by_stream(records: RecordTotals) -> list[tuple[str, Counts]]:
    return sorted(records.by_stream.items()) if isinstance(records.by_stream, dict) else []


def _counts(records: Counts) -> tuple[int, ...]:
    return tuple(getattr(records, name) for name in _COUNTS)


def _cost_rows(run: Run) -> Iterator[Sequence[object]]:
    for marketplace, share in sorted(run.by_marketplace.items()):
        yield marketplace, *_cost(share.cost)
    yield "all", *_cost(run.cost)


def _cost(cost: RunCost) -> tuple[object, ...]:
    # At list price, one connection costs millionths of a dollar.
    usd = f"{cost.estimated_usd:.6f}"
    return cost.document_reads, cost.document_writes, cost.marketplace_calls, cost.marketplace_bytes, usd


def _print_progress(screen: Console, view: RunView) -> None:
    progress = view.progress
    if progress is None:
        return
    screen.print()
    screen.print(f"{progress.tasks.total} connections are done, {progress.open_shards} shards are open.")
    rows = [
        (known.connection_id, known.state, known.attempts, known.slices, known.seen, known.not_before)
        for known in progress.connections
    ]
    if rows:
        columns = ("connection", "state", "attempts", "slices", "records seen", "not before")
        screen.print(table("waited for", columns, rows))


def _unusual(tasks: Sequence[Document]) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for document in tasks:
        task = from_document(Task, document)
        if task.status == "succeeded" and not task.incomplete:
            continue
        reason = "goes on in the next run" if task.incomplete else task.reason
        error = task.error
        rows.append(
            (
                task.connection_id,
                task.status.value,
                reason,
                task.attempts,
                error.message if error else None,
                error.action if error else None,
            )
        )
    return rows
