"""`marketplace-sync runs …`."""

from __future__ import annotations

import argparse

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.csv_rows import columns_of
from orchestrator.cli.follow import follow
from orchestrator.cli.output import console, safe
from orchestrator.cli.run_report import print_run, print_runs
from orchestrator.model.connection import MARKETPLACES
from orchestrator.model.run import Run, RunStatus, Task
from orchestrator.operators import run_views
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.run_views import RunView
from orchestrator.operators.tasks.pages import STATUSES
from orchestrator.runs import start
from orchestrator.runs.cancel import cancel_run
from orchestrator.services import Services

#: A tick's run, for the examples: its time and the scheduler's job.
_RUN = "t-20260301T120000Z-sync"
#: Exit code of `watch` if the run did not succeed.
NOT_SUCCEEDED = 3


def add_parsers(commands: Commands) -> None:
    """Describe the commands."""
    many = command(
        commands,
        "list",
        _list,
        "list runs, the newest first",
        "marketplace-sync runs list --status failed",
        "marketplace-sync runs list --marketplace shopify --limit 5 -o csv",
    )
    one = command(
        commands,
        "show",
        _show,
        "show one run, its cost and its tasks, failed ones first",
        f"marketplace-sync runs show {_RUN}",
        f"marketplace-sync runs show {_RUN} --status failed --marketplace shopify",
    )
    for page in (many, one):
        page.add_argument("--page-token", metavar="TOKEN", help="continue after an earlier page")
        page.add_argument("--limit", type=int, default=20, help=f"default: 20, at most {run_views.MOST}")
    many.add_argument("--status", choices=[status.value for status in RunStatus], help="only these runs")
    many.add_argument("--marketplace", choices=MARKETPLACES, help="only runs that it takes part in")
    one.add_argument("run_id", metavar="RUN_ID", help="as `runs list` names it")
    one.add_argument("--status", choices=STATUSES, help="only these tasks; running: those without an end yet")
    one.add_argument("--marketplace", choices=MARKETPLACES, help="only its tasks")

    for name, run, text in (
        ("watch", _watch, "follow a run until it is closed; exit code 3 if it did not succeed"),
        ("retry", _retry, "start a new run over the failed and skipped tasks of a closed run"),
        ("cancel", _cancel, "ask a run to stop: its open tasks stop at their next page"),
    ):
        run_command = command(commands, name, run, text, f"marketplace-sync runs {name} {_RUN}")
        run_command.add_argument("run_id", metavar="RUN_ID")


def _list(services: Services, options: argparse.Namespace) -> Answer:
    page = run_views.list_runs(
        services.store,
        status=options.status,
        marketplace=options.marketplace,
        page_token=options.page_token,
        limit=options.limit,
    )
    columns = ("run_id", *columns_of(Run))
    return Answer(page, lambda screen: print_runs(screen, page), rows="runs", columns=columns)


def _show(services: Services, options: argparse.Namespace) -> Answer:
    view = run_views.show_run(
        services.store,
        options.run_id,
        status=options.status,
        marketplace=options.marketplace,
        page_token=options.page_token,
        limit=options.limit,
        lease_seconds=services.settings.lease_seconds,
    )
    return _answer(services, view)


def _watch(services: Services, options: argparse.Namespace) -> Answer:
    return watch(services, options.run_id, options)


def watch(services: Services, run_id: str, options: argparse.Namespace) -> Answer:
    """Follow a run until it is closed; the exit code tells whether it succeeded."""
    # With -o json standard output takes nothing but the JSON, so progress is shown on standard error.
    screen = console(to_stderr=options.output != "table")
    view = follow(services.store, services.clock, run_id, screen)
    code = 0 if view.run.get("status") == RunStatus.SUCCEEDED else NOT_SUCCEEDED
    return _answer(services, view, code)


def _answer(services: Services, view: RunView, code: int = 0) -> Answer:
    return Answer(
        view,
        lambda screen: print_run(screen, view, services.clock.now()),
        code,
        rows="tasks",
        columns=tuple(dict.fromkeys(("connection_id", *columns_of(Task)))),
    )


def _retry(services: Services, options: argparse.Namespace) -> Answer:
    started = start.retry_run(services, options.run_id, by=actor(services))
    run_id, again = safe(started.run_id), "was started before" if started.duplicate else "is started"
    text = f"run {run_id} over {plural(started.tasks, 'connection')} {again}"
    return Answer(started, f"{text}\n{how_to_watch(run_id)}")


def _cancel(services: Services, options: argparse.Namespace) -> Answer:
    asked = cancel_run(services, options.run_id, by=actor(services))
    run_id = safe(asked.run_id)
    text = f"run {run_id} is asked to stop; it is cancelled when its last task is over"
    return Answer(asked, f"{text}\n{how_to_watch(run_id)}")


def how_to_watch(run_id: str) -> str:
    """The command that follows a run."""
    return f"Watch it: marketplace-sync runs watch {run_id}"
