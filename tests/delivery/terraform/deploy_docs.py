"""The tables of docs/deploy.md that are made from the plan and from prices.

`python -m tests.delivery.terraform.deploy_docs` writes the cost table anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from local.processes import ROOT
from orchestrator.adapters.google.secret_manager import CACHE_S
from orchestrator.model.paces import INTERVALS
from orchestrator.runs.cost import READ_USD, WRITE_USD
from tests.delivery.terraform.plans import Plan

DEPLOY = ROOT / "docs" / "deploy.md"

#: A month of ticks, one every 15 minutes: 30.4 days.
TICKS = 96 * 30.4
DAYS = 30.4
#: Changed orders, products and stock levels of one connection in a day.
CHANGES = 90
#: They come in so many tasks a day; each of these claims, writes the state with each of three streams, and
#: leaves a record: so many writes more than a task that finds nothing, the changed records aside.
BUSY, BUSY_WRITES = 30, 5
#: What one connection without changes costs a tick, the vault's credential included.
IDLE_READS, IDLE_WRITES = 3, 2
#: Connections of a shard.
SHARD = 64
#: Seconds of one such task (docs/benchmarks.md), the worker's concurrency and GiB, and the part of the
#: concurrency to which Cloud Run fills instances (docs.cloud.google.com/run/docs/about-instance-autoscaling).
TASK_S = 1.7
CONCURRENCY, MEMORY_GIB, FILL = 32, 2, 0.6
#: The scheduler's secret and the one before it; the vault's two keysets, each with the version before it.
SECRET_VERSIONS = 6
CONNECTIONS = (10, 1_000, 10_000)


class Line(NamedTuple):
    """One thing that is paid for."""

    name: str
    #: How much of it so many connections use in a month, with so many tasks of them all.
    used: Callable[[int, float], float]
    #: How much of it is free.
    free: float
    usd: float
    #: The price in words.
    price: str


def _seconds(_: int, tasks: float) -> float:
    """Seconds of an instance: tasks share it, and even one of them needs it."""
    return max(tasks * TASK_S / (CONCURRENCY * FILL), TICKS * TASK_S)


#: List prices in us-central1, USD, read 2026-11; free amounts a month.
LINES = (
    Line("Firestore reads", lambda _, tasks: tasks * IDLE_READS, 50_000 * DAYS, READ_USD, "$0.03 / 100,000"),
    Line(
        "Firestore writes",
        lambda n, tasks: tasks * IDLE_WRITES + n * (CHANGES + BUSY * BUSY_WRITES) * DAYS,
        20_000 * DAYS,
        WRITE_USD,
        "$0.09 / 100,000",
    ),
    Line(
        "Firestore deletes (by age)",
        lambda n, tasks: tasks / SHARD + n * BUSY * DAYS,
        20_000 * DAYS,
        0.01 / 100_000,
        "$0.01 / 100,000",
    ),
    Line("CPU seconds", _seconds, 180_000, 0.000024, "$0.000024"),
    Line("GiB seconds", lambda n, tasks: MEMORY_GIB * _seconds(n, tasks), 360_000, 0.0000025, "$0.0000025"),
    Line("Requests", lambda _, tasks: tasks, 2_000_000, 0.40 / 1_000_000, "$0.40 / million"),
    Line("Pub/Sub, GiB", lambda _, tasks: tasks * 2 * 1024 / 2**30, 10, 40 / 1024, "$40 / TiB"),
    Line("Secret versions", lambda *_: SECRET_VERSIONS, 6, 0.06, "$0.06"),
    Line(
        "Secret reads",
        # An instance reads a keyset when it is too old to be used; a tick's work may start as many instances.
        lambda _, tasks: max(TICKS, tasks * TASK_S / (CONCURRENCY * FILL) / CACHE_S),
        10_000,
        0.03 / 10_000,
        "$0.03 / 10,000",
    ),
    Line("Logs, GiB", lambda _, tasks: tasks * 2500 / 2**30, 50, 0.50, "$0.50 / GiB"),
)


def cost_table() -> str:
    """Use and cost of a month by number of connections."""
    header = ["a month", "price", "free", *(f"{n:,} connections" for n in CONNECTIONS)]
    rows = [header, ["---"] * 3 + ["---:"] * len(CONNECTIONS)]
    totals = [0.0] * len(CONNECTIONS)
    for line in LINES:
        cells = []
        for index, connections in enumerate(CONNECTIONS):
            used = line.used(connections, connections * TICKS)
            usd = _usd(line, used)
            totals[index] += usd
            cells.append(f"{_amount(used)} → ${usd:,.2f}")
        rows.append([line.name, line.price, _amount(line.free), *cells])
    rows.append(["**together**", "", "", *(f"**${total:,.2f}**" for total in totals)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def pace_table() -> str:
    """Cost of a month if all connections have one interval, and how much of it is tasks."""
    header = ["interval of all connections", "tasks a day", *(f"{n:,} connections" for n in CONNECTIONS[1:])]
    rows = [header, ["---", "---:"] + ["---:"] * (len(CONNECTIONS) - 1)]
    for minutes in INTERVALS:
        ticks = DAYS * 24 * 60 / minutes
        totals = [sum(_usd(line, line.used(n, n * ticks)) for line in LINES) for n in CONNECTIONS[1:]]
        rows.append(
            [f"{minutes:,} minutes", f"{24 * 60 // minutes}", *(f"${total:,.2f}" for total in totals)]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _usd(line: Line, used: float) -> float:
    return max(0.0, used - line.free) * line.usd


def with_cost_table(text: str) -> str:
    """The document with the tables as they should be."""
    for name, table in (("costs", cost_table()), ("pace-costs", pace_table())):
        before, rest = text.split(f"<!-- {name} -->\n")
        text = f"{before}<!-- {name} -->\n{table}\n<!-- /{name} -->{rest.split(f'<!-- /{name} -->')[1]}"
    return text


def documented_grants() -> dict[tuple[str, str, str], str]:
    """The document's table of accounts: account, role and on what; and why."""
    table = re.search(r"<!-- accounts -->\n(.*?)<!-- /accounts -->", DEPLOY.read_text(), flags=re.DOTALL)
    if table is None:
        raise LookupError("docs/deploy.md has no table of accounts")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table[1].strip().splitlines()[2:]
    ]
    return {(account.strip("`"), role.strip("`"), on): why for account, role, on, why in rows}


def planned_grants(plan: Plan) -> set[tuple[str, str, str]]:
    """The same of a plan."""
    names = {f"serviceAccount:{email}": f"sync-{name}" for name, email in plan.accounts.items()}
    grants = set()
    for address, found in plan.resources.items():
        if "_iam_member." not in address:
            continue
        account = names.get(
            found["member"], "Pub/Sub's own" if "gcp-sa-pubsub" in found["member"] else "a person"
        )
        grants.add((account, found["role"].removeprefix("roles/"), _on(address, found)))
    return grants


def _on(address: str, found: object) -> str:
    """What a role is granted on, in words."""
    assert isinstance(found, dict)
    if "google_project_iam_member" in address:
        return (
            f"the project, only {found['condition'][0]['title']}" if found.get("condition") else "the project"
        )
    if "google_service_account_iam_member" in address:
        account = found["service_account_id"].rpartition("/")[2].partition("@")[0]
        return f"account `{account}`"
    for kind, field in (
        ("function", "name"),
        ("topic", "topic"),
        ("subscription", "subscription"),
        ("secret", "secret_id"),
        ("bucket", "bucket"),
        ("repository", "repository"),
    ):
        if field in found:
            name = str(found[field]).replace("a-project-", "PROJECT-")
            return f"{kind} `{name}`"
    raise LookupError(address)


def _amount(number: float) -> str:
    if number >= 1_000_000:
        return f"{number / 1_000_000:,.2f} M"
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:,.2f}"


if __name__ == "__main__":
    DEPLOY.write_text(with_cost_table(DEPLOY.read_text()))
