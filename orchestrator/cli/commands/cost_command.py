"""`marketplace-sync cost`: the use and the price of the last days."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from operator import attrgetter

from rich.console import Console

from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.output import print_faults, table
from orchestrator.model.counts import COSTS, RunCost
from orchestrator.operators import spending
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.spending import Spending
from orchestrator.services import Services

#: Runs on the screen, the most expensive first.
_SHOWN = 10
_USED = ("document reads", "document writes", "calls", "bytes", "estimated USD")
_DROP = ("bytes", "calls", "document writes", "document reads")
_used = attrgetter(*COSTS)


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    one = command(
        commands,
        "cost",
        _cost,
        "the use and the estimated price of the last day, by marketplace and run",
        "marketplace-sync cost --days 7",
        "marketplace-sync cost --days 30 -o csv",
        note="-o csv prints a row each run.",
    )
    one.add_argument(
        "--days", type=int, default=1, metavar="N", help=f"default: 1, at most {spending.MOST_DAYS}"
    )


def _cost(services: Services, options: argparse.Namespace) -> Answer:
    view = spending.spending(services.store, services.clock, options.days)
    return Answer(view, lambda screen: _print(screen, view, options.days), rows="runs")


def _print(screen: Console, view: Spending, days: int) -> None:
    costs = {**view.by_marketplace, "all": view.total}
    title = f"{plural(len(view.runs), 'run')} in {plural(days, 'day')}, by marketplace"
    rows = [(name, *_row(cost)) for name, cost in costs.items()]
    screen.print(table(title, ("marketplace", *_USED), rows, drop=_DROP))
    dearest = sorted(view.runs, key=lambda run: (run.cost.estimated_usd, run.run_id), reverse=True)[:_SHOWN]
    if dearest:
        screen.print()
        rows = [(run.run_id, *_row(run.cost)) for run in dearest]
        screen.print(
            table(f"the most expensive: {plural(len(dearest), 'run')}", ("run", *_USED), rows, drop=_DROP)
        )
    if view.spared_tasks:
        screen.print(
            f"Intervals of their own have spared {plural(view.spared_tasks, 'task')} of connections, about "
            f"{view.spared_usd:.6f} USD at the average of those above."
        )
    prices = view.prices
    screen.print(
        f"Assumed: {prices.per_100_000_reads:g} USD for 100,000 document reads, "
        f"{prices.per_100_000_writes:g} for 100,000 writes, {prices.per_1_000_000_tasks:g} for the messages "
        f"of 1,000,000 tasks ({prices.source})."
    )
    if view.open_runs:
        screen.print(f"{plural(view.open_runs, 'run')} still open: the use is counted at the end.")
    if view.is_cut:
        screen.print(f"Only the newest {spending.MOST_RUNS:,} runs were read: ask for fewer days.")
    print_faults(screen, view.faults)


def _row(cost: RunCost) -> Sequence[object]:
    # At list price, one connection costs millionths of a dollar.
    return (*_used(cost), f"{cost.estimated_usd:.6f}")
