"""A seller's credential is revoked."""

from __future__ import annotations

from collections.abc import Callable

from tests.delivery.terraform.plans import Plan
from tests.system.situations.alarms import lasts, opened
from tests.system.situations.faces import Expected, Person
from tests.system.situations.stage import Stage


def test_a_credential_is_revoked(stage: Stage, ann: Person, alerts: Callable[[], Plan]) -> None:
    """It stays in front while ticks leave it out, and a new secret ends it."""
    stage.sell("takealot-0", "takealot-1")
    begins = stage.tick(2)
    begun = stage.fault("takealot", status=401, account=1)
    stage.tick(6)
    stage.wait(180)
    ann.finds(
        Expected(
            situation="needs_attention",
            cause="the marketplace refuses the credential",
            since=begun,
            remedy=r"connections set (ID|takealot-1) --secret-file -",
            command="connections show takealot-1",
            screen="/connections/takealot-1",
            more=(r"takealot-1",),
        )
    )
    secret = stage.secret_of("takealot-1")
    refused = ann.obeys("connections set .*--secret-file -", given=secret, ID="takealot-1", code=1)
    assert "refuse" in refused or "401" in refused
    ended = stage.mend("takealot")
    ann.obeys("connections set .*--secret-file -", given=secret, ID="takealot-1")
    ann.obeys("connections check", ID="takealot-1")
    stage.marketplaces["takealot"].control("POST", "change", {"new_orders": 1, "account": 1})
    before = stage.stored("takealot-1")
    stage.tick(2)
    ann.is_told_all_is_well()
    assert stage.stored("takealot-1") == before + 1
    stage.tick(4)
    times = opened(alerts(), stage, begins)
    lasts(times, "needs-attention", begun, ended)
    assert set(times) <= {"needs-attention", "late"}
