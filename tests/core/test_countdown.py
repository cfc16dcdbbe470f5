"""The countdown of shards on a real store: in any order of events, the counts match the task records.

Messages of several runs are delivered in any order, twice, late, in the middle of each other's work, and
to workers that die; people cancel and pause, deadlines pass, shards are swept.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestrator.errors import NotPossible, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, RunStatus, TaskStatus
from orchestrator.operators import pause
from orchestrator.ports import Update, Write, Written
from orchestrator.runs import dispatch
from orchestrator.runs.cancel import cancel_run
from orchestrator.sync import pages
from tests.support.examples import examples
from tests.support.people import ME
from tests.support.stores import Killed, WrappedStore
from tests.support.world import START, World

NAMES = ("a", "b", "c", "d", "e")
picks = st.integers(0, 10_000)


class Noting(WrappedStore):
    """The store, and which runs were closed by a commit to it."""

    def __init__(self, world: World) -> None:
        super().__init__(world.store)
        self.closed: Counter[str] = Counter()

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Commit, and note the runs that the commit closes."""
        written = super().commit(writes)
        for write in writes:
            if isinstance(write, Update) and "finished_at" in write.fields:
                self.closed[write.path.removeprefix("runs/")] += 1
        return written


class Countdown(RuleBasedStateMachine):
    """Some runs over some connections, on shards of two."""

    @initialize()
    def begin(self) -> None:
        """Five connections on two marketplaces, with a few pages each."""
        self.patch = pytest.MonkeyPatch()
        for module, name, value in (
            (dispatch, "SHARD_SIZE", 2),
            (dispatch, "PAGE", 3),
            (pages, "JOINED_RECORDS", 1),
        ):
            self.patch.setattr(module, name, value)
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name), page_size=2)
        self.store = Noting(self.world)
        self.world.services = replace(self.world.services, store=self.store)
        self.runs: list[str] = []
        self.delivered: list[Message] = []
        self.final: dict[str, Run] = {}
        for number, name in enumerate(NAMES):
            self.world.connect(name, marketplace="takealot" if number % 2 else "shopify")
            for row in range(3):
                self.world.bazaar.shop(name).put("orders", f"r{row}", START - timedelta(hours=row + 1))

    @property
    def queue(self) -> list[Message]:
        """The messages that wait to be delivered."""
        return self.world.queue.messages

    @precondition(lambda self: len(self.runs) < 3)
    @rule()
    def tick(self) -> None:
        """A run begins, whether or not the last one is over."""
        self.world.clock.advance(900)
        self.runs.append(self.world.tick().run_id)

    @precondition(lambda self: self.queue)
    @rule(pick=picks, twice=st.booleans())
    def deliver(self, pick: int, twice: bool) -> None:
        """Some message arrives; it may arrive again."""
        self._hand_over(self._take(pick, keep=twice))

    @precondition(lambda self: self.delivered)
    @rule(pick=picks)
    def deliver_again(self, pick: int) -> None:
        """A message that was settled comes once more."""
        self._hand_over(self.delivered[pick % len(self.delivered)])

    @precondition(lambda self: len(self.queue) > 1)
    @rule(pick=picks, other=picks)
    def deliver_during(self, pick: int, other: int) -> None:
        """While one worker reads a page, another message is worked on from beginning to end."""
        message = self._take(pick)

        def meanwhile(*_: object) -> None:
            self.world.bazaar.at_call = None
            if self.queue:
                self._hand_over(self._take(other))

        self._with(meanwhile, message)

    @precondition(lambda self: self.queue)
    @rule(pick=picks)
    def kill(self, pick: int) -> None:
        """A worker dies in the middle of a page; its message comes back."""
        message = self._take(pick)

        def die(*_: object) -> None:
            raise Killed

        self._with(die, message)

    @precondition(lambda self: self.runs)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        """A person stops a run."""
        try:
            cancel_run(self.world.services, self.runs[pick % len(self.runs)], by=ME)
        except NotPossible:
            return

    @precondition(lambda self: self.runs)
    @rule(pick=picks)
    def sweep(self, pick: int) -> None:
        """A shard is swept."""
        run_id = self.runs[pick % len(self.runs)]
        for name in ("shopify", "takealot"):
            shard = ids.shard_id(name, pick % 2)
            self._hand_over(Message(kind="sweep", run_id=run_id, shard=shard))

    @rule(name=st.sampled_from(NAMES), pauses=st.booleans())
    def edit(self, name: str, pauses: bool) -> None:
        """A person pauses a connection, or resumes it."""
        (pause.pause if pauses else pause.resume)(self.world.services, name, by=ME)

    @rule(seconds=st.sampled_from([60, 700, 4000]))
    def time_passes(self, seconds: int) -> None:
        """Leases end, deadlines pass."""
        self.world.clock.advance(seconds)

    def _take(self, pick: int, *, keep: bool = False) -> Message:
        at = pick % len(self.queue)
        return self.queue[at] if keep else self.queue.pop(at)

    def _with(self, at_call: Callable[..., None], message: Message) -> None:
        self.world.bazaar.at_call = at_call
        try:
            self._hand_over(message)
        finally:
            self.world.bazaar.at_call = None

    def _hand_over(self, message: Message) -> None:
        """Deliver one message; it is redelivered unless it is acknowledged."""
        try:
            self.world.deliver(message)
        except (Killed, StoreUnavailable):
            self.queue.append(message)
        else:
            self.delivered.append(message)

    @invariant()
    def counters_are_the_records(self) -> None:
        """Each shard counts exactly the tasks that have a record, by status; a task without one is open."""
        for run_id in getattr(self, "runs", ()):
            tasks = {task.connection_id: task for task in self.world.tasks(run_id)}
            planned = [name for shard in self.world.shards(run_id) for name in shard.ids]
            assert len(planned) == len(set(planned))
            assert tasks.keys() <= set(planned)
            for shard in self.world.shards(run_id):
                mine = [tasks[name] for name in shard.ids if name in tasks]
                counts = Counter(task.status for task in mine)
                assert shard.open == len(shard.ids) - len(mine)
                assert shard.tasks.total == len(mine)
                assert [getattr(shard.tasks, status) for status in TaskStatus] == [
                    counts[status] for status in TaskStatus
                ]
                written = sum(each.written for task in mine for each in task.streams.values())
                assert sum(each.written for each in shard.by_stream.values()) == written

    @invariant()
    def a_run_closes_once_and_when_all_is_final(self) -> None:
        """Not before its last task, not later than the work that ended it, and it never changes again."""
        for run_id in getattr(self, "runs", ()):
            run, shards = self.world.run(run_id), self.world.shards(run_id)
            still_open = sum(shard.open for shard in shards)
            if run.status.is_final:
                assert still_open == 0
                assert all(each.done for each in run.dispatch.values())
                assert run.tasks.total == len(self.world.tasks(run_id)) == sum(len(s.ids) for s in shards)
                assert self.final.setdefault(run_id, run) == run
                assert self.store.closed[run_id] == 1
            else:
                assert run.status is RunStatus.DISPATCHING or still_open > 0
                assert self.store.closed[run_id] == 0

    def teardown(self) -> None:
        """When nothing goes wrong any more, every run ends."""
        if not hasattr(self, "world"):
            return
        try:
            for _ in range(3):
                self.world.clock.advance(4000)
                self.queue.append(Message(kind="heal"))
                self.world.drain()
            assert all(self.world.run(run_id).status.is_final for run_id in self.runs)
            self.counters_are_the_records()
            self.a_run_closes_once_and_when_all_is_final()
        finally:
            self.folder.cleanup()
            self.patch.undo()


TestCountdown = Countdown.TestCase
TestCountdown.settings = examples(60, steps=40)
