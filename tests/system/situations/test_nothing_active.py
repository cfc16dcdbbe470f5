"""All connections are paused, or none was added."""

from __future__ import annotations

from collections.abc import Callable

from tests.delivery.terraform.plans import Plan
from tests.system.situations.alarms import opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import Stage


def test_all_are_paused(stage: Stage, ann: Person, alerts: Callable[[], Plan]) -> None:
    """An empty run is no success; since when is told, and by whom, and resuming one ends it."""
    stage.sell("takealot-0", "shopify-0")
    begins = stage.tick(2)
    begun = stage.clock.now()
    for name in ("takealot-0", "shopify-0"):
        ann.run(f"connections pause {name}")
    stage.tick(3)
    ann.finds(
        Expected(
            situation="all_paused",
            cause="All connections are paused",
            since=begun,
            since_word=r"since.{0,20}?",
            remedy="connections resume ID",
            command="audit list",
            screen="/audit",
        )
    )
    for name in ("takealot-0", "shopify-0"):
        ann.obeys("connections resume", ID=name)
    stage.marketplaces["takealot"].control("POST", "change", {"new_orders": 1, "account": 0})
    before = stage.stored("takealot-0")
    stage.tick(2)
    assert stage.stored("takealot-0") == before + 1
    ann.is_told_all_is_well()
    assert not opened(alerts(), stage, begins)


def test_none_was_added(stage: Stage, ann: Person) -> None:
    """The first sentence says how to add one."""
    stage.sell("takealot-0")
    ann.run("connections remove takealot-0")
    stage.tick(2)
    told = ann.run("status")
    assert told.startswith("There is no connection: nothing is synced.")
    assert "There is no connection" in ann.hands.look("/")
    assert ann.status()["situation"] == "no_connections"
    ann.reads(told)
    options = f"--organization northwind --setting base_url={stage.marketplaces['takealot'].url}"
    ann.obeys(
        "connections add",
        ID="takealot-9",
        MARKETPLACE="takealot",
        given=stage.secret_of("takealot-0"),
        more=f" {options} --secret-file -",
    )
    stage.tick(2)
    assert stage.stored("takealot-9")
    ann.is_told_all_is_well()
