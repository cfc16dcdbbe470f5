"""`marketplace-sync connections …`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.csv_rows import columns_of
from orchestrator.cli.output import print_faults, safe, table
from orchestrator.cli.sellers import add_command, authorize_command, pause_command, set_command
from orchestrator.cli.task_report import life, print_history, print_windows
from orchestrator.model.connection import MARKETPLACES, Connection, ConnectionStatus
from orchestrator.model.paces import next_at, pace_of
from orchestrator.model.run import Task
from orchestrator.operators import connections, pause
from orchestrator.operators.connections import ConnectionView
from orchestrator.operators.health.remedies import remedy, spelled, title
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.sellers import checking
from orchestrator.operators.tasks import history as histories
from orchestrator.operators.tasks.open_tasks import OpenConnection, open_task
from orchestrator.operators.tasks.windows import windows
from orchestrator.ports import Document
from orchestrator.services import Services

_LIST_LIMIT = 100
_DROP = ("organization", "last success", "marketplace", "status", "problem")


def add_parsers(commands: Commands) -> None:
    """Describe the commands."""
    add_command.add_parser(commands)
    set_command.add_parser(commands)
    authorize_command.add_parser(commands)
    many = command(
        commands,
        "list",
        _list,
        "list connections with their health",
        "marketplace-sync connections list --marketplace shopify",
        "marketplace-sync connections list --status paused -o csv",
    )
    many.add_argument("--organization", metavar="ID")
    many.add_argument("--marketplace", choices=MARKETPLACES)
    many.add_argument("--status", choices=[status.value for status in ConnectionStatus])
    many.add_argument("--after", metavar="ID", help="continue after this connection")
    many.add_argument("--limit", type=int, default=_LIST_LIMIT, help=f"default: {_LIST_LIMIT}")

    pause_command.add_parsers(commands, _summary)
    for name, run, text in (
        ("show", _show, "show one connection with its cursors and last error"),
        ("check", _check, "make one authenticated call; if it works, an earlier refusal is forgotten"),
        ("remove", _remove, "delete it and its credential in the vault; its records stay"),
    ):
        one = command(commands, name, run, text, f"marketplace-sync connections {name} my-shop")
        one.add_argument("connection_id", metavar="ID")
    past = command(
        commands,
        "history",
        _history,
        "show its tasks in all runs, the newest first",
        "marketplace-sync connections history my-shop",
    )
    past.add_argument("connection_id", metavar="ID")
    past.add_argument("--page-token", metavar="TOKEN", help="continue after an earlier page")
    past.add_argument("--limit", type=int, default=histories.LIMIT, help=f"at most {histories.MOST}")
    remove = commands.choices["remove"]
    remove.add_argument("--purge-records", action="store_true", help="delete its records too")


def _list(services: Services, options: argparse.Namespace) -> Answer:
    views = connections.list_page(
        services,
        organization_id=options.organization,
        marketplace=options.marketplace,
        status=ConnectionStatus(options.status) if options.status else None,
        after=options.after,
        limit=options.limit,
    )

    def show(screen: Console) -> None:
        _print_list(screen, views, options.limit)
        if options.after is None:
            for name in connections.unfinished_removals(services.store):
                print(f"Its removal is not finished: marketplace-sync connections remove {safe(name)}")

    columns = ("id", *columns_of(Connection), "fault", "state")
    return Answer([_summary(view) for view in views], show, columns=columns)


def _print_list(screen: Console, views: Sequence[ConnectionView], limit: int) -> None:
    rows = [
        (
            view.id,
            view.document.get("marketplace"),
            view.document.get("organization_id"),
            view.document.get("status"),
            _health(view),
            view.state.last_success_at if view.state else None,
            _problem(view),
        )
        for view in views
    ]
    columns = ("connection", "marketplace", "organization", "status", "health", "last success", "problem")
    screen.print(table(plural(len(rows), "connection"), columns, rows, drop=_DROP))
    if len(views) == limit:
        print(f"There may be more: --after {safe(views[-1].id)}")


def _show(services: Services, options: argparse.Namespace) -> Answer:
    view = connections.show(services, options.connection_id)
    task = open_task(view.id, view.state, services.settings.lease_seconds) if view.state is not None else None
    progress = windows(view.state) if view.state is not None else []
    value = {**_summary(view), "open_task": task, "windows": progress}
    return Answer(value, lambda screen: _print_view(screen, view, task, services.clock.now()))


def _history(services: Services, options: argparse.Namespace) -> Answer:
    page = histories.history(
        services.store,
        options.connection_id,
        lease_seconds=services.settings.lease_seconds,
        now=services.clock.now(),
        page_token=options.page_token,
        limit=options.limit,
    )
    return Answer(
        page,
        lambda screen: print_history(screen, page, services.clock.now()),
        rows="tasks",
        columns=tuple(columns_of(Task)),
    )


def _print_view(screen: Console, view: ConnectionView, task: OpenConnection | None, now: datetime) -> None:
    facts = list(_facts(view.document))
    screen.print(table(f"connection {safe(view.id)}", ("field", "value"), facts))
    if view.fault:
        screen.print(f"Cannot be synced: {safe(view.fault)}", style="red")
    if view.warning:
        screen.print(f"Attention: {safe(view.warning)}", style="red")
    if view.state_fault:
        print_faults(screen, [view.state_fault])
        return
    if view.state is None:
        screen.print("No run has worked on it yet.")
        return
    screen.print()
    state, following = view.state, next_at(pace_of(view.id, view.document), now)
    rows = [
        (
            name,
            stream.cursor.since,
            stream.cursor.window is not None,
            stream.migration[0].until if stream.migration else None,
            stream.last_success_at,
        )
        for name, stream in sorted(state.streams.items())
    ]
    titles = ("stream", "complete until", "in the middle of a window", "rewrites all before", "last success")
    screen.print(table("streams", titles, rows))
    screen.print()
    health = [
        ("health", state.health),
        ("failures in a row", state.consecutive_failures),
        ("last run", state.last_run.run_id if state.last_run else None),
        ("open run", state.open.run_id if state.open else None),
        ("next tick from", "now" if state.wanted else following or "each tick"),
        ("now", life(task, now) if task is not None else None),
        *_why(view),
    ]
    screen.print(table("health", ("", ""), health))
    print_windows(screen, [(view.id, each) for each in windows(state)])


def _facts(document: Document) -> Iterator[tuple[str, object]]:
    """A connection's fields, each setting by itself."""
    for name, value in sorted(document.items()):
        if name == "settings" and isinstance(value, dict) and value:
            yield from ((f"settings.{each}", value[each]) for each in sorted(value))
        else:
            yield name, value


def _why(view: ConnectionView) -> list[tuple[str, object]]:
    """Why it is not up to date, since when, and the remedy with its commands."""
    state = view.state
    if state is None or state.cause is None:
        error = state.last_error if state is not None else None
        return [
            ("error", error.message if error is not None else None),
            ("what to do", spelled(error.action, view.id) if error is not None else None),
        ]
    cause = state.cause
    return [
        ("cause", title(cause.kind, state.marketplace or None)),
        ("error", cause.message),
        ("since", cause.since),
        *([("until", cause.until)] if cause.until is not None else []),
        ("what to do", spelled(remedy(cause.kind, cause.action), view.id)),
    ]


def _remove(services: Services, options: argparse.Namespace) -> Answer:
    name, purge = options.connection_id, options.purge_records
    pause.remove(services, name, by=actor(services), purge_records=purge)
    kept = " with its records" if purge else "; its records stay"
    kept += "; a secret of its own in Secret Manager stays"
    value = {"id": name, "removed": True, "records_purged": purge}
    return Answer(value, f"{name}: removed{kept}")


def _check(services: Services, options: argparse.Namespace) -> Answer:
    name = options.connection_id
    account = checking.check(services, name, by=actor(services))
    value = {"id": name, "ok": True, "account": account}
    return Answer(value, f"{name}: the marketplace answers: {safe(account)}")


def _summary(view: ConnectionView) -> dict[str, Any]:
    """The document, and the part of the state that people can read."""
    state = view.state
    return {
        "id": view.id,
        **view.document,
        "fault": view.fault or view.state_fault or view.warning or None,
        "state": None
        if state is None
        else {
            "health": state.health,
            "consecutive_failures": state.consecutive_failures,
            "last_success_at": state.last_success_at,
            "last_error": state.last_error,
            "cause": state.cause,
            "last_run": state.last_run,
            "open_run": state.open.run_id if state.open else None,
            "streams": {
                name: {
                    "since": stream.cursor.since,
                    "in_window": stream.cursor.window is not None,
                    "rewrites_before": stream.migration[0].until if stream.migration else None,
                    "last_success_at": stream.last_success_at,
                }
                for name, stream in state.streams.items()
            },
        },
    }


def _health(view: ConnectionView) -> str:
    if view.fault:
        return "invalid document"
    if view.state_fault:
        return "unreadable state"
    return view.state.health.value if view.state else "new"


def _problem(view: ConnectionView) -> str:
    if fault := view.fault or view.state_fault or view.warning:
        return fault
    if view.state is None:
        return ""
    if view.state.cause is not None:
        return f"{view.state.cause.message}, since {safe(view.state.cause.since)}"
    return view.state.last_error.message if view.state.last_error else ""
