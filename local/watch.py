"""Shows the runs of a running stack: one line for each, and more only if something has changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from rich.console import Console

from orchestrator.cli.follow import seen
from orchestrator.cli.output import STYLES, print_faults, safe
from orchestrator.errors import SyncError
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run, RunStatus, Task
from orchestrator.operators import run_views
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.run_views import RunView
from orchestrator.ports import DocumentStore

#: Seconds that a run may take before its progress is shown.
_PATIENCE_S = 5.0
#: The minimum seconds between two lines on the progress of a run, and the same while it makes none.
_LINE_EVERY_S, _STILL_EVERY_S = 15.0, 300.0
_CHANGES = ("written", "deleted", "rejected")
#: The connections that a line on the progress names.
_NAMED = 3


@dataclass(slots=True)
class _Shown:
    """What the screen says about an open run."""

    since: float
    line: str = ""
    next_at: float = field(init=False)
    #: Connections whose tasks have been shown.
    tasks: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.next_at = self.since + _PATIENCE_S


class Watch:
    """Shows each run when it ends, also a person's own, and the progress of one that takes long.

    Runs that have ended before the first look are not shown.

    Args:
        store: The documents.
        screen: Shows the runs.
    """

    def __init__(self, store: DocumentStore, screen: Console) -> None:
        self._store = store
        self._screen = screen
        self._ended: set[str] = set()
        self._open: dict[str, _Shown] = {}
        #: By connection: why its last task was unusual.
        self._unusual: dict[str, tuple[str, ...]] = {}
        #: By marketplace and stream: the rejects of the last run that has read it.
        self._rejected: dict[tuple[str, str], int] = {}
        self._trouble = ""
        for run in run_views.list_runs(store).runs:
            if RunStatus(run["status"]).is_final:
                self._ended.add(run["run_id"])
            else:
                screen.print(f"run {safe(run['run_id'])} was interrupted, and continues")

    def look(self) -> list[str]:
        """Show the runs that have ended since the last look; returns a sentence on each open one.

        A store that does not answer is told once.
        """
        try:
            listed = [run["run_id"] for run in run_views.list_runs(self._store).runs]
            # An open run may be older than all runs of the list.
            found = [*self._open, *(name for name in reversed(listed) if name not in self._open)]
            sentences = [self._look_at(name) for name in found if name not in self._ended]
        except SyncError as error:
            if self._trouble != error.message:
                self._screen.print(f"The runs cannot be read: {error.message}", style="red")
            self._trouble = error.message
            return []
        self._trouble = ""
        return [sentence for sentence in sentences if sentence]

    def _look_at(self, run_id: str) -> str:
        view = run_views.show_run(self._store, run_id)
        now = time.monotonic()
        shown = self._open.setdefault(run_id, _Shown(now))
        if view.progress is None:
            del self._open[run_id]
            self._ended.add(run_id)
            self._show_ended(view, shown)
            return ""
        line = _progress(view)
        is_due = now >= shown.next_at and (line != shown.line or now >= shown.next_at + _STILL_EVERY_S)
        if is_due and not self._screen.is_terminal:
            self._screen.print(f"run {safe(run_id)}: open for {now - shown.since:.0f} s; {line}")
            shown.line, shown.next_at = line, now + _LINE_EVERY_S
        if now >= shown.since + _PATIENCE_S:
            self._show_tasks(view, shown)
        return f"run {safe(run_id)}: {line}"

    def _show_ended(self, view: RunView, shown: _Shown) -> None:
        try:
            run = from_document(Run, view.run)
        except msgspec.ValidationError:
            print_faults(self._screen, view.faults)
            return
        self._screen.print(_headline(view.run["run_id"], run), style=_style(run))
        if run.error is not None:
            self._screen.print(f"  {safe(run.error.message)} {safe(run.error.action)}", style="red")
        self._show_records(run)
        self._show_tasks(view, shown)

    def _show_records(self, run: Run) -> None:
        """A line for each stream with changes; the same rejects again are none."""
        for marketplace, share in sorted(run.by_marketplace.items()):
            for stream, records in sorted((share.records.by_stream or {}).items()):
                before = self._rejected.get((marketplace, stream), 0)
                self._rejected[marketplace, stream] = records.rejected
                if records.written or records.deleted or records.rejected > before:
                    counted = _counted(msgspec.structs.asdict(records))
                    self._screen.print(f"  {safe(marketplace)} {safe(stream)}: {counted}")

    def _show_tasks(self, view: RunView, shown: _Shown) -> None:
        """The tasks that are final, if they are unusual in another way than the connection's task before."""
        for document in view.tasks:
            name, task = document["connection_id"], from_document(Task, document)
            if name in shown.tasks:
                continue
            shown.tasks.add(name)
            before, now = self._unusual.get(name, ()), _unusual(task)
            self._unusual[name] = now
            if now != before:
                first, *more = now or ("works again",)
                self._screen.print(f"  {safe(name)} {safe(first)}")
                for line in more:
                    self._screen.print(f"    {safe(line)}")


def _headline(run_id: str, run: Run) -> str:
    tasks = run.tasks
    parts = [plural(tasks.total, "connection")]
    parts += [
        f"{count} {word}" for word, count in (("failed", tasks.failed), ("skipped", tasks.skipped)) if count
    ]
    parts.append(_counted(msgspec.structs.asdict(run.records)) or "nothing new")
    seconds = (
        "" if run.finished_at is None else f" in {(run.finished_at - run.started_at).total_seconds():.1f} s"
    )
    return f"run {safe(run_id)}: {run.status.value}{seconds}; {', '.join(parts)}"


def _style(run: Run) -> str:
    return "" if run.status == RunStatus.SUCCEEDED else STYLES[run.status.value]


def _counted(counts: Mapping[str, object]) -> str:
    return ", ".join(f"{safe(counts[name])} {name}" for name in _CHANGES if counts[name])


def _unusual(task: Task) -> tuple[str, ...]:
    """Lines on a task that has not done all its work; none for another."""
    if task.incomplete:
        return ("continues in the next run",)
    if task.status == "succeeded":
        return ()
    line = task.status.value if task.reason is None else f"{task.status.value} ({task.reason})"
    if task.error is None:
        return (line,)
    return tuple(each for each in (f"{line}: {task.error.message}", task.error.action) if each)


def _progress(view: RunView) -> str:
    progress = view.progress
    if progress is None or view.run["status"] == RunStatus.DISPATCHING:
        return "its connections are being planned"
    open_tasks = sum(shard.open for shard in progress.shards)
    done, total = progress.tasks.total, progress.tasks.total + open_tasks
    line = f"{done:,} of {plural(total, 'connection')} done, {seen(view):,} records read"
    named = [f"{safe(each.connection_id)} ({each.state.replace('_', ' ')})" for each in progress.connections]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{line}; left: {', '.join(named[:_NAMED])}{more}" if named else line
