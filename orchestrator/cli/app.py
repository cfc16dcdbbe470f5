"""Arguments, exit codes and error lines of `marketplace-sync`, which is also `python -m orchestrator`.

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | refused or failed; standard error names the error and the remedy |
| 2 | wrong usage |
| 3 | `runs watch`, `trigger --wait`: the run did not succeed |
| 4 | a service could not be reached; try again |
| 5 | a defect of this program |
| 130 | interrupted |
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from orchestrator import VERSION, wiring
from orchestrator.cli.answer import PROGRAM, Answer, Help, examples_text
from orchestrator.cli.commands import (
    audit_commands,
    completion_command,
    connection_commands,
    cost_command,
    dead_commands,
    doctor_command,
    log_command,
    record_commands,
    reject_commands,
    run_commands,
    schema_commands,
    status_command,
    trigger_command,
    ui_command,
    vault_commands,
)
from orchestrator.cli.csv_rows import print_csv
from orchestrator.cli.faults import FAILED, INTERRUPTED, UNREACHABLE, report
from orchestrator.cli.output import console, print_json
from orchestrator.services import Services
from orchestrator.settings import Settings

__all__ = ["FAILED", "INTERRUPTED", "UNREACHABLE", "entry", "main", "parser", "run"]

#: Groups of commands: name, purpose, sentences for the group's own help, describer of its commands.
_GROUPS = (
    (
        "connections",
        "sellers' marketplace accounts",
        "A connection joins an organization's account at a marketplace with its credential.",
        connection_commands.add_parsers,
    ),
    (
        "runs",
        "closed and open runs: list, show, follow, retry, cancel",
        "A run is one pass over the connections: a tick starts one, and so does `marketplace-sync trigger`.",
        run_commands.add_parsers,
    ),
    (
        "records",
        "stored orders, products and stock levels",
        "A record is the newest version of an order, a product or a stock level.",
        record_commands.add_parsers,
    ),
    (
        "rejects",
        "records that could not be stored",
        "The sync continues without them; their raw bodies are kept.",
        reject_commands.add_parsers,
    ),
    (
        "dead",
        "dead letters: messages that failed too often",
        "The next runs continue without them.",
        dead_commands.add_parsers,
    ),
    (
        "vault",
        "the keys that encrypt sellers' credentials",
        "The worker holds them; these commands send it messages.",
        vault_commands.add_parsers,
    ),
    ("audit", "who did what", "Every action of a person is recorded.", audit_commands.add_parsers),
)
#: Commands without a group.
_COMMANDS = (
    status_command.add_parser,
    trigger_command.add_parser,
    cost_command.add_parser,
    doctor_command.add_parser,
    log_command.add_parser,
    ui_command.add_parser,
    schema_commands.add_parser,
    completion_command.add_parser,
)


def entry() -> int:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal's own encoding may lack a character.
            stream.reconfigure(errors="replace")
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    described = parser()
    given = sys.argv[1:] if arguments is None else list(arguments)
    for word in given:
        if not _is_text(word):
            described.error(f"not UTF-8: {word.encode(errors='replace').decode()!r}")
    options = described.parse_args(given)
    try:
        services = None
        if options.needs_services:
            services = wiring.build(Settings.from_environment(os.environ), delivers=False)
        return run(services, options)
    except BrokenPipeError:  # `… | head`
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the interpreter's last flush goes nowhere
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - every error is one line for people
        return report(error)


def run(services: Services | None, options: argparse.Namespace) -> int:
    """Run the command of parsed arguments and print its answer; returns the exit code.

    Args:
        services: The world; None for a command that needs none.
        options: The parsed arguments.
    """
    answer: Answer = options.run(services, options)
    if options.output == "table":
        if callable(answer.text):
            answer.text(console())
        else:
            print(answer.text)
        return answer.exit_code
    value = answer.value() if callable(answer.value) else answer.value
    if options.output == "csv":
        print_csv(value, answer.rows, answer.columns)
    else:
        print_json(value)
    return answer.exit_code


def parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    described = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Operate the marketplace sync. The environment names the store "
        "(SYNC_STORE and the others, as for the functions).",
        epilog="Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the awaited run did not succeed, "
        "4 a service could not be reached, 5 a defect of this program, 130 interrupted.\n\n"
        + examples_text(("marketplace-sync connections list", "marketplace-sync runs list -o json")),
        formatter_class=Help,
    )
    described.add_argument("--version", action="version", version=f"{PROGRAM} {VERSION}")
    groups = described.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name, text, note, add_parsers in _GROUPS:
        about = f"{text[0].upper()}{text[1:]}. {note}"
        end = f"`marketplace-sync {name} COMMAND --help` has examples."
        group = groups.add_parser(name, help=text, description=about, epilog=end)
        add_parsers(group.add_subparsers(required=True, metavar="COMMAND", title="commands"))
    for add_parser in _COMMANDS:
        add_parser(groups)
    described.set_defaults(needs_services=True, output="table")
    return described


def _is_text(word: str) -> bool:
    """Whether an argument was valid UTF-8; Python keeps other bytes as lone surrogates."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
