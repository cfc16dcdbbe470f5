"""The queue's lanes: which of them a process knows, and what must hold where there are two."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.adapters import lanes
from orchestrator.model.messages import Message
from orchestrator.ports import Create, Document, TaskQueue, Write
from orchestrator.settings import Settings
from tests.system.simulation.faulty import SimQueue
from tests.system.simulation.letters import replay
from tests.system.simulation.loop import chance
from tests.system.simulation.process import Process
from tests.system.simulation.subscription import FEWEST, Delivery, Subscription

if TYPE_CHECKING:
    from tests.system.simulation.history import History

#: Terraform's defaults (test_lanes.py compares them): what each lane's workers handle at once, and the
#: seconds of a task's first slice.
FIRST_PLACES, BACKFILL_PLACES, FIRST_SLICE_S = 32 * 8, 8 * 8, 60
#: As few places are left while others' back-fills are at work.
FEW_PLACES = (BACKFILL_PLACES, BACKFILL_PLACES, 2, 1)
#: What a page takes, so that more than a first slice is needed, in seconds.
PAGES_S = (0.0, 8.0, 20.0)
#: For so long after a deployment some new processes still have the environment before.
ROLL_OUT_S = 600.0
#: The worker of the second lane may be deployed so much later than the first process that knows the lane.
MISSING_S = (1500.0, 9000.0)
#: A person replays a dead letter so much later.
REPLAY_S = 600.0
#: A deployment at a quiet tick comes so soon after it.
QUIET_S = 300.0
#: A slice ends so much later than its time is over: it looks at the clock, and its commits may conflict.
OVERRUN_S = 30.0
#: A wait that does not fit what is left of a slice ends it so much sooner.
SLEPT_S = 60.0
#: What a process knows of two lanes.
BACKFILL = "local:http://127.0.0.1:8"


class Lanes:
    """Both lanes, whoever knows of them, and the switches between one and two."""

    def __init__(self, history: History) -> None:
        self._history = history
        # Apart from the history's own, so that a history with one lane is the one it was.
        self._rng = random.Random(f"lanes of {history.seed}")
        self.first = Subscription(history, "tasks", FIRST_PLACES)
        self.backfill = Subscription(history, "tasks-backfill", BACKFILL_PLACES)
        story = self._rng.choices(["one", "two", "switched"], [2, 2, 3])[0]
        self._is_switched = story == "switched"
        #: Whether the deployment in force has two lanes.
        self._are_two = story == "two" or (self._is_switched and chance(self._rng, 0.3))
        self._rolled_out_s = 0.0
        self._one = history.knobs.settings
        self._two = replace(
            self._one, sync_queue_backfill=BACKFILL, first_slice_seconds=self._first_slice_s()
        )
        if story != "one":
            self.backfill.places = self._rng.choice(FEW_PLACES)
            self.first.delivery = self.backfill.delivery = self._rng.choice([Delivery(), FEWEST])
            history.market.page_s = self._rng.choice(PAGES_S)
            history.store.watchers.append(self.look)
        #: Messages published, those of heals apart.
        self.asked_for = 0
        self._published = self._latest = 0

    @property
    def held(self) -> int:
        """Messages that are still to be pushed for the first time."""
        return self.first.held + self.backfill.held

    # Who knows what

    def settings_of_new_process(self) -> Settings:
        """The environment that a new process has."""
        knows = self._are_two
        if self._history.loop.now_s < self._rolled_out_s and chance(self._rng, 0.5):
            knows = not knows
        return self._two if knows else self._one

    def settings_of(self, process: Process) -> Settings:
        """The environment that a process has."""
        return process.settings or self._one

    def queue_of(self, process: Process) -> TaskQueue:
        """The queue as a process reaches it: the product chooses the lane."""
        first = SimQueue(self._history, process, self.first)
        if not self.settings_of(process).sync_queue_backfill:
            return first
        return lanes.Lanes(first, SimQueue(self._history, process, self.backfill))

    # What happens

    def plan_stormy(self, seconds: float) -> None:
        """Deployments while things go wrong."""
        if self._is_switched:
            for _ in range(self._rng.choice([1, 1, 2])):
                self._history.loop.at(self._rng.uniform(0, seconds), self._deploy)

    def plan_quiet(self, tick_s: float) -> None:
        """A deployment while a tick's tasks are at work and nothing goes wrong, in seconds from now."""
        history, loop = self._history, self._history.loop
        if not self._is_switched or chance(self._rng, 0.5):
            return
        loop.at(tick_s + self._rng.uniform(0, QUIET_S), self._deploy)
        if self._one.slice_seconds > FIRST_SLICE_S and not history.releases.is_quiet:
            loop.at(tick_s, partial(setattr, history.market, "page_s", PAGES_S[-1]))
            loop.at(tick_s + 2 * QUIET_S, partial(setattr, history.market, "page_s", 0.0))

    def calm(self) -> None:
        """Both lanes have the workers that they are deployed with."""
        self.backfill.places = BACKFILL_PLACES
        self.backfill.missing_until_s = 0.0
        self._history.market.page_s = 0.0

    def send_away(self, until_s: float) -> None:
        """All workers are away for a while."""
        self.first.away_until_s = self.backfill.away_until_s = until_s

    def _deploy(self) -> None:
        """A deployment that sets the variable, or takes it away; messages wait in the lanes."""
        history, now_s = self._history, self._history.loop.now_s
        self._are_two = not self._are_two
        self._rolled_out_s = now_s + self._rng.uniform(0, ROLL_OUT_S)
        history.seen["second lane added" if self._are_two else "second lane taken away"] += 1
        history.say(f"deployed with {1 + self._are_two} lanes")
        if self._are_two and now_s < history.quiet_s and chance(self._rng, 0.5):
            self.backfill.missing_until_s = now_s + self._rng.uniform(0, self._rng.choice(MISSING_S))

    def _first_slice_s(self) -> int:
        """Terraform's; and a shorter one where the whole slice would be as short."""
        return FIRST_SLICE_S if self._one.slice_seconds > FIRST_SLICE_S else FIRST_SLICE_S // 4

    # What must hold

    def number(self, message: Message) -> int:
        """The number of a message that was accepted."""
        self._published += 1
        is_healing = message.heal or message.kind in {"sweep", "cancel"}
        # A command that waits for a run's end publishes its sweep each time it is repeated.
        self.asked_for += not (is_healing and self._history.running.is_function)
        return self._published

    def pushed(self, number: int) -> None:
        """A message is pushed: perhaps after a later one."""
        self._history.seen["reordered"] += number < self._latest
        self._latest = max(self._latest, number)

    def published(self, lane: Subscription, message: Message) -> None:
        """A continuation, and nothing else, goes to the second lane, wherever its publisher knows of it."""
        history = self._history
        knows = bool(self.settings_of(history.running).sync_queue_backfill)
        wanted = self.backfill if knows and _is_continuation(message) else self.first
        if lane is not wanted:
            history.violated(f"{message} is published to {lane.topic}, not to {wanted.topic}")
        history.seen["continuation in its lane"] += lane is self.backfill

    def died(self, lane: Subscription, message: Message) -> None:
        """A message is given up: each lane's own are among its dead letters, which a person may replay."""
        if lane is self.backfill and not _is_continuation(message):
            self._history.violated(f"{message} is among the dead continuations")
        if chance(self._rng, 0.7):
            self._history.loop.at(
                self._rng.uniform(0, REPLAY_S),
                partial(replay, self._history, self.first.letters, self.backfill.letters),
            )

    def worked(self, process: Process) -> None:
        """An invocation ends as soon as its time is over: it holds the place of another message."""
        history, message = self._history, process.message
        if message is None or message.kind != "task" or process.owner is None:
            return
        if process.is_troubled or process.thaws_at_s:
            return  # our own side has failed it, or it was frozen
        over_s = max(process.began_s + self._slice_s(process, message), process.claimed_s)
        late_s = history.loop.now_s - over_s
        if late_s > OVERRUN_S:
            history.violated(f"{process.name} takes {late_s:.0f} s longer than its slice: {message}")

    def look(self, writes: Sequence[Write], before: Mapping[str, Document | None]) -> None:
        """Look at a commit that hands a task over, or that closes one whose holder has handed it over."""
        for write in writes:
            match write.path.split("/"):
                case ["sync_state", _]:
                    old, new = before[write.path], self._history.store.documents.get(write.path)
                    if old is not None and new is not None:
                        self._handed_over(old, new[1])
                case ["runs", run_id, "tasks", _] if isinstance(write, Create):
                    self._closed(run_id, write, before)

    def _handed_over(self, old: Document, new: Document) -> None:
        """A slice that ends for want of time has had all of it: the one that its message and process have."""
        history, process = self._history, self._history.running
        before, after, lease = old["open"], new["open"], new["lease"]
        if before is None or after is None or process.message is None or lease.get("owner") is not None:
            return
        if after.get("slice", 0) != before.get("slice", 0) + 1 or lease.get("not_before") is not None:
            return
        history.seen["handed over"] += 1
        took_s = history.loop.now_s - process.began_s
        if took_s < self._slice_s(process, process.message) - SLEPT_S and not process.is_stopping:
            history.violated(f"{process.name} hands {process.message} over after {took_s:.0f} s")

    def _closed(self, run_id: str, write: Create, before: Mapping[str, Document | None]) -> None:
        """Whoever waits for its turn in a lane is not taken for a lost worker."""
        history, data = self._history, write.data
        state = before.get(f"sync_state/{data['connection_id']}")
        opened = state["open"] if state is not None else None
        if state is None or opened is None or opened["run_id"] != run_id or opened.get("slice", 0) == 0:
            return
        if state["lease"].get("owner") is not None:
            return
        history.seen["closed while it waits for its turn"] += 1
        if data["reason"] == "worker_lost":
            history.violated(f"{write.path} had been handed over, and its worker counts as lost")

    def _slice_s(self, process: Process, message: Message) -> int:
        """The time of an invocation, by the promise."""
        settings = self.settings_of(process)
        is_whole = _is_continuation(message) or not settings.sync_queue_backfill
        return (
            settings.slice_seconds if is_whole else min(settings.first_slice_seconds, settings.slice_seconds)
        )


def _is_continuation(message: Message) -> bool:
    """Whether an earlier slice has handed its task over; told without the product."""
    return message.kind == "task" and message.slice > 0
