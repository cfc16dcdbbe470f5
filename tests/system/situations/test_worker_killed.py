"""A worker is killed in the middle of a listing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.delivery.terraform.plans import Plan
from tests.delivery.terraform.test_alerts import KILLED
from tests.system.situations.alarms import lasts, opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import Stage


def test_a_worker_is_killed(stage: Stage, ann: Person, alerts: Callable[[], Plan]) -> None:
    """Its age, its last sign of life and the take-over are told, and it is taken over."""
    stage.sell("takealot-0", "takealot-1")
    begins = stage.tick()
    stage.marketplaces["takealot"].control("POST", "change", {"new_orders": 5, "account": 0})
    before = stage.stored("takealot-0")
    stage.store.dies_at = "connections/takealot-0/orders/"
    begun = stage.tick()
    stage.log.lines.append({**KILLED[0], "time": begun.isoformat()})
    stage.wait(8)
    run_id = ann.status()["runs"][0]["run_id"]
    ann.finds(
        Expected(
            situation="well",
            cause=r"last sign of life|last_sign_at",
            since=begun,
            since_word=r"started.{0,40}?",
            remedy="taken over|takeover_at",
            command=f"runs show {run_id}",
            screen=f"/runs/{run_id}",
        )
    )
    # It is silent for a minute and a half, and the next delivery of its message finds that out.
    stage.wait(180)
    assert ann.status()["runs"][0]["status"] == "succeeded"
    ended = begun + timedelta(seconds=188)
    stage.tick(2)
    assert stage.stored("takealot-0") == before + 5
    ann.is_told_all_is_well()
    stage.tick(4)
    times = opened(alerts(), stage, begins)
    lasts(times, "out-of-memory", begun, ended)
    assert set(times) == {"out-of-memory"}


def test_a_pending_cancel_is_shown(stage: Stage, ann: Person) -> None:
    """Also of a worker that cannot obey any more; the next tick reads the rest."""
    stage.sell("takealot-0", "takealot-1")
    stage.tick()
    stage.marketplaces["takealot"].control("POST", "change", {"new_orders": 5, "account": 0})
    before = stage.stored("takealot-0")
    stage.store.dies_at = "connections/takealot-0/orders/"
    stage.tick()
    run_id = ann.status()["runs"][0]["run_id"]
    ann.run(f"runs cancel {run_id}")
    assert "asked to stop by " in ann.run(f"runs show {run_id}")
    assert "Asked to stop by " in ann.hands.look(f"/runs/{run_id}")
    assert ann.status()["runs"][0]["cancel_requested_at"]
    stage.wait(180)
    assert ann.status()["runs"][0]["status"] == "cancelled"
    stage.tick(2)
    assert stage.stored("takealot-0") == before + 5
    ann.is_told_all_is_well()
