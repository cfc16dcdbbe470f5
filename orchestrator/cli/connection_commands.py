"""`python -m orchestrator connections …`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

import msgspec

from orchestrator.cli.output import console, print_json, safe, table
from orchestrator.errors import RequestError
from orchestrator.model.connection import MARKETPLACES, STREAMS, ConnectionStatus
from orchestrator.operators import connections, pause
from orchestrator.operators.connections import View
from orchestrator.services import Services

_LIST_LIMIT = 100


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the commands."""
    json = argparse.ArgumentParser(add_help=False)
    json.add_argument("--json", action="store_true", help="print JSON")
    named = argparse.ArgumentParser(add_help=False, parents=[json])
    named.add_argument("connection_id", metavar="ID")

    add = commands.add_parser("add", parents=[named], help="add a connection; refuses to overwrite one")
    add.set_defaults(run=_add)
    add.add_argument("--marketplace", required=True, choices=MARKETPLACES)
    add.add_argument("--organization", required=True, metavar="ID", help="who owns it")
    add.add_argument("--name", help="for people; the id where not given")
    add.add_argument(
        "--credential",
        required=True,
        metavar="REFERENCE",
        help="projects/P/secrets/S/versions/latest; in development also env:NAME and file:PATH",
    )
    add.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="such as shop=name.myshopify.com; a value that starts with [ is read as JSON; repeat it",
    )
    add.add_argument("--stream", action="append", choices=STREAMS, help="default: all; repeat it")
    add.add_argument("--backfill-since", type=_day, metavar="YYYY-MM-DD", help="default: everything")
    add.add_argument("--store-buyer-pii", action="store_true", help="keep buyers' names and addresses")

    many = commands.add_parser("list", parents=[json], help="list connections and how they do")
    many.set_defaults(run=_list)
    many.add_argument("--organization", metavar="ID")
    many.add_argument("--marketplace", choices=MARKETPLACES)
    many.add_argument("--status", choices=[status.value for status in ConnectionStatus])
    many.add_argument("--after", metavar="ID", help="go on behind this connection")
    many.add_argument("--limit", type=int, default=_LIST_LIMIT, help=f"default: {_LIST_LIMIT}")

    for name, run, text in (
        ("show", _show, "show one connection with its cursors and last error"),
        ("pause", _pause, "keep it out of runs; one under way stops at its next commit"),
        ("resume", _resume, "let it take part again, from where it stopped"),
        ("check", _check, "make one authenticated call to its marketplace"),
    ):
        commands.add_parser(name, parents=[named], help=text).set_defaults(run=run)
    remove = commands.add_parser("remove", parents=[named], help="delete it; its records and its secret stay")
    remove.set_defaults(run=_remove)
    remove.add_argument("--purge-records", action="store_true", help="delete its records too")


def _add(services: Services, options: argparse.Namespace) -> int:
    connections.add(
        services,
        options.connection_id,
        organization_id=options.organization,
        marketplace=options.marketplace,
        name=options.name or options.connection_id,
        credential=options.credential,
        settings=dict(_setting(text) for text in options.setting),
        streams=options.stream,
        backfill_since=options.backfill_since,
        store_buyer_pii=options.store_buyer_pii,
    )
    return _done(services, options, "added; the next run syncs it")


def _list(services: Services, options: argparse.Namespace) -> int:
    views = connections.list_page(
        services,
        organization_id=options.organization,
        marketplace=options.marketplace,
        status=ConnectionStatus(options.status) if options.status else None,
        after=options.after,
        limit=options.limit,
    )
    if options.json:
        print_json([_summary(view) for view in views])
        return 0
    rows = [
        (
            view.id,
            view.document.get("marketplace"),
            view.document.get("organization_id"),
            view.document.get("status"),
            "invalid document" if view.fault else _health(view),
            view.state.last_success_at if view.state else None,
            _problem(view),
        )
        for view in views
    ]
    columns = ("connection", "marketplace", "organization", "status", "health", "last success", "problem")
    console().print(table(f"{len(rows)} connections", columns, rows))
    if len(views) == options.limit:
        print(f"There may be more: --after {safe(views[-1].id)}")
    return 0


def _show(services: Services, options: argparse.Namespace) -> int:
    view = connections.show(services, options.connection_id)
    if options.json:
        print_json(_summary(view))
        return 0
    screen = console()
    facts = [(name, view.document[name]) for name in sorted(view.document)]
    screen.print(table(f"connection {safe(view.id)}", ("field", "value"), facts))
    if view.fault:
        screen.print(f"Cannot be synced: {safe(view.fault)}", style="red")
    if view.state is None:
        screen.print("No run has worked on it yet.")
        return 0
    screen.print()
    state = view.state
    rows = [
        (name, stream.cursor.since, stream.cursor.window is not None, stream.last_success_at)
        for name, stream in sorted(state.streams.items())
    ]
    screen.print(
        table("streams", ("stream", "complete until", "in the middle of a window", "last success"), rows)
    )
    screen.print()
    health = [
        ("health", state.health),
        ("failures in a row", state.consecutive_failures),
        ("last run", state.last_run.run_id if state.last_run else None),
        ("open run", state.open.run_id if state.open else None),
        ("error", state.last_error.message if state.last_error else None),
        ("what to do", state.last_error.action if state.last_error else None),
    ]
    screen.print(table("how it does", ("", ""), health))
    return 0


def _pause(services: Services, options: argparse.Namespace) -> int:
    pause.pause(services, options.connection_id)
    return _done(services, options, "paused; one that is being synced stops at its next commit")


def _resume(services: Services, options: argparse.Namespace) -> int:
    pause.resume(services, options.connection_id)
    return _done(services, options, "active; the next run syncs it")


def _remove(services: Services, options: argparse.Namespace) -> int:
    pause.remove(services, options.connection_id, purge_records=options.purge_records)
    if options.json:
        print_json({"id": options.connection_id, "removed": True, "records_purged": options.purge_records})
    else:
        purged = "removed with its records; its secret stays"
        how = purged if options.purge_records else "removed; its records and its secret stay"
        print(f"{options.connection_id}: {how}")
    return 0


def _check(services: Services, options: argparse.Namespace) -> int:
    account = connections.check(services, options.connection_id)
    if options.json:
        print_json({"id": options.connection_id, "ok": True, "account": account})
    else:
        print(f"{options.connection_id}: the marketplace answers: {safe(account)}")
    return 0


def _done(services: Services, options: argparse.Namespace, text: str) -> int:
    if options.json:
        print_json(_summary(connections.show(services, options.connection_id)))
    else:
        print(f"{options.connection_id}: {text}")
    return 0


def _summary(view: View) -> dict[str, Any]:
    """The document and the state without what only the sync can read."""
    state = view.state
    return {
        "id": view.id,
        **view.document,
        "fault": view.fault or None,
        "state": None
        if state is None
        else {
            "health": state.health,
            "consecutive_failures": state.consecutive_failures,
            "last_success_at": state.last_success_at,
            "last_error": state.last_error,
            "last_run": state.last_run,
            "open_run": state.open.run_id if state.open else None,
            "streams": {
                name: {
                    "since": stream.cursor.since,
                    "in_window": stream.cursor.window is not None,
                    "last_success_at": stream.last_success_at,
                }
                for name, stream in state.streams.items()
            },
        },
    }


def _health(view: View) -> str:
    return view.state.health.value if view.state else "new"


def _problem(view: View) -> str:
    if view.fault:
        return view.fault
    return view.state.last_error.message if view.state and view.state.last_error else ""


def _setting(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise RequestError(f"--setting {text!r}: write it as NAME=VALUE")
    if not value.startswith("["):
        return name, value
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise RequestError(f"--setting {name}: starts with [ but is no JSON list: {error}") from error


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
