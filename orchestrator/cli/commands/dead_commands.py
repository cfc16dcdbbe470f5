"""`marketplace-sync dead …`."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import datetime

import msgspec
from rich.console import Console

from orchestrator import wiring
from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.output import safe, table
from orchestrator.operators import dead_letters
from orchestrator.operators.dead_letters import Effect, Report, Wanted
from orchestrator.operators.health.verdict import plural
from orchestrator.services import Services

_COLUMNS = ("kind", "run", "connection", "published", "died", "deliveries", "replay", "because")
_DROP = ("published", "deliveries", "died", "because", "kind", "run")


def add_parsers(commands: Commands) -> None:
    """Describe the commands."""
    many = command(
        commands, "list", _list, "list them, with the effect of a replay", "marketplace-sync dead list"
    )
    many.set_defaults(discard_unreadable=False)
    replay = command(
        commands,
        "replay",
        _replay,
        "show the effect of a replay; with --execute replay them",
        "marketplace-sync dead replay --connection my-shop",
        "marketplace-sync dead replay --execute",
    )
    for each in (many, replay):
        each.add_argument("--connection", dest="connection_id", metavar="ID", help="only this connection's")
        each.add_argument("--run", dest="run_id", metavar="RUN_ID", help="only this run's")
        each.add_argument(
            "--limit",
            type=int,
            default=dead_letters.LIMIT,
            help=f"look at this many; default: {dead_letters.LIMIT:,}, at most {dead_letters.MOST:,}",
        )
    replay.add_argument("--execute", action="store_true", help="do it; without this nothing is changed")
    replay.add_argument(
        "--per-second",
        type=float,
        default=dead_letters.PER_SECOND,
        metavar="N",
        help=f"messages and connections that become work in a second; default: {dead_letters.PER_SECOND:g}",
    )
    replay.add_argument("--discard-unreadable", action="store_true", help="remove unreadable messages too")


def _list(services: Services, options: argparse.Namespace) -> Answer:
    report = dead_letters.look(services, wiring.dead_letters(services.settings), _wanted(options))

    def show(screen: Console) -> None:
        _print_letters(screen, report)
        if report.letters:
            print("Replay them: marketplace-sync dead replay --execute (without --execute it is a dry run)")

    return Answer(report, show, rows="letters")


def _replay(services: Services, options: argparse.Namespace) -> Answer:
    letters, wanted = wiring.dead_letters(services.settings), _wanted(options)
    if options.execute:
        report = dead_letters.replay(
            services, letters, wanted, by=actor(services), per_second=options.per_second
        )
    else:
        report = dead_letters.look(services, letters, wanted)

    def show(screen: Console) -> None:
        _print_letters(screen, report)
        print(f"{'Done' if options.execute else 'This would be done'}: {_summary(report)}.")
        for run in report.started:
            of = plural(run.tasks, "connection")
            print(f"New run of {of}: marketplace-sync runs watch {safe(run.run_id)}")
        if not options.execute:
            print("Nothing was changed: this was a dry run, --execute does it.")

    return Answer(report, show, rows="letters")


def _wanted(options: argparse.Namespace) -> Wanted:
    """The options that have the names of its fields."""
    return msgspec.convert(vars(options), Wanted)


def _print_letters(screen: Console, report: Report) -> None:
    rows = [
        (
            letter.kind or f"unreadable, {letter.size_bytes:,} bytes",
            letter.run_id,
            letter.connection_id,
            _when(letter.published_at),
            _when(letter.died_at),
            letter.deliveries,
            letter.effect.value,
            letter.why,
        )
        for letter in report.letters
    ]
    screen.print(table(plural(len(rows), "dead message"), _COLUMNS, rows, drop=_DROP))
    if any(letter.kind is None and letter.effect is Effect.KEEP for letter in report.letters):
        print("Unreadable messages are kept for a later release; --discard-unreadable removes them.")
    if report.more:
        print("There may be more: --limit looks at more of them, and a replay may be repeated.")


def _when(time: datetime) -> str:
    """To the minute, without the year, because dead messages are kept for a month."""
    return f"{time:%m-%d %H:%M}Z"


def _summary(report: Report) -> str:
    counts = Counter(letter.effect for letter in report.letters)
    return (
        f"{counts[Effect.PUBLISH]} published again, {counts[Effect.NEW_RUN]} in new runs, "
        f"{counts[Effect.REMOVE]} only removed, {counts[Effect.KEEP]} kept"
    )
