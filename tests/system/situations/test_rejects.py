"""A marketplace lists records that nobody understands."""

from __future__ import annotations

from collections.abc import Callable

from tests.delivery.terraform.plans import Plan
from tests.system.situations.alarms import lasts, opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import TICK, Stage


def test_records_are_rejected(stage: Stage, ann: Person, alerts: Callable[[], Plan]) -> None:
    """Which, why, and since when is told; reading them again ends it once they are understood."""
    stage.sell("shopify-0", "takealot-0", orders=80)
    begins = stage.tick(2)
    shopify = stage.marketplaces["shopify"]
    (hidden, *_) = shopify.control("POST", "change", {"orders": 9, "account": 0})["orders"]
    begun = stage.fault("shopify", kind="unshown", record=f"gid://shopify/Order/{hidden}")
    # At first it could be the marketplace's trouble.
    stage.tick(4)
    # The alert is of many records: as if ten more were like this one.
    (line,) = stage.log.of("record_rejected")
    stage.log.lines += [line] * 10
    stage.log.lines.sort(key=lambda each: str(each["time"]))
    stage.wait(180)
    ann.finds(
        Expected(
            situation="rejects_growing",
            cause="the marketplace cannot show it|could not be stored",
            since=begun + TICK,
            remedy="rejects retry (shopify-0|ID)",
            command="rejects list",
            screen="/rejects",
        )
    )
    (button,) = ann.hands.forms("/rejects")["retry-rejects"]
    assert button["connection_id"] == "shopify-0"
    ended = stage.mend("shopify")
    ann.obeys("rejects retry shopify-0")
    stage.work()
    assert not stage.services.store.count("connections/shopify-0/rejects")
    stage.tick(2)
    ann.is_told_all_is_well()
    stage.tick(4)
    times = opened(alerts(), stage, begins)
    lasts(times, "rejects", begun, ended, delay=3 * TICK)
    assert set(times) == {"rejects"}
