"""A marketplace asks to wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tests.delivery.terraform.plans import Plan
from tests.system.situations.alarms import lasts, opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import TICK, Stage


def test_a_marketplace_throttles(stage: Stage, ann: Person, alerts: Callable[[], Plan]) -> None:
    """Until when is told, it is late only once the data is, and it ends by itself."""
    stage.sell("takealot-0", "takealot-1")
    begins = stage.tick(2)
    begun = stage.fault("takealot", status=429, retry_after="10800", account=1, times=1)
    stage.tick()
    stage.wait(60)
    expected = Expected(
        situation="throttled",
        cause="throttled by the marketplace",
        since=begun,
        remedy="nothing: the first tick after that continues",
        command="connections show takealot-1",
        screen="/connections/takealot-1",
        more=(r"until.{0,40}2026-11-23.09:30",),
    )
    ann.finds(expected)
    stage.tick(5)
    stage.wait(60)
    ann.finds(replace(expected, situation="late", more=(*expected.more, r"\b1 late|is late")))
    stage.marketplaces["takealot"].control("POST", "change", {"new_orders": 1, "account": 1})
    before = stage.stored("takealot-1")
    ended = stage.tick_until(lambda: stage.stored("takealot-1") > before)
    assert ended <= begun + timedelta(hours=3.5)
    stage.tick()
    ann.is_told_all_is_well()
    stage.tick(4)
    times = opened(alerts(), stage, begins)
    lasts(times, "late", begun, ended, delay=4 * TICK)
    assert set(times) == {"late"}
