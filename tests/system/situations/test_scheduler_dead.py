"""The scheduler is dead for a week."""

from __future__ import annotations

from collections.abc import Callable

from tests.delivery.terraform.plans import Plan
from tests.system.situations.alarms import lasts, opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import TICK, Stage


def test_the_scheduler_is_dead(stage: Stage, ann: Person, alerts: Callable[[], Plan]) -> None:
    """It is the first sentence; a run by hand syncs meanwhile, and the next tick ends it."""
    stage.sell("takealot-0", "shopify-0")
    begins = begun = stage.tick(2)
    stage.silence(days=7)
    run_id = ann.status()["runs"][0]["run_id"]
    ann.finds(
        Expected(
            situation="ticks_stopped",
            cause="No tick for 7 days; one is due every 15 minutes",
            since=begun,
            since_word=r"last.tick.{0,40}?",
            remedy="look at the scheduler's job",
            command=f"runs show {run_id}",
            screen=f"/runs/{run_id}",
        )
    )
    stage.marketplaces["takealot"].control("POST", "change", {"new_orders": 1, "account": 0})
    before = stage.stored("takealot-0")
    ann.obeys("trigger$")
    stage.work()
    assert stage.stored("takealot-0") == before + 1
    assert ann.status()["situation"] == "ticks_stopped"
    ended = stage.tick()
    stage.tick()
    ann.is_told_all_is_well()
    stage.tick(2)
    times = opened(alerts(), stage, begins)
    lasts(times, "no-tick", begun, ended, delay=3 * TICK)
    assert set(times) <= {"no-tick", "no-successful-run", "late"}
