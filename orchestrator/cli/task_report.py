"""Tasks as text: how a final one ended, and the present state of an open one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console

from orchestrator.cli.output import print_faults, safe, table
from orchestrator.model.documents import from_document
from orchestrator.model.run import Task
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.tasks.history import History
from orchestrator.operators.tasks.open_tasks import OpenConnection
from orchestrator.operators.tasks.windows import WindowProgress

#: The columns of `outcome`.
OUTCOME = ("status", "reason", "attempts", "error", "what to do")
_WINDOW = ("connection", "stream", "from", "read up to", "until", "records", "of", "done", "rate", "left")


def outcome(task: Task) -> tuple[object, ...]:
    """How a task ended, for a row of a table."""
    return (
        "incomplete" if task.incomplete else task.status.value,
        task.reason or ("incomplete: the next run continues" if task.incomplete else None),
        task.attempts,
        task.error.message if task.error else None,
        task.error.action if task.error else None,
    )


def life(task: OpenConnection, now: datetime) -> str:
    """The present state of an open task, in one sentence."""
    if task.started_at is None:
        return "not started"
    cancel = f"; asked to stop ({task.cancel})" if task.cancel is not None else ""
    if task.state == "waiting":
        return f"waits until {clock(task.not_before, now)}, as the marketplace asked{cancel}"
    if task.state == "between_slices":
        if task.takeover_at is None:
            return f"between two slices{cancel}"
        when = "at any moment" if task.takeover_at <= now else f"by {clock(task.takeover_at, now)}"
        return f"between two slices, continues {when}{cancel}"
    told = f"working for {duration((now - task.started_at).total_seconds())}"
    if task.last_sign_at is not None:
        told += f", last sign of life {duration((now - task.last_sign_at).total_seconds())} ago"
    if task.takeover_at is not None and task.takeover_at <= now:
        told += f", silent: taken over since {clock(task.takeover_at, now)} by the next tick or delivery"
    elif task.takeover_at is not None:
        told += f", taken over by {clock(task.takeover_at, now)} if silent"
    return told + cancel


def print_windows(screen: Console, found: Sequence[tuple[str, WindowProgress]]) -> None:
    """Print the progress of open windows, each with its connection's id, if there are any."""
    rows = [
        (
            connection_id,
            f"{each.stream} (rewrites)" if each.rewrites else each.stream,
            f"{each.since:%Y-%m-%d}",
            f"{each.position:%Y-%m-%d}" if each.position is not None else None,
            f"{each.until:%Y-%m-%d}",
            each.read,
            each.total,
            f"{each.done:.0%}" if each.done is not None else None,
            _rate(each.records_per_minute, each.days_per_minute),
            duration(each.remaining_s) if each.remaining_s is not None else None,
        )
        for connection_id, each in found
    ]
    if rows:
        screen.print()
        screen.print(table("open windows", _WINDOW, rows))


def windows_of(tasks: Iterable[OpenConnection]) -> list[tuple[str, WindowProgress]]:
    """The open windows of open tasks, each with its connection's id."""
    return [(task.connection_id, each) for task in tasks for each in task.windows]


def print_history(screen: Console, page: History, now: datetime) -> None:
    """Print a page of a connection's tasks, the open one first."""
    if page.open is not None:
        screen.print(f"now: {safe(life(page.open, now))}")
        print_windows(screen, windows_of([page.open]))
    if page.unchanged_at is not None:
        screen.print(
            f"latest: {clock(page.unchanged_at, now)}, nothing had changed (such a task has no record)"
        )
    rows = []
    for task in (from_document(Task, document) for document in page.tasks):
        counts = task.streams.values()
        seen, rejected = sum(each.seen for each in counts), sum(each.rejected for each in counts)
        took = round((task.finished_at - task.started_at).total_seconds(), 1) if task.started_at else None
        rows.append((task.run_id, task.finished_at, *outcome(task), seen, rejected, took))
    columns = ("run", "ended", *OUTCOME, "records", "rejected", "s")
    screen.print(table(f"{plural(len(rows), 'task')} of {safe(page.connection_id)}", columns, rows))
    print_faults(screen, page.faults)
    if page.next_page_token is not None:
        print(f"There are more: --page-token {page.next_page_token}")


def clock(at: datetime | None, now: datetime) -> str:
    """A time of day in UTC, with its date if that is not today."""
    if at is None:
        return "an unknown time"
    return f"{at:%H:%M:%S}Z" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}Z"


def duration(seconds: float) -> str:
    """A duration in its largest units."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min" if whole < 172_800 else f"{whole // 86_400} days"


def _rate(records: float | None, days: float | None) -> str | None:
    told = [f"{value:,.4g} {word}/min" for value, word in ((records, "records"), (days, "days")) if value]
    return ", ".join(told) or None
