"""Follows a run until it is over: a moving bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from orchestrator.operators import run_views
from orchestrator.operators.run_views import RunView
from orchestrator.ports import Clock, DocumentStore

#: Seconds between two looks at the run; a look costs a few document reads.
POLL_S = 0.5
#: Seconds between two lines where the output is no terminal.
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
    """Wait until a run is over, showing how far it is.

    Args:
        store: Where the run is.
        clock: Sleeps between two looks.
        run_id: The run.
        screen: Where to show it.
        poll_s: Seconds between two looks.
        look: Called with every look; whatever it raises ends the waiting.

    Raises:
        NotFound: No such run.
    """
    display: _Display = _Bar(screen) if screen.is_terminal else _Lines(screen, clock)
    with display:
        while True:
            view = run_views.show_run(store, run_id)
            if view.progress is None:
                return view
            if look is not None:
                look(view)
            display.show(view)
            clock.sleep(poll_s)


def seen(view: RunView) -> int:
    """Records read so far, as far as the tasks and checkpoints that the view holds tell."""
    final: int = sum(counts["seen"] for task in view.tasks for counts in task["streams"].values())
    return final + sum(known.seen for known in (view.progress.connections if view.progress else ()))


class _Display(AbstractContextManager["_Display"], Protocol):
    def show(self, view: RunView) -> None: ...


class _Bar:
    def __init__(self, screen: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=screen,
            transient=True,
        )
        self._task = self._progress.add_task("waiting for the run", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, view: RunView) -> None:
        done, total = _done(view)
        self._progress.update(self._task, completed=done, total=total, description=_line(view))


class _Lines:
    def __init__(self, screen: Console, clock: Clock) -> None:
        self._screen = screen
        self._clock = clock
        self._next_at = clock.monotonic()
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def show(self, view: RunView) -> None:
        line = _line(view)
        if line != self._last and self._clock.monotonic() >= self._next_at:
            self._screen.print(line)
            self._last = line
            self._next_at = self._clock.monotonic() + _LINE_EVERY_S


def _line(view: RunView) -> str:
    done, total = _done(view)
    status = view.run["status"]
    if total is None:
        return f"{status}: {done} connections done"
    return f"{status}: {done} of {total} connections done, {seen(view):,} records read"


def _done(view: RunView) -> tuple[int, int | None]:
    """Final tasks, and how many there will be; None while that is not known."""
    progress = view.progress
    if progress is None:
        return view.run["tasks"]["total"], view.run["tasks"]["total"]
    done = progress.tasks.total
    if view.run["status"] == "dispatching" or progress.open_shards > len(progress.shards):
        return done, None
    return done, done + sum(shard.open for shard in progress.shards)
