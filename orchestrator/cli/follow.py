"""Follows a run until it is closed: a moving bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from orchestrator.operators import run_views
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.run_views import RunView
from orchestrator.ports import Clock, DocumentStore

#: Seconds between two reads of the run; each costs a few document reads.
POLL_S = 0.5
#: Seconds between two lines if the output is no terminal.
_LINE_EVERY_S = 2.0


def follow(
    store: DocumentStore,
    clock: Clock,
    run_id: str,
    screen: Console,
    *,
    poll_s: float = POLL_S,
    look: Callable[[RunView], None] | None = None,
) -> RunView:
    """Show a run's progress until the run is closed.

    Args:
        store: The documents.
        clock: Sleeps between two reads.
        run_id: The run.
        screen: Shows the progress.
        poll_s: Seconds between two reads.
        look: Called with every view of the open run; an error that it raises ends the waiting.

    Raises:
        NotFound: No such run.
    """
    with _bar(screen) if screen.is_terminal else _lines(screen, clock) as show:
        while True:
            view = run_views.show_run(store, run_id)
            if view.progress is None:
                return view
            if look is not None:
                look(view)
            show(view)
            clock.sleep(poll_s)


def seen(view: RunView) -> int:
    """Records read so far, as counted by the tasks and checkpoints in the view."""
    final: int = sum(counts["seen"] for task in view.tasks for counts in task.get("streams", {}).values())
    return final + sum(known.seen for known in (view.progress.connections if view.progress else ()))


@contextmanager
def _bar(screen: Console) -> Iterator[Callable[[RunView], None]]:
    with Progress(
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=screen,
        transient=True,
    ) as bar:
        task = bar.add_task("waiting for the run", total=None)

        def show(view: RunView) -> None:
            done, total = _done(view)
            bar.update(task, completed=done, total=total, description=_line(view))

        yield show


@contextmanager
def _lines(screen: Console, clock: Clock) -> Iterator[Callable[[RunView], None]]:
    last, next_at = "", clock.monotonic()

    def show(view: RunView) -> None:
        nonlocal last, next_at
        line = _line(view)
        if line != last and clock.monotonic() >= next_at:
            screen.print(line)
            last, next_at = line, clock.monotonic() + _LINE_EVERY_S

    yield show


def _line(view: RunView) -> str:
    done, total = _done(view)
    status = view.run["status"]
    if total is None:
        # Until all connections are planned, 0 would read as a run that does not move.
        if done:
            return f"{status}: {plural(done, 'connection')} done"
        return f"{status}: the connections are being planned" if status == "dispatching" else str(status)
    return f"{status}: {done:,} of {plural(total, 'connection')} done, {seen(view):,} records read"


def _done(view: RunView) -> tuple[int, int | None]:
    """Final tasks, and all tasks; None while the number of all tasks is unknown."""
    progress = view.progress
    if progress is None:
        return view.run["tasks"]["total"], view.run["tasks"]["total"]
    done = progress.tasks.total
    if view.run["status"] == "dispatching" or progress.open_shards > len(progress.shards):
        return done, None
    return done, done + sum(shard.open for shard in progress.shards)
