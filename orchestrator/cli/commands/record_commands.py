"""`marketplace-sync records …`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.output import safe, table
from orchestrator.model.connection import STREAMS
from orchestrator.operators import stored_records
from orchestrator.operators.stored_records import Progress, RecordView
from orchestrator.services import Services

#: A longer text is cut on the screen, not with `--json`.
_SHOWN = 300


def add_parsers(commands: Commands) -> None:
    """Describe the commands."""
    one = command(
        commands,
        "show",
        _show,
        "show one as it is stored",
        "marketplace-sync records show my-shop orders 450789469",
    )
    one.add_argument("connection_id", metavar="CONNECTION")
    one.add_argument("stream", choices=STREAMS)
    one.add_argument("record_id", metavar="ID", help="the marketplace's id of it")
    envelope = command(
        commands,
        "envelope",
        _envelope,
        "add owner, schema 1 and time to documents of an earlier release",
        "marketplace-sync records envelope --connection my-shop",
    )
    envelope.add_argument("--connection", dest="connection_id", required=True, metavar="ID")
    envelope.add_argument(
        "--after", metavar="STREAM/ID", help="continue an interrupted command behind this document"
    )


def _show(services: Services, options: argparse.Namespace) -> Answer:
    view = stored_records.show_record(services, options.connection_id, options.stream, options.record_id)
    return Answer(view.document, lambda screen: _print_view(screen, view))


def _print_view(screen: Console, view: RecordView) -> None:
    """Print a record: its values as one table, then a table for each list of parts."""
    facts: list[tuple[str, object]] = []
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for name, value in view.document.items():
        if isinstance(value, Sequence) and value and all(isinstance(each, Mapping) for each in value):
            parts[name] = list(value)
        elif isinstance(value, Mapping) and value and not _is_money(value):
            facts += [(f"{name}.{inner}", _shown(each)) for inner, each in value.items()]
        else:
            facts.append((name, _shown(value)))
    screen.print(table(f"record {safe(view.path)}", ("field", "value"), facts))
    for name, items in parts.items():
        columns = list(dict.fromkeys(column for item in items for column in item))
        rows = [[_shown(item.get(column)) for column in columns] for item in items]
        screen.print()
        screen.print(table(f"{len(items)} {safe(name)}", [safe(column) for column in columns], rows))


def _shown(value: object) -> object:
    """A value in one line: an amount with its currency, the parts of a list behind each other."""
    if isinstance(value, Mapping):
        if _is_money(value):
            return f"{value['amount']} {value['currency']}"
        return " ".join(f"{name}={safe(_shown(each))}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(safe(_shown(each)) for each in value) if value else "none"
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]}… ({len(value):,} characters; --json prints all)"
    return value


def _is_money(value: Mapping[str, Any]) -> bool:
    return value.keys() == {"amount", "currency"}


def _envelope(services: Services, options: argparse.Namespace) -> Answer:
    name = options.connection_id
    progress = stored_records.complete_envelopes(
        services, name, by=actor(services), after=options.after, report=_report
    )
    text = f"{name}: {progress.read:,} documents read, {progress.patched:,} completed"
    value = {"id": name, "read": progress.read, "patched": progress.patched}
    return Answer(value, text)


def _report(progress: Progress) -> None:
    """Tell how far it is, on standard error, so that an interrupted command can be continued."""
    done = f"{progress.read:,} read, {progress.patched:,} completed"
    print(f"{done}; continue with --after {safe(progress.place)}", file=sys.stderr)
