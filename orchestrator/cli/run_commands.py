"""`python -m orchestrator runs …`."""

from __future__ import annotations

import argparse

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import JSON, Answer
from orchestrator.cli.follow import follow
from orchestrator.cli.output import console, safe
from orchestrator.cli.run_report import print_run, print_runs
from orchestrator.model.connection import MARKETPLACES
from orchestrator.model.run import RunStatus
from orchestrator.operators import run_views
from orchestrator.operators.tasks.pages import STATUSES
from orchestrator.runs import start
from orchestrator.runs.cancel import cancel_run
from orchestrator.services import Services

#: Exit code of `watch` if the run did not succeed.
NOT_SUCCEEDED = 3


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the commands."""
    many = commands.add_parser("list", parents=[JSON], help="list runs, newest first")
    many.set_defaults(run=_list)
    one = commands.add_parser("show", parents=[JSON], help="show one run and its tasks, failed ones first")
    one.set_defaults(run=_show)
    for command in (many, one):
        command.add_argument("--page-token", metavar="TOKEN", help="continue after an earlier page")
        command.add_argument("--limit", type=int, default=20, help=f"default: 20, at most {run_views.MOST}")
    many.add_argument("--status", choices=[status.value for status in RunStatus])
    many.add_argument("--marketplace", choices=MARKETPLACES)
    one.add_argument("run_id", metavar="RUN_ID")
    one.add_argument("--status", choices=STATUSES, help="only these tasks; running: those without an end yet")
    one.add_argument("--marketplace", choices=MARKETPLACES, help="only its tasks")

    for name, run, text in (
        ("watch", _watch, "follow a run until it is closed"),
        ("retry", _retry, "start a new run over the failed and skipped tasks of a closed run"),
        ("cancel", _cancel, "stop a run: open tasks stop at their next page"),
    ):
        command = commands.add_parser(name, parents=[JSON], help=text)
        command.set_defaults(run=run)
        command.add_argument("run_id", metavar="RUN_ID")


def _list(services: Services, options: argparse.Namespace) -> Answer:
    page = run_views.list_runs(
        services.store,
        status=options.status,
        marketplace=options.marketplace,
        page_token=options.page_token,
        limit=options.limit,
    )
    return Answer(page, lambda screen: print_runs(screen, page))


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
    return Answer(view, lambda screen: print_run(screen, view, services.clock.now()))


def _watch(services: Services, options: argparse.Namespace) -> Answer:
    # With --json standard output takes nothing but the JSON, so progress is shown on standard error.
    view = follow(services.store, services.clock, options.run_id, console(to_stderr=options.json))
    code = 0 if view.run.get("status") == RunStatus.SUCCEEDED else NOT_SUCCEEDED
    return Answer(view, lambda screen: print_run(screen, view, services.clock.now()), code)


def _retry(services: Services, options: argparse.Namespace) -> Answer:
    started = start.retry_run(services, options.run_id, by=actor(services))
    run_id, again = safe(started.run_id), "was started before" if started.duplicate else "is started"
    text = f"run {run_id} over {started.tasks} connections {again}"
    return Answer(started, f"{text}\n{_how_to_watch(run_id)}")


def _cancel(services: Services, options: argparse.Namespace) -> Answer:
    asked = cancel_run(services, options.run_id, by=actor(services))
    run_id = safe(asked.run_id)
    text = f"run {run_id} is asked to stop; it is cancelled when its last task is over"
    return Answer(asked, f"{text}\n{_how_to_watch(run_id)}")


def _how_to_watch(run_id: str) -> str:
    return f"Watch it: python -m orchestrator runs watch {run_id}"
