"""`marketplace-sync logs`: the functions' log of a run or of a connection."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from orchestrator import wiring
from orchestrator.cli.answer import Answer, Commands
from orchestrator.cli.answer import command as described
from orchestrator.cli.output import safe
from orchestrator.operators import log_lines
from orchestrator.operators.log_lines import LogPage
from orchestrator.services import Services

_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    command = described(
        commands,
        "logs",
        _logs,
        "show the log of a run or of a connection, from Cloud Logging",
        "marketplace-sync logs --connection my-shop --since 6h",
    )
    command.add_argument("run_id", metavar="RUN_ID", nargs="?", help="only this run's lines")
    command.add_argument(
        "--connection", dest="connection_id", metavar="ID", help="only this connection's lines"
    )
    command.add_argument(
        "--since",
        type=_span,
        metavar="TIME",
        help="without a run: how far back, such as 30m, 6h or 2d; default: 24h, at most 30d",
    )
    command.add_argument("--severity", choices=log_lines.SEVERITIES, help="only lines of this and above")
    command.add_argument("--page-token", metavar="TOKEN", help="continue after an earlier page")
    command.add_argument(
        "--limit",
        type=int,
        default=log_lines.LIMIT,
        help=f"default: {log_lines.LIMIT}, at most {log_lines.MOST:,}",
    )


def _span(text: str) -> timedelta:
    parsed = re.fullmatch(r"([0-9]{1,5})([mhd])", text)
    if parsed is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time such as 30m, 6h or 2d")
    return timedelta(**{_UNITS[parsed[2]]: int(parsed[1])})


def _logs(services: Services, options: argparse.Namespace) -> Answer:
    page = log_lines.read_log(
        services,
        lambda: wiring.log_reader(services.settings),
        run_id=options.run_id,
        connection_id=options.connection_id,
        severity=options.severity,
        span=options.since,
        page_token=options.page_token,
        limit=options.limit,
    )
    return Answer(page, lambda screen: _print(screen, page), rows="lines")


def _print(screen: Console, page: LogPage) -> None:
    for line in page.lines:
        shown = Text(f"{line.at[:10]} {line.at[11:23]}Z ", style="dim")
        shown.append(f"{safe(line.severity):<7} ", style=_STYLES.get(line.severity, ""))
        shown.append(f"{safe(line.fields.get('action', '-'))}  ", style="cyan")
        shown.append(safe(line.message))
        screen.print(shown, soft_wrap=True)
    if not page.lines:
        print(
            f"No line between {safe(page.since)} and {safe(page.until)}. "
            "Lines take some seconds to arrive, and are kept for 30 days."
        )
    if page.next_page_token is not None:
        print(f"There may be more: --page-token {page.next_page_token}")
