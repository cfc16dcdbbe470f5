"""The schedule of a chaos: the seed's alone, and harmful enough."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from local.google.topics import BACKFILL_LANE
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.ports import Create, Update
from orchestrator.settings_table import MARGIN_SECONDS
from tests.system.chaos.evidence import Watch
from tests.system.chaos.fleet import POOLS
from tests.system.chaos.plan import plan
from tests.system.chaos.pusher import TIMEOUT_S
from tests.system.chaos.site import DELIVERY, FIRST_SLICE_S, LEASE_S, SLICE_S
from tests.system.chaos.storm import Storm

BACKFILL = (BACKFILL_LANE.topic, *POOLS[BACKFILL_LANE])


def test_a_seed_is_a_schedule() -> None:
    """The same seed plans the same, another one something else, and all of it can be carried out."""
    assert plan(7, 60) == plan(7, 60)
    assert plan(7, 60) != plan(8, 60)
    assert {event.what for event in plan(7, 300)} <= set(dir(Storm))


def test_five_minutes_hold_enough_of_everything() -> None:
    """More than a hundred kills whatever the seed, many of continuations, and each other kind of harm."""
    for seed in range(100):
        counts = Counter(event.what for event in plan(seed, 300))

        assert counts["kill"] >= 100
        assert sum(event.arguments[0] in BACKFILL for event in plan(seed, 300) if event.what == "kill") >= 30
        assert min(counts[what] for what in ("tick", "end_one", "stop", "fault", "change")) >= 5
        assert min(counts[what] for what in ("cancel", "retry", "trigger", "pause", "resume")) >= 1


def test_the_times_are_in_the_order_of_the_deployed_ones() -> None:
    """A slice ends inside the function's time-out, that inside the acknowledgement deadline and the lease."""
    assert FIRST_SLICE_S < SLICE_S
    assert SLICE_S + MARGIN_SECONDS < TIMEOUT_S <= DELIVERY.ack_deadline_s <= LEASE_S


def test_the_watch_sees_a_closed_run_change(tmp_path: Path) -> None:
    """An open run may change, a closed one only by the mark that it was retried."""
    store = SqliteStore(tmp_path / "store.db")
    watch = Watch(store)
    for run_id in ("r1", "r2", "r3"):
        store.commit([Create(f"runs/{run_id}", {"status": "running", "seen": 0})])
    watch.look()
    for run_id in ("r1", "r2", "r3"):
        store.commit([Update(f"runs/{run_id}", {"status": "succeeded", "seen": 1})])
    watch.look()
    store.commit([Update("runs/r1", {"seen": 2}), Update("runs/r2", {"retried_by": "r2.r1"})])
    watch.look()
    store.close()

    assert watch.changed == {"r1"}
