"""A marketplace does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.delivery.terraform.plans import Plan
from tests.system.situations.alarms import lasts, opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import TICK, Stage


@pytest.mark.parametrize("fault", [{"status": 503}, {"kind": "reset"}])
def test_a_marketplace_is_down(
    stage: Stage, ann: Person, alerts: Callable[[], Plan], fault: dict[str, Any]
) -> None:
    """It is the marketplace's trouble; nothing needs to be done, and a person may try at once."""
    stage.sell("shopify-0", "shopify-1", "takealot-0")
    begins = stage.tick(2)
    before = stage.stored("shopify-1")
    stage.marketplaces["shopify"].control("POST", "change", {"new_orders": 1, "account": 1})
    begun = stage.fault("shopify", **fault)
    stage.tick(6)
    stage.wait(180)
    ann.finds(
        Expected(
            situation="marketplace_failing",
            cause="shopify does not answer",
            since=begun,
            remedy="nothing at the connections: every tick tries again",
            command="connections show shopify-0",
            screen="/connections/shopify-0",
            more=(r"2 of 2 connections",),
        )
    )
    ended = stage.mend("shopify")
    ann.hands.press("trigger-all", ann.hands.forms("/")["trigger-all"][0])
    stage.work()
    assert stage.stored("shopify-1") == before + 1
    stage.tick(2)
    ann.is_told_all_is_well()
    stage.tick(4)
    times = opened(alerts(), stage, begins)
    lasts(times, "marketplace-failing", begun, ended, delay=4 * TICK)
    assert set(times) <= {"marketplace-failing", "late"}
