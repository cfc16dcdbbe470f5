"""Arguments, exit codes and error lines of `python -m orchestrator`.

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | refused or failed; standard error names the error and the remedy |
| 2 | wrong usage |
| 3 | `runs watch`: the run did not succeed |
| 4 | a service could not be reached; try again |
| 130 | interrupted |
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from orchestrator import wiring
from orchestrator.cli import (
    audit_commands,
    connection_commands,
    dead_commands,
    record_commands,
    reject_commands,
    run_commands,
    schema_commands,
    status_command,
    ui_command,
)
from orchestrator.cli.answer import Answer
from orchestrator.cli.output import console, print_json, safe
from orchestrator.errors import (
    MarketplaceUnavailable,
    QueueUnavailable,
    RateLimited,
    SecretUnavailable,
    StoreUnavailable,
    SyncError,
)
from orchestrator.services import Services
from orchestrator.settings import Settings

FAILED = 1
UNREACHABLE = 4
INTERRUPTED = 130
_TRY_AGAIN = (MarketplaceUnavailable, QueueUnavailable, RateLimited, SecretUnavailable, StoreUnavailable)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        services = None
        if options.needs_services:
            services = wiring.build(Settings.from_environment(os.environ), delivers=False)
        return run(services, options)
    except SyncError as error:
        print(f"error: {safe(error.message)}", file=sys.stderr)
        if error.action:
            print(f"       {safe(error.action)}", file=sys.stderr)
        return UNREACHABLE if isinstance(error, _TRY_AGAIN) else FAILED
    except BrokenPipeError:  # `… | head`
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the interpreter's last flush goes nowhere
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED


def run(services: Services | None, options: argparse.Namespace) -> int:
    """Run the command of parsed arguments and print its answer; returns the exit code.

    Args:
        services: The world; None for a command that needs none.
        options: The parsed arguments.
    """
    answer: Answer = options.run(services, options)
    if options.json:
        print_json(answer.value() if callable(answer.value) else answer.value)
    elif callable(answer.text):
        answer.text(console())
    else:
        print(answer.text)
    return answer.exit_code


def parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    described = argparse.ArgumentParser(
        prog="python -m orchestrator",
        description="Operate the marketplace sync. The environment names the store "
        "(SYNC_STORE and the others, as for the functions).",
        epilog="Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the watched run did not succeed, "
        "4 a service could not be reached, 130 interrupted.",
    )
    groups = described.add_subparsers(required=True, metavar="GROUP")
    status_command.add_parser(groups)
    for name, add_parsers, text in (
        ("connections", connection_commands.add_parsers, "sellers' marketplace accounts"),
        ("runs", run_commands.add_parsers, "closed and open runs"),
        ("records", record_commands.add_parsers, "stored orders, products and stock levels"),
        ("rejects", reject_commands.add_parsers, "records that could not be stored"),
        ("audit", audit_commands.add_parsers, "who did what"),
        ("dead", dead_commands.add_parsers, "dead letters: messages that failed too often"),
    ):
        group = groups.add_parser(name, help=text)
        add_parsers(group.add_subparsers(required=True, metavar="COMMAND"))
    schema_commands.add_parser(groups)
    ui_command.add_parser(groups)
    described.set_defaults(needs_services=True)
    return described
