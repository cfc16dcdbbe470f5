"""`marketplace-sync audit …`."""

from __future__ import annotations

import argparse

from rich.console import Console

from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.output import print_faults, safe, table
from orchestrator.operators import audit_views
from orchestrator.operators.audit_views import AuditPage
from orchestrator.operators.health.verdict import plural
from orchestrator.services import Services

_COLUMNS = ("at", "who", "from", "action", "connection", "run", "details")
_DROP = ("from", "run", "details", "connection")


def add_parsers(commands: Commands) -> None:
    """Describe the commands."""
    many = command(
        commands,
        "list",
        _list,
        "list people's actions, the latest first",
        "marketplace-sync audit list --connection my-shop",
    )
    many.add_argument("--connection", dest="connection_id", metavar="ID", help="only about this connection")
    many.add_argument("--run", dest="run_id", metavar="ID", help="only about this run")
    many.add_argument("--page-token", metavar="TOKEN", help="continue after an earlier page")
    many.add_argument("--limit", type=int, default=20, help=f"default: 20, at most {audit_views.MOST}")


def _list(services: Services, options: argparse.Namespace) -> Answer:
    page = audit_views.list_audit(
        services.store,
        connection_id=options.connection_id,
        run_id=options.run_id,
        page_token=options.page_token,
        limit=options.limit,
    )
    return Answer(page, lambda screen: _print(screen, page), rows="entries")


def _print(screen: Console, page: AuditPage) -> None:
    rows = [
        (each.at, each.actor, each.face, each.action, each.connection_id, each.run_id, each.details)
        for each in page.entries
    ]
    screen.print(table(plural(len(rows), "action"), _COLUMNS, rows, drop=_DROP))
    print_faults(screen, page.faults)
    if page.next_page_token is not None:
        print(f"There are more: --page-token {safe(page.next_page_token)}")
