"""The tables of docs/scaling.md, computed from the code's constants, the cost table's and Google's limits.

`python -m tests.delivery.docs.scaling` writes them anew, and `make docs` writes all generated parts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from local.processes import ROOT
from orchestrator.model.run import SHARD_SIZE
from orchestrator.runs.cost import WRITE_USD
from tests.delivery.terraform.deploy_docs import (
    CONCURRENCY,
    FILL,
    IDLE_READS,
    IDLE_WRITES,
    LINES,
    TASK_S,
    TICKS,
)

PAGE = ROOT / "docs" / "scaling.md"
FLEETS = (10_000, 100_000, 1_000_000)
TICK_S = 900

#: Milliseconds of dispatch for a connection, read, planned and published: the emulators' rate in
#: docs/benchmarks.md, the lower one of two runs.
DISPATCH_MS = 1000 / 3010
#: Instances of the worker within the CPU quota of a new project (terraform/environments/prod).
WORKERS = 16
#: Records that the naive design lists and writes again for each connection and tick: the first page of 100.
NAIVE_RECORDS = 100

# Google's limits, with their pages, read 2026-11.
#: cloud.google.com/firestore/docs/best-practices: operations a second on a new range, then half as many more
#: every five minutes.
RAMP_FROM, RAMP_FACTOR, RAMP_MINUTES = 500, 1.5, 5
#: The same page: writes a second to documents whose index entries lie side by side.
HOT_RANGE = 500
#: cloud.google.com/secret-manager/quotas: accesses a minute and project.
SECRET_ACCESSES = 90_000


@dataclass(frozen=True, slots=True)
class Load:
    """The load of a fleet of which every connection is due at every tick, spread over the tick."""

    connections: int

    @property
    def tasks_s(self) -> float:
        """Tasks a second."""
        return self.connections / TICK_S

    @property
    def writes_s(self) -> float:
        """Document writes a second."""
        return self.tasks_s * IDLE_WRITES

    @property
    def instances(self) -> int:
        """Instances of the worker, filled as Cloud Run fills them."""
        return math.ceil(self.tasks_s * TASK_S / (CONCURRENCY * FILL))

    @property
    def ramp_minutes(self) -> int:
        """Minutes until Firestore has taken up an empty database's writes."""
        steps = math.log(max(1.0, self.writes_s / RAMP_FROM), RAMP_FACTOR)
        return math.ceil(steps) * RAMP_MINUTES

    @property
    def dispatch_s(self) -> float:
        """Seconds of dispatch if one marketplace has them all: its pages follow each other."""
        return self.connections * DISPATCH_MS / 1000

    def usd(self) -> float:
        """A month's cost, after the free amounts."""
        return sum(
            max(0.0, line.used(self.connections, self.connections * TICKS) - line.free) * line.usd
            for line in LINES
        )

    def naive_usd(self) -> float:
        """A month's document writes of a design that writes each record it lists."""
        return self.connections * TICKS * NAIVE_RECORDS * WRITE_USD


def loads_table() -> str:
    """The load by size of the fleet."""
    loads = [Load(each) for each in FLEETS]
    rows = [
        ["at a tick every 15 minutes", *(f"{each.connections:,}" for each in loads)],
        ["---", *["---:"] * len(loads)],
        ["tasks a second", *(f"{each.tasks_s:,.0f}" for each in loads)],
        ["document writes a second", *(f"{each.writes_s:,.0f}" for each in loads)],
        ["document reads a second", *(f"{each.tasks_s * IDLE_READS:,.0f}" for each in loads)],
        ["minutes of ramp on an empty database", *(str(each.ramp_minutes) for each in loads)],
        ["instances of the worker", *(f"{each.instances:,}" for each in loads)],
        ["seconds of dispatch, all in one marketplace", *(f"{each.dispatch_s:,.0f}" for each in loads)],
        ["shards a run", *(f"{math.ceil(each.connections / SHARD_SIZE):,}" for each in loads)],
        ["**a month**", *(f"**${each.usd():,.0f}**" for each in loads)],
        ["a month, each listed record written again", *(f"${each.naive_usd():,.0f}" for each in loads)],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def binding() -> dict[str, int]:
    """The number of connections at which each limit binds."""
    return {
        "instances": int(WORKERS * CONCURRENCY * FILL / TASK_S * TICK_S),
        "ramp": RAMP_FROM * TICK_S // IDLE_WRITES,
        "hot range": HOT_RANGE * TICK_S,
        "dispatch": int(TICK_S * 1000 / DISPATCH_MS),
        "secrets": SECRET_ACCESSES * TICK_S // 60,
    }


def written(text: str) -> str:
    """The document with its table and its numbers as they should be."""
    text = re.sub(
        r"(<!-- loads -->\n).*?(<!-- /loads -->)",
        lambda match: f"{match[1]}{loads_table()}\n{match[2]}",
        text,
        flags=re.DOTALL,
    )
    for name, number in binding().items():
        text = re.sub(
            rf"(<!-- {name} -->)[\d,]+(<!-- / -->)",
            lambda match, number=number: f"{match[1]}{number:,}{match[2]}",  # type: ignore[misc] # mypy does not infer a lambda's defaults
            text,
        )
    return text


def write() -> None:
    """Write the document's generated parts anew."""
    PAGE.write_text(written(PAGE.read_text()))


if __name__ == "__main__":
    write()
