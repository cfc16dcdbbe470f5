"""A message fails again and again, and another cannot be read."""

from __future__ import annotations

from collections.abc import Callable

from tests.delivery.terraform.plans import Plan
from tests.system.situations.alarms import lasts, opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import TICK, Stage


def test_a_message_is_poisoned(stage: Stage, ann: Person, alerts: Callable[[], Plan]) -> None:
    """Dead letters wait for a decision, and a replay ends it."""
    stage.sell("takealot-0", "takealot-1")
    begins = stage.tick(2)
    stage.poison("takealot-1")
    stage.tick_until(lambda: stage.letters.count() > 0)
    begun = stage.clock.now()
    stage.queue.post([(b"\x00poison", {})])
    stage.work()
    stage.wait(180)
    ann.finds(
        Expected(
            situation="dead_letters",
            cause="2 dead letters wait for a decision",
            since=begun - TICK,
            remedy="dead replay",
            command="dead list",
            screen="/dead",
            since_word=r"takealot-1.{0,90}?\d\dZ",
            more=("new.run|publish",),
            is_on_http=False,
        )
    )
    told = ann.obeys("dead replay --execute")
    ann.obeys("dead replay --execute", more=" --discard-unreadable")
    stage.work()
    ended = stage.clock.now()
    assert "runs watch" in told
    stage.tick(2)
    ann.is_told_all_is_well()
    stage.tick(4)
    times = opened(alerts(), stage, begins)
    lasts(times, "dead-tasks", begun - TICK, ended)
    assert set(times) == {"dead-tasks"}
