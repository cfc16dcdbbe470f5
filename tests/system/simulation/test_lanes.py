"""The lanes of the histories are those that Terraform makes."""

from __future__ import annotations

import re

from tests.support.project import ROOT
from tests.system.simulation import lanes
from tests.system.simulation.edges import ENVIRONMENT
from tests.system.simulation.subscription import FEWEST, Delivery

VARIABLES = (ROOT / "terraform/modules/marketplace_sync/variables.tf").read_text()


def default(variable: str, field: str) -> int:
    """The default of a field of a variable of the module."""
    (block,) = re.findall(rf'variable "{variable}" {{\n(.*?)\n}}\n', VARIABLES, re.DOTALL)
    (number,) = re.findall(rf"^ +{field} += optional\(number, (\d+)\)", block, re.MULTILINE)
    return int(number)


def test_both_subscriptions_deliver_as_terraform_has_it() -> None:
    """The attempts, the back-off and the deadline; and the fewest attempts are those that it allows."""
    delivery = Delivery()

    assert default("delivery", "ack_deadline_seconds") == delivery.ack_deadline_s
    assert default("delivery", "min_backoff_seconds") == delivery.min_backoff_s
    assert default("delivery", "max_backoff_seconds") == delivery.max_backoff_s
    assert default("delivery", "max_attempts") == delivery.max_attempts
    # variables.tf: max_attempts times max_backoff_seconds is at least 6000.
    assert FEWEST.max_attempts * FEWEST.max_backoff_s == 6000


def test_both_workers_have_as_many_places_and_seconds_as_terraform_gives_them() -> None:
    """The second worker has as many instances as the first one."""
    instances = default("worker", "max_instances")

    assert default("worker", "concurrency") * instances == lanes.FIRST_PLACES
    assert default("backfill", "concurrency") * instances == lanes.BACKFILL_PLACES
    assert default("sync", "first_slice_seconds") == lanes.FIRST_SLICE_S
    assert "SYNC_QUEUE_BACKFILL" not in ENVIRONMENT
