"""A marketplace lists records that nobody understands."""

from __future__ import annotations

from collections.abc import Callable

from tests.delivery.terraform.plans import Plan
from tests.system.situations.alarms import lasts, opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import TICK, Stage


def test_records_are_rejected(stage: Stage, ann: Person, alerts: Callable[[], Plan]) -> None:
    """Which, why, and since when is told; reading them again ends it once they are understood."""
    stage.sell("woocommerce-0", "takealot-0")
    begins = stage.tick(2)
    begun = stage.fault("woocommerce", kind="malformed", account=0)
    stage.marketplaces["woocommerce"].control("POST", "change", {"orders": 2, "prices": 2, "account": 0})
    stage.tick(3)
    stage.wait(180)
    ann.finds(
        Expected(
            situation="rejects_growing",
            cause="could not be understood",
            since=begun,
            remedy="rejects retry woocommerce-0",
            command="rejects list",
            screen="/rejects",
            since_word=r"orders-999000111.{0,200}?|rejected [1-9].{0,2000}?started_at",
        )
    )
    ended = stage.mend("woocommerce")
    ann.obeys("rejects retry")
    stage.work()
    assert not stage.services.store.count("connections/woocommerce-0/rejects")
    stage.tick(2)
    ann.is_told_all_is_well()
    stage.tick(4)
    times = opened(alerts(), stage, begins)
    lasts(times, "rejects", begun, ended)
    assert set(times) == {"rejects"}
