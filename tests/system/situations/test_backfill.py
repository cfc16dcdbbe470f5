"""A history is longer than one run can read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from tests.delivery.terraform.plans import Plan
from tests.system.situations.alarms import lasts, opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import TICK, Stage

#: Before the first order.
SINCE = datetime(2024, 11, 1, tzinfo=UTC)


def test_a_big_backfill(short_runs: Stage, ann: Person, alerts: Callable[[], Plan]) -> None:
    """How far it is, how fast, and how long it takes is told; each run continues it."""
    stage = short_runs
    stage.sell("takealot-0")
    begins = stage.tick()
    stage.sell("shopify-0", orders=500, streams=["orders"], backfill_since=SINCE)
    stage.fault("shopify", kind="slow", seconds=60)
    begun = stage.tick()
    stage.wait(780)
    ann.finds(
        Expected(
            situation="incomplete",
            cause="backlog",
            since=begun,
            remedy="nothing: each run continues",
            command="connections show shopify-0",
            screen="/connections/shopify-0",
        )
    )
    shown = ann.run("connections show shopify-0")
    (row,) = [line for line in shown.splitlines() if re.match("shopify-0 .* orders ", line)]
    assert re.search(r"\d%", row), shown
    assert "/min" in row, shown
    ended = stage.tick_until(lambda: stage.stored("shopify-0") == 500)
    stage.tick(2)
    ann.is_told_all_is_well()
    stage.tick(4)
    times = opened(alerts(), stage, begins)
    lasts(times, "late", begun, ended, delay=5 * TICK)
    assert set(times) == {"late"}
