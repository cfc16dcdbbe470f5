"""`python -m orchestrator runs …`."""

from __future__ import annotations

import argparse

from orchestrator.cli.follow import follow
from orchestrator.cli.output import console, print_json, safe
from orchestrator.cli.run_report import print_run, print_runs
from orchestrator.model.connection import MARKETPLACES
from orchestrator.model.run import RunStatus
from orchestrator.operators import run_views
from orchestrator.runs import start
from orchestrator.runs.cancel import cancel_run
from orchestrator.services import Services

#: Exit code of `watch` where the run ended otherwise than succeeded.
NOT_SUCCEEDED = 3


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the commands."""
    json = argparse.ArgumentParser(add_help=False)
    json.add_argument("--json", action="store_true", help="print JSON")
    paged = argparse.ArgumentParser(add_help=False, parents=[json])
    paged.add_argument("--page-token", metavar="TOKEN", help="go on behind an earlier page")
    paged.add_argument("--limit", type=int, default=20, help="default: 20, at most 100")

    many = commands.add_parser("list", parents=[paged], help="list runs, newest first")
    many.set_defaults(run=_list)
    many.add_argument("--status", choices=[status.value for status in RunStatus])
    many.add_argument("--marketplace", choices=MARKETPLACES)

    one = commands.add_parser("show", parents=[paged], help="show one run and its tasks")
    one.set_defaults(run=_show)
    one.add_argument("run_id", metavar="RUN_ID")

    for name, run, text in (
        ("watch", _watch, "follow a run until it is over"),
        ("retry", _retry, "start a new run over what failed or was left out of one that is over"),
        ("cancel", _cancel, "stop a run: what is being synced stops at its next page"),
    ):
        command = commands.add_parser(name, parents=[json], help=text)
        command.set_defaults(run=run)
        command.add_argument("run_id", metavar="RUN_ID")


def _list(services: Services, options: argparse.Namespace) -> int:
    page = run_views.list_runs(
        services.store,
        status=options.status,
        marketplace=options.marketplace,
        page_token=options.page_token,
        limit=options.limit,
    )
    if options.json:
        print_json(page)
        return 0
    print_runs(console(), page.runs)
    if page.next_page_token is not None:
        print(f"There are more: --page-token {page.next_page_token}")
    return 0


def _show(services: Services, options: argparse.Namespace) -> int:
    view = run_views.show_run(
        services.store, options.run_id, page_token=options.page_token, limit=options.limit
    )
    if options.json:
        print_json(view)
    else:
        print_run(console(), view)
    return 0


def _watch(services: Services, options: argparse.Namespace) -> int:
    # With --json only the end is printed on standard output; progress would spoil it.
    screen = console(to_stderr=options.json)
    view = follow(services.store, services.clock, options.run_id, screen)
    if options.json:
        print_json(view)
    else:
        print_run(screen, view)
    return 0 if view.run["status"] == RunStatus.SUCCEEDED else NOT_SUCCEEDED


def _retry(services: Services, options: argparse.Namespace) -> int:
    started = start.retry_run(services, options.run_id, requested_by=start.COMMAND_LINE)
    if options.json:
        print_json(started)
    else:
        again = "was started before" if started.duplicate else "is started"
        print(f"run {safe(started.run_id)} over {started.tasks} connections {again}")
        _print_watch(started.run_id)
    return 0


def _cancel(services: Services, options: argparse.Namespace) -> int:
    asked = cancel_run(services, options.run_id, requested_by=start.COMMAND_LINE)
    if options.json:
        print_json(asked)
    else:
        print(f"run {safe(asked.run_id)} is asked to stop; it is cancelled when its last task is over")
        _print_watch(asked.run_id)
    return 0


def _print_watch(run_id: str) -> None:
    print(f"Watch it: python -m orchestrator runs watch {safe(run_id)}")
