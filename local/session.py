"""`make run` and `make dev`: deliver ticks to a running stack, and print their runs."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from functions.api import INTERVAL_JOB
from local.processes import ROOT, StackFailed
from local.stack import Options, Stack, running
from local.ticks import Ticks
from local.watch import Watch
from orchestrator import wiring
from orchestrator.cli.follow import follow, seen
from orchestrator.cli.output import console, safe
from orchestrator.cli.run_report import print_run
from orchestrator.model.audit import Actor, Face
from orchestrator.model.connection import STREAMS
from orchestrator.model.run import RunStatus
from orchestrator.operators import run_views
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.run_views import RunView
from orchestrator.page.server import beside
from orchestrator.ports import Query

#: A run without progress for this many seconds is considered stalled.
STALLED_S = 600.0
#: The same for an interrupted run, whose messages are redelivered within seconds.
_INTERRUPTED_STALLED_S = 60.0
_DEV_POLL_S = 0.5
#: Connections that are searched for a record to show.
_LOOKED_AT = 20


def run(options: Options) -> int:
    """Deliver one tick, follow its run to the end, print it; returns the exit code."""
    screen = console()
    with running(options, screen.print) as stack:
        _finish_interrupted(stack, screen)
        view = _tick(stack, screen, datetime.now(UTC))
        options.folder.last_run.write_bytes(
            msgspec.json.format(msgspec.json.encode(view.run), indent=2) + b"\n"
        )
        print_run(screen, view)
        record = _a_record(stack)
    _print_next_steps(screen, options, record)
    return 0 if view.run["status"] == RunStatus.SUCCEEDED else 1


def dev(options: Options, interval: timedelta) -> int:
    """Keep the stack running until interrupted; deliver a tick now and at every interval."""
    screen = console()
    seconds = min(86_400, max(1, round(interval.total_seconds())))
    with (
        running(replace(options, job=INTERVAL_JOB, tick_s=seconds), screen.print) as stack,
        _page(stack, screen),
    ):
        _print_addresses(screen, stack, interval)
        watch = Watch(stack.services.store, screen)
        with Ticks(stack.scheduler, interval) as ticks, _status(screen) as show:
            while True:
                stack.processes.check()
                for failure in ticks.failures():
                    screen.print(failure, style="red")
                show("; ".join([*watch.look(), f"next tick at {safe(ticks.due)}"]))
                time.sleep(_DEV_POLL_S)


def _page(stack: Stack, screen: Console) -> AbstractContextManager[int]:
    """The page, beside the stack; it acts for this machine's user."""

    def tell(link: str) -> None:
        screen.print()
        screen.print("The page, in a browser of this machine; the link works once:")
        screen.print(f"  {link}", soft_wrap=True)

    person = Actor(wiring.caller(stack.services.settings), Face.PAGE)
    return beside(stack.services, person, tell=tell)


@contextmanager
def _status(screen: Console) -> Iterator[Callable[[str], None]]:
    """A line at the bottom of a terminal, which the function changes; nothing elsewhere."""
    if not screen.is_terminal:
        yield lambda _: None
        return
    with screen.status("") as line:
        yield lambda text: line.update(Text(text))


def _tick(stack: Stack, screen: Console, schedule_time: datetime) -> RunView:
    started = stack.scheduler.deliver(schedule_time)
    of = plural(started.tasks, "connection")
    screen.print(f"The tick was accepted: run {started.run_id} syncs {of}")
    return _follow(stack, screen, started.run_id, STALLED_S)


def _finish_interrupted(stack: Stack, screen: Console) -> None:
    """Finish the runs of an interrupted start: their messages are still in the queue."""
    store = stack.services.store
    left = [
        run["run_id"]
        for status in (RunStatus.DISPATCHING, RunStatus.RUNNING)
        for run in run_views.list_runs(store, status=status).runs
    ]
    if left:
        stack.wake()
    for run_id in left:
        screen.print(f"Resuming run {run_id}, which was interrupted")
        try:
            view = _follow(stack, screen, run_id, _INTERRUPTED_STALLED_S)
        except _Stalled:
            screen.print(f"run {run_id}: no progress; the first tick after its deadline closes it")
        else:
            screen.print(f"run {run_id}: {view.run['status']}")


def _follow(stack: Stack, screen: Console, run_id: str, patience_s: float) -> RunView:
    watchdog = _Watchdog(stack, patience_s)
    return follow(stack.services.store, stack.services.clock, run_id, screen, look=watchdog.look)


class _Stalled(StackFailed):
    """A run makes no progress, although every process lives."""


class _Watchdog:
    """Ends the wait for a run if a process has died or the run makes no progress."""

    def __init__(self, stack: Stack, patience_s: float) -> None:
        self._stack = stack
        self._patience_s = patience_s
        self._last: object = None
        self._moved_at = time.monotonic()

    def look(self, view: RunView) -> None:
        self._stack.processes.check()
        now = time.monotonic()
        progress = (view.run["status"], view.progress.tasks if view.progress else None, seen(view))
        if progress != self._last:
            self._last, self._moved_at = progress, now
        elif now - self._moved_at > self._patience_s:
            raise _Stalled(
                f"run {view.run['run_id']} made no progress for {self._patience_s:.0f} s; "
                f"see the logs in {self._stack.options.folder.logs}/"
            )


def _a_record(stack: Stack) -> str:
    """The words of a stored record on the command line; empty if none is stored."""
    store = stack.services.store
    for connection in store.query(Query("connections", limit=_LOOKED_AT)):
        for stream in STREAMS:
            for found in store.query(Query(f"{connection.path}/{stream}", limit=1)):
                record_id = found.data.get("id")
                if isinstance(record_id, str):
                    return shlex.join([connection.id, stream, record_id])
    return ""


def _print_next_steps(screen: Console, options: Options, record: str) -> None:
    folder, python = options.folder, _python()
    screen.print()
    screen.print(f"Run document: {folder.last_run}")
    if not options.emulators:
        screen.print("List connections and runs:")
        screen.print(f"  set -a; . {folder.environment}; set +a")
        screen.print(f"  {python} -m orchestrator connections list; {python} -m orchestrator runs list")
        if record:
            screen.print("Show a stored record:")
            screen.print(f"  {python} -m orchestrator records show {record}", soft_wrap=True)
    emulators = " EMULATORS=1" if options.emulators else ""
    screen.print(f"Keep the stack running, with a tick every minute: make dev{emulators}")


def _print_addresses(screen: Console, stack: Stack, interval: timedelta) -> None:
    url, folder, python = stack.api_url, stack.options.folder, _python()
    directory = "" if str(folder.path) == ".local" else f" --directory {folder.path}"
    screen.print()
    screen.print("In another shell:")
    screen.print("  # show the status of all connections, as an operator")
    screen.print(
        f'  curl -H "Authorization: Bearer $({python} -m local token --audience {url}{directory})" '
        f"{url}/api/sync/status"
    )
    screen.print("  # change data in a sandbox; the next tick syncs the changes")
    for name, address in stack.sandbox_urls.items():
        screen.print(f"""  curl -d '{{"new_orders": 5, "prices": 3}}' {address}/_sandbox/change  # {name}""")
    screen.print("  # make one account fail until faults are turned off (others: local/sandbox/README.md)")
    address = stack.sandbox_urls["takealot"]
    screen.print(f"""  curl -d '{{"status": 401, "account": 1}}' {address}/_sandbox/faults  # takealot-1""")
    screen.print(f"  curl -X DELETE {address}/_sandbox/faults")
    if changes := stack.environment.get("SYNC_CHANGES"):
        screen.print(f"  # changed records are told to {changes}")
    screen.print("  # list the runs on the command line")
    screen.print(f"  set -a; . {folder.environment}; set +a; {python} -m orchestrator runs list")
    screen.print()
    screen.print(f"A tick every {interval.total_seconds():.0f} s until Ctrl-C:")


def _python() -> str:
    """The command that starts this interpreter in the project's root."""
    path = Path(sys.executable)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
