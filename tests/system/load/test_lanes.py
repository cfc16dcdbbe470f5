"""Back-fills and small accounts in two lanes, with 429s, back-off and a push window that starts slowly.

On three instances of each lane the product itself works on virtual time. On fifty, its rules for messages
do (their lane, and the seconds of a slice), and a handler takes the time alone: its reads and writes are not
modelled there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from orchestrator.adapters.lanes import Lanes
from orchestrator.model import ids
from orchestrator.model.messages import Message
from orchestrator.settings import Settings
from orchestrator.sync import pages
from tests.support.world import ENVIRONMENT
from tests.system.load.plant import TICK_S, Account, Plant
from tests.system.load.subscription import ONE_LANE, TWO_LANES, Delivery, Instance, Subscription
from tests.system.simulation.loop import START, Loop

pytestmark = pytest.mark.long

INSTANCES, FIRST_SLOTS, SLOTS = 3, 32, 8
#: No run is long enough for it.
LARGE = Account(orders=10_000_000, page_s=30.0)
#: Names in no order: large and small accounts are dispatched mixed.
NAMES = sorted(f"c{n * 7919 % 10_007:05d}-{n}" for n in range(140))
LARGES = {name: LARGE for name in NAMES if int(name.partition("-")[2]) < 40}
SMALLS = {name: Account() for name in NAMES if name not in LARGES}
TICKS = 3
LANES_SETTING = {"SYNC_QUEUE_BACKFILL": "local:http://127.0.0.1:8"}


@pytest.fixture(autouse=True)
def _looks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LOOK_S", 8.0)


def plant(accounts: Mapping[str, Account], *, first_slots: int, delivery: Delivery) -> Plant:
    """Three ticks of these accounts, on three instances of each lane."""
    made = Plant(accounts, workers=INSTANCES, slots=SLOTS, first_slots=first_slots, delivery=delivery)
    made.run(TICKS * TICK_S, ticks=TICKS)
    return made


def last_small_s(made: Plant) -> list[float]:
    """For each tick, when the last small account was done, in seconds after it."""
    last = []
    for turn in range(TICKS):
        run_id = ids.tick_run_id(START + timedelta(seconds=turn * TICK_S), "sync")
        # Once nothing is new, a task leaves no record.
        last.append(max(made.seen.handled_at_s[run_id, name] for name in SMALLS) - turn * TICK_S)
    return last


def read(made: Plant) -> int:
    """The rows of back-fills that were read."""
    return sum(made.seen.rows[name] for name in made.accounts if name not in SMALLS)


def failures(made: Plant) -> list[object]:
    """Tasks that failed, messages that were given up, invocations that raised."""
    failed = [task["reason"] for _, _, task, _ in made.seen.ended if task["status"] == "failed"]
    return [*failed, *(message for lane in made.lanes for message in lane.dead), *made.seen.refused]


def test_small_accounts_do_not_wait_for_back_fills() -> None:
    """40 back-fills, 100 small accounts: these wait a minute at most, those keep their throughput."""
    alone = plant(LARGES, first_slots=0, delivery=ONE_LANE)
    lanes = plant(LARGES | SMALLS, first_slots=FIRST_SLOTS, delivery=TWO_LANES)

    assert max(last_small_s(lanes)) <= 60
    assert read(lanes) >= 0.9 * read(alone)
    assert failures(lanes) == []
    assert lanes.lanes[1].seen["429"] > 0


def test_small_accounts_do_not_wait_for_a_giant() -> None:
    """One seller that has no end holds a place among the others for a minute a run."""
    giant = {NAMES[0] + "-giant": replace(LARGE, page_s=2.0)}
    lanes = plant(giant | SMALLS, first_slots=FIRST_SLOTS, delivery=TWO_LANES)
    (name,) = giant
    firsts = [s for s, message in lanes.seen.handled_s if message.connection_id == name and not message.slice]

    assert max(last_small_s(lanes)) <= 60
    assert max(firsts) <= 70
    assert lanes.seen.rows[name] >= 0.9 * 20 / 2.1 * TICKS * TICK_S
    assert failures(lanes) == []


class Many:
    """1,000 small and 500 large accounts on fifty instances of each lane."""

    def __init__(self, *, smalls: int, first_slots: int, delivery: Delivery) -> None:
        self.loop = Loop(1)
        self.smalls = smalls
        environment = ENVIRONMENT | (LANES_SETTING if first_slots else {})
        self.settings = Settings.from_environment(environment)
        sizes = [first_slots, SLOTS] if first_slots else [SLOTS]
        self.lanes = [
            Subscription(self.loop, [Instance(None, size) for _ in range(50)], self._work, delivery)
            for size in sizes
        ]
        self.queue = Lanes(*self.lanes) if first_slots else self.lanes[0]
        self.busy: set[str] = set()
        self.waited_s: list[float] = []
        self.worked_s = 0.0
        for turn in range(TICKS):
            self.loop.at(turn * TICK_S, lambda turn=turn: self._tick(turn))  # type: ignore[misc] # mypy does not infer a lambda's defaults
        self.loop.run(TICKS * TICK_S, steps=20_000_000)

    def _tick(self, turn: int) -> None:
        names = [f"large-{n}" if n % 3 == 0 else f"small-{n}" for n in range(1_500)]
        self.queue.publish(
            [
                Message(kind="task", run_id=str(turn), connection_id=name)
                for name in names
                if self.smalls or name.startswith("large")
            ]
        )

    def _work(self, _: None, message: Message, done: Callable[[bool], None]) -> None:
        name = message.connection_id
        if name.startswith("small"):
            self.waited_s.append(self.loop.now_s - int(message.run_id) * TICK_S)
            self.loop.at(2.0, lambda: done(True))
        elif not message.slice and name in self.busy:
            self.loop.at(0.1, lambda: done(True))  # skipped: an earlier run's task is open
        else:
            self.busy.add(name)
            seconds = float(self.settings.slice_seconds_of(is_continuation=message.is_continuation))
            self.loop.at(seconds, lambda: self._hand_over(message, seconds, done))

    def _hand_over(self, message: Message, seconds: float, done: Callable[[bool], None]) -> None:
        self.worked_s += seconds
        self.queue.publish([msgspec.structs.replace(message, slice=message.slice + 1)])
        done(True)


def test_a_thousand_small_accounts_do_not_wait_for_five_hundred_large_ones() -> None:
    """The same on fifty instances of each lane."""
    alone = Many(smalls=0, first_slots=0, delivery=ONE_LANE)
    lanes = Many(smalls=1_000, first_slots=FIRST_SLOTS, delivery=TWO_LANES)

    assert len(lanes.waited_s) == TICKS * 1_000
    assert max(lanes.waited_s) <= 60
    assert lanes.worked_s >= 0.9 * alone.worked_s
    assert not any(lane.dead for lane in lanes.lanes)


def test_in_one_lane_they_would_wait() -> None:
    """The model shows the trouble that the lanes are for."""
    one = Many(smalls=1_000, first_slots=0, delivery=ONE_LANE)

    assert max(one.waited_s) > 5 * 60
