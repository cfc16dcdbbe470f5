"""Two releases at work on one store: while one rolls out, after a roll back, and after the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.model.paces import pace_of
from orchestrator.ports import Update
from tests.marketplaces.conformance.case import every
from tests.system.released.replay import Release
from tests.system.released.scene import TICK_S, change
from tests.system.released.test_working import assert_holds
from tests.system.released.two import Two, two

pytestmark = [pytest.mark.long, pytest.mark.processes]

DAY_S = 86_400.0
OLD, NEW = (lambda: True), (lambda: False)


@pytest.fixture
def both(release: Release, tmp_path: Path) -> Iterator[Two]:
    """The releases, each with its workers."""
    with two(release, tmp_path) as found:
        yield found


def tick(both: Two, choose: Callable[[], bool], *, frozen: bool = False) -> None:
    """A tick later: all work of a tick, some time after the last one."""
    both.scene.clock.advance(TICK_S)
    both.tick(frozen=frozen)
    both.drain(choose)


def settle(both: Two) -> None:
    """Today's release alone, until a day has passed: its complete listing marks what has vanished."""
    tick(both, NEW)
    both.scene.clock.advance(DAY_S)
    tick(both, NEW)
    tick(both, NEW)


def changed(both: Two) -> None:
    """Every seller changes something."""
    for each in both.sellers.values():
        change(each.small)


def check(both: Two) -> None:
    """Every run has ended and counts its plan, nobody holds anything, and the store holds what is there."""
    store = both.scene.store
    for found in every(store, "runs"):
        planned = sum(len(shard.data["ids"]) for shard in every(store, f"{found.path}/shards"))
        assert found.data["tasks"]["total"] == planned, found.id
    assert {found.data["status"] for found in every(store, "runs")} <= {"succeeded", "partial"}
    for found in every(store, "sync_state"):
        state = both.scene.state(found.id)
        assert (state.open, state.lease.owner) == (None, None), found.id
    for marketplace, each in both.sellers.items():
        assert_holds(both.scene, each.small, f"{marketplace}-both")


def test_workers_of_both_releases_share_the_work(both: Two) -> None:
    """Messages, tasks and runs of either are worked by both, whoever comes; nothing is lost or stuck."""
    rng = random.Random(3)
    for turn in range(4):
        tick(both, lambda: rng.random() < 0.5, frozen=turn % 2 == 1)
        if turn == 1:
            changed(both)
    settle(both)
    check(both)


def test_a_roll_back_from_intervals(both: Two) -> None:
    """The release before covers every connection, also in runs that today's one has narrowed to some paces.

    It adds connections without a pace. The next tick of today's release finds them.
    """
    store = both.scene.store
    tick(both, NEW)
    found = list(every(store, "connections"))
    own = {"interval_minutes": 15}
    store.commit([Update(each.path, {**own, "pace": pace_of(each.id, own)}) for each in found])
    store.commit([Update(found[0].path, {"pace": None})])
    changed(both)
    tick(both, OLD)
    last = max(every(store, "runs"), key=lambda run: str(run.data["order"]))
    assert last.data["selection"]["due"]["scanned"] == [found[0].data["marketplace"]]
    tick(both, OLD, frozen=True)
    shards = every(store, f"{last.path}/shards")
    assert sum(len(shard.data["ids"]) for shard in shards) == len(both.sellers)
    tick(both, NEW)
    assert {each.data["pace"] for each in every(store, "connections")} == {"0015-00"}
    settle(both)
    check(both)


def test_a_roll_back_in_the_middle_of_a_run(both: Two) -> None:
    """The release before goes on with a half-done run and every later one; then today's does again."""
    both.scene.clock.advance(TICK_S)
    both.tick(frozen=False)
    for _ in range(8):
        both.work(frozen=False)
    both.drain(OLD)
    changed(both)
    tick(both, OLD, frozen=True)
    tick(both, OLD, frozen=True)
    settle(both)
    check(both)
