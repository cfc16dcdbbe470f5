"""`python -m orchestrator dead …`."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import datetime

from orchestrator import wiring
from orchestrator.cli.output import console, print_json, safe, table
from orchestrator.operators import dead_letters
from orchestrator.operators.dead_letters import Effect, Report, Wanted
from orchestrator.services import Services

_COLUMNS = ("kind", "run", "connection", "published", "died", "deliveries", "replay", "because")


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the commands."""
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument("--json", action="store_true", help="print JSON")
    chosen.add_argument("--connection", dest="connection_id", metavar="ID", help="only this connection's")
    chosen.add_argument("--run", dest="run_id", metavar="RUN_ID", help="only this run's")
    chosen.add_argument(
        "--limit",
        type=int,
        default=dead_letters.LIMIT,
        help=f"look at so many; default: {dead_letters.LIMIT:,}, at most {dead_letters.MOST:,}",
    )

    many = commands.add_parser("list", parents=[chosen], help="list them, and what a replay would do")
    many.set_defaults(run=_list)

    replay = commands.add_parser(
        "replay", parents=[chosen], help="say what a replay would do; with --execute do it"
    )
    replay.set_defaults(run=_replay)
    replay.add_argument("--execute", action="store_true", help="do it; without this nothing is changed")
    replay.add_argument(
        "--per-second",
        type=float,
        default=dead_letters.PER_SECOND,
        metavar="N",
        help=f"messages and connections that become work in a second; default: {dead_letters.PER_SECOND:g}",
    )
    replay.add_argument(
        "--discard-unreadable", action="store_true", help="remove those that cannot be read as well"
    )


def _list(services: Services, options: argparse.Namespace) -> int:
    looked = dead_letters.look(services, wiring.dead_letters(services.settings), _wanted(options))
    if options.json:
        print_json(looked)
        return 0
    _print(looked)
    if looked.letters:
        print("Replay them: python -m orchestrator dead replay (says what it would do; --execute does it)")
    return 0


def _replay(services: Services, options: argparse.Namespace) -> int:
    letters = wiring.dead_letters(services.settings)
    if not options.execute:
        looked = dead_letters.look(services, letters, _wanted(options))
    else:
        looked = dead_letters.replay(services, letters, _wanted(options), per_second=options.per_second)
    if options.json:
        print_json(looked)
        return 0
    _print(looked)
    print(f"{'Done' if options.execute else 'This would be done'}: {_summary(looked)}.")
    for run in looked.started:
        print(f"New run of {run.tasks} connections: python -m orchestrator runs watch {safe(run.run_id)}")
    if not options.execute:
        print("Nothing was changed: this was a dry run, --execute does it.")
    return 0


def _wanted(options: argparse.Namespace) -> Wanted:
    return Wanted(
        connection_id=options.connection_id,
        run_id=options.run_id,
        limit=options.limit,
        discard_unreadable=getattr(options, "discard_unreadable", False),
    )


def _print(looked: Report) -> None:
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
        for letter in looked.letters
    ]
    console().print(table(f"{len(rows):,} dead messages", _COLUMNS, rows))
    if any(letter.kind is None and letter.effect is Effect.KEEP for letter in looked.letters):
        print("What cannot be read is kept, for a release that can; --discard-unreadable removes it.")
    if looked.more:
        print("There may be more: --limit looks at more of them, and a replay may be repeated.")


def _when(time: datetime) -> str:
    """To the minute, without the year: dead messages are kept for a month."""
    return f"{time:%m-%d %H:%M}Z"


def _summary(looked: Report) -> str:
    counts = Counter(letter.effect for letter in looked.letters)
    return (
        f"{counts[Effect.PUBLISH]} published again, {counts[Effect.NEW_RUN]} in new runs, "
        f"{counts[Effect.REMOVE]} only removed, {counts[Effect.KEEP]} kept"
    )
