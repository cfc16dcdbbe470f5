"""`marketplace-sync status`: the verdict first, then the groups with their remedies."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from orchestrator import wiring
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.output import print_faults, safe, table
from orchestrator.operators.health.remedies import spelled
from orchestrator.operators.health.status import status
from orchestrator.operators.health.status_view import CauseGroup, Situation, StatusView
from orchestrator.operators.health.verdict import duration, plural
from orchestrator.services import Services

_GREEN = {Situation.WELL}
_YELLOW = {
    Situation.FAILING,
    Situation.THROTTLED,
    Situation.REJECTS_GROWING,
    Situation.INCOMPLETE,
    Situation.NOT_MEASURED,
}


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    text = "tell whether all is well, and what to do if not"
    command(commands, "status", _status, text, "marketplace-sync status", note="-o csv prints a row a cause.")


def _status(services: Services, _: argparse.Namespace) -> Answer:
    view = status(services, wiring.dead_letters(services.settings))
    return Answer(view, lambda screen: print_status(screen, view), rows="groups")


def print_status(screen: Console, view: StatusView) -> None:
    """Print the view: verdict, causes, marketplaces, runs, and the day's figures."""
    style = "green" if view.situation in _GREEN else "yellow" if view.situation in _YELLOW else "red"
    screen.print(Text(safe(view.verdict), style=f"bold {style}"))
    if view.action:
        screen.print(Text(f"→ {safe(spelled(view.action, _only_one(view.groups)))}"))
    screen.print(_ticks(view))
    for group in view.groups:
        screen.print()
        _print_group(screen, view, group)
    if any(group.examples for group in view.groups):
        screen.print("More about one of them: marketplace-sync connections show ID")
    if view.more_groups:
        screen.print(
            "There are more causes, which this release does not know: `connections list --json` has them."
        )
    if view.marketplaces:
        screen.print()
        columns = ("marketplace", "connections", "on time", "late", "not measured", "oldest data", "success")
        screen.print(table("marketplaces", columns, list(_marketplaces(view))))
    if view.runs:
        screen.print()
        figures = ("run", "status", "started", "tasks", "failed", "skipped", "incomplete", "throttled")
        screen.print(table("newest runs", figures, list(_runs(view))))
        screen.print("More about one of them: marketplace-sync runs show RUN_ID")
    screen.print()
    screen.print(_figures(view))
    print_faults(screen, view.faults)


def _ticks(view: StatusView) -> str:
    every = duration(timedelta(seconds=view.tick_s))
    if view.last_tick_at is None:
        return f"last tick: none; one is due every {every}"
    age, at = duration(view.at - view.last_tick_at), safe(view.last_tick_at)
    return f"last tick: {age} ago, at {at}; next due at {safe(view.next_tick_at)}"


def _print_group(screen: Console, view: StatusView, group: CauseGroup) -> None:
    since = f", since {safe(group.since)}" if group.since is not None else ""
    until = f", until {safe(group.until)}" if group.until is not None else ""
    late = f", {group.late:,} late" if group.late else ""
    number = plural(group.connections, "connection")
    screen.print(Text(f"{number}: {safe(group.title)}{late}{since}{until}", style="bold"))
    screen.print(Text(f"→ {safe(spelled(group.action, _only_one([group])))}"))
    names = {each.connection_id: each.name for each in view.failing}
    for each in group.examples:
        name = names.get(each.connection_id)
        known = f" ({safe(name)})" if name else ""
        screen.print(Text(f"  {safe(each.connection_id)}{known}: {safe(each.message)}"))
    if len(group.examples) < group.connections and group.examples:
        screen.print(f"  and {group.connections - len(group.examples):,} more")


def _only_one(groups: Sequence[CauseGroup]) -> str:
    """The id of the only connection with a cause; empty if there are more."""
    only = len(groups) == 1 and groups[0].connections == 1 and groups[0].examples
    return groups[0].examples[0].connection_id if only else ""


def _marketplaces(view: StatusView) -> Iterator[Sequence[object]]:
    for name, each in view.marketplaces.items():
        fresh = each.freshness
        age = duration(view.at - each.oldest_since_at) if each.oldest_since_at is not None else None
        success = f"{each.success:.0%}" if each.success is not None else None
        yield name, each.active, fresh.on_time, fresh.late, fresh.not_measured, age, success


def _runs(view: StatusView) -> Iterator[Sequence[object]]:
    for run in view.runs:
        tasks = run["tasks"]
        counted = [tasks.get(name, 0) for name in ("total", "failed", "skipped", "incomplete", "throttled")]
        yield run["run_id"], run["status"], run["started_at"], *counted


def _figures(view: StatusView) -> str:
    runs = ", ".join(f"{number:,} {name}" for name, number in view.day.runs.items()) or "none"
    dead = f"{view.dead_letters:,}" if view.dead_letters is not None else "not measured"
    return (
        f"last 24 hours: runs {runs}; records rejected {view.day.rejected:,}; "
        f"cost {view.day.estimated_usd:.4f} USD (estimate). "
        f"Rejects kept: {view.rejects:,}. Dead letters: {dead}."
    )
