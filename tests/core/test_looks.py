"""A look without a lease: fetch first, and claim only if there is something to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from orchestrator.errors import CredentialsRejected, ResponseInvalid, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.messages import Message
from orchestrator.model.run import TaskStatus
from orchestrator.model.state import Cursor, Lease, OpenWindow, StreamState
from orchestrator.operators import pause
from orchestrator.ports import Put, Update, Write, Written
from orchestrator.tasks.claim_table import Claim, Finished, View, decide
from orchestrator.tasks.holder import Moved
from tests.core.test_claim import LENGTH, MESSAGE, NOW, free, view
from tests.core.test_claim import known as known_state
from tests.support.people import ME
from tests.support.stores import Killed, WrappedStore
from tests.support.world import START, World, fill

STATE = ids.state_path("a")
KNOWN = StreamState(cursor=Cursor(since=START - timedelta(minutes=15)))
WINDOW = OpenWindow(since=START - LENGTH, until=START, token="7")


class Commits(WrappedStore):
    """The store; of each commit that writes the state, its owner after it and whether it stores a record."""

    def __init__(self, world: World) -> None:
        super().__init__(world.store)
        self.owners: list[str | None] = []
        self.stores: list[bool] = []
        object.__setattr__(world.services, "store", self)

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Commit, and note."""
        written = super().commit(writes)
        for write in writes:
            if isinstance(write, Update) and write.path == STATE:
                self.owners.append(write.fields["lease"].get("owner"))
                self.stores.append(any(isinstance(each, Put) for each in writes))
        return written


@pytest.fixture
def known(world: World) -> World:
    """A connection whose records are all stored, a quarter of an hour later."""
    world.connect("a")
    fill(world, "orders", 2)
    world.run_once()
    world.clock.advance(900)
    return world


def looked_at(world: World) -> Message:
    """The message of the connection's task in a new run."""
    world.tick()
    world.deliver(world.queue.messages.pop(0))
    return world.queue.messages.pop(0)


def may_look(**fields: Any) -> View:
    """A connection that nothing is known against."""
    state = msgspec.structs.replace(known_state(streams={"orders": KNOWN}), **fields.pop("state", {}))
    return view(state, **fields)


def looks(seen: View) -> bool:
    """Whether the decision is to look without a lease."""
    decision = decide(seen)
    assert isinstance(decision, Claim)
    return decision.looks


FIRST: dict[str, View] = {
    "an earlier delivery may have died": may_look(message=msgspec.structs.replace(MESSAGE, redelivered=True)),
    "the look before was in vain": may_look(has_looked=True, known_open=True),
    "the deadline is near": may_look(now=NOW + LENGTH - timedelta(minutes=10), known_open=True),
    "all of it is asked for": may_look(selection=msgspec.structs.replace(view().selection, full=True)),
    "all of it was asked for": may_look(state={"requested_full": True}),
    "a part is asked for": may_look(selection=msgspec.structs.replace(view().selection, streams=("orders",))),
    "a wait has just ended": may_look(state={"lease": free(None, not_before=-1)}),
    "it is new": may_look(state={"streams": {}}),
    "a stream is new": may_look(state={"streams": {"orders": KNOWN, "products": StreamState()}}),
    "a window is open": may_look(
        state={
            "streams": {"orders": msgspec.structs.replace(KNOWN, cursor=Cursor(since=START, window=WINDOW))}
        }
    ),
    "all of a stream is read": may_look(
        state={"streams": {"orders": msgspec.structs.replace(KNOWN, cursor=Cursor(since=START, full=True))}}
    ),
}


@pytest.mark.parametrize("seen", FIRST.values(), ids=FIRST)
def test_these_claim_first(seen: View) -> None:
    """There is certainly something to write, or a lease is of use to others."""
    assert looks(may_look())
    assert not looks(seen)


def test_after_a_look_in_vain_the_record_decides() -> None:
    """A release before this one closes a task without a trace in the state."""
    old = Lease(quiet_from=NOW + LENGTH)
    assert decide(may_look(has_looked=True, state={"lease": old})) == Finished(certain=False)
    assert isinstance(decide(may_look(has_looked=True)), Claim)


def test_a_look_that_finds_nothing_never_takes_the_lease(known: World) -> None:
    """One commit closes the task, and the next run does not depend on it."""
    before, commits = known.state("a"), Commits(known)
    known.run_once()
    after = known.state("a")

    assert commits.owners == [None]
    assert after.seq == before.seq + 1
    assert after.since_at is not None
    assert before.since_at == after.since_at - timedelta(minutes=15)


def test_a_look_that_finds_something_claims_before_it_writes(known: World) -> None:
    """Records are stored by the holder alone."""
    known.bazaar.shop("a").put("orders", "new", known.clock.now() - timedelta(minutes=5))
    commits = Commits(known)
    run_id, _ = known.run_once()

    assert [owner is not None for owner in commits.owners] == [True, True, False]
    assert commits.stores == [False, True, False]
    assert known.records("a", "orders")["new"] == "1"
    assert known.task(run_id, "a").cost.document_writes == 1 + 2 + 3


@pytest.mark.parametrize("change", [None, "new"], ids=["nothing is new", "something is new"])
def test_a_look_during_which_the_state_is_written_is_made_again_with_a_lease(
    known: World, change: str | None
) -> None:
    """Its page is thrown away, and nothing of it counts."""
    if change is not None:
        known.bazaar.shop("a").put("orders", change, known.clock.now() - timedelta(minutes=5))

    def meanwhile(*_: Any) -> None:
        known.bazaar.at_call = None
        known.store.commit([Update(STATE, {"seq": known.state("a").seq + 1, "requested_full": False})])

    known.bazaar.at_call = meanwhile
    commits = Commits(known)
    run_id, run = known.run_once()

    assert commits.owners[0] is not None
    assert len(known.bazaar.calls[1:]) == 2
    assert (run.tasks.total, run.tasks.succeeded) == (1, 1)
    assert known.task(run_id, "a").status is TaskStatus.SUCCEEDED
    assert ("new" in known.records("a", "orders")) is (change is not None)


def test_a_look_whose_task_was_closed_meanwhile_does_nothing_more(known: World) -> None:
    """It reads the task's record before it decides again: the record may be all that was written."""
    message = looked_at(known)

    def meanwhile(*_: Any) -> None:
        known.bazaar.at_call = None
        known.deliver(message)

    known.bazaar.at_call = meanwhile
    known.deliver(message)

    assert len(known.bazaar.calls[1:]) == 2
    assert known.run(message.run_id).tasks.succeeded == 1


def test_a_connection_that_is_paused_during_a_look_is_skipped(known: World) -> None:
    """People are obeyed at the next commit, as by a holder."""

    def meanwhile(*_: Any) -> None:
        known.bazaar.at_call = None
        pause.pause(known.services, "a", by=ME)

    known.bazaar.at_call = meanwhile
    run_id, _ = known.run_once()

    assert known.task(run_id, "a").reason == "paused"


@pytest.mark.parametrize("is_made", [True, False], ids=["it was applied", "it was not"])
def test_the_answer_to_a_look_s_commit_is_lost(known: World, *, is_made: bool) -> None:
    """It is settled by reading: counted once."""
    message, commit = looked_at(known), known.store.commit

    def lost(writes: Sequence[Write]) -> list[Written]:
        object.__setattr__(known.store, "commit", commit)
        if is_made:
            commit(writes)
        raise StoreUnavailable("no answer")

    object.__setattr__(known.store, "commit", lost)
    known.deliver(message)

    assert len(known.bazaar.calls[1:]) == (1 if is_made else 2)
    assert known.run(message.run_id).tasks.succeeded == 1


def test_a_worker_that_dies_at_a_look_is_counted_from_its_first_redelivery_on(known: World) -> None:
    """It leaves no trace; Pub/Sub tells that the message comes again."""
    message = looked_at(known)

    def die(*_: Any) -> None:
        raise Killed

    known.bazaar.at_call = die
    again = msgspec.structs.replace(message, redelivered=True)
    for delivery in (message, *[again] * 5):
        with pytest.raises(Killed):
            known.deliver(delivery)
        known.clock.advance(301)
    known.deliver(again)

    assert known.task(message.run_id, "a").reason == "crashed"


def test_a_look_that_is_refused_fails_in_one_commit(known: World) -> None:
    """A marketplace's failure is a task's end like another."""

    def refuse(*_: Any) -> None:
        raise CredentialsRejected("bazaar: 401")

    known.bazaar.at_call = refuse
    commits = Commits(known)
    run_id, _ = known.run_once()

    assert commits.owners == [None]
    assert known.task(run_id, "a").reason == CredentialsRejected.kind
    assert known.state("a").refusals == 1


def test_a_look_that_takes_long_becomes_a_claim(known: World) -> None:
    """Others see a sign of life as early as ever."""
    for n in range(9):
        known.bazaar.shop("a").put("orders", f"n{n}", known.clock.now() - timedelta(minutes=5))
    known.run_once()
    known.clock.advance(900)

    def slow(*_: Any) -> None:
        known.clock.advance(30)

    known.bazaar.at_call = slow
    commits = Commits(known)
    known.run_once()

    assert commits.owners[0] is not None


@pytest.mark.parametrize("edit", [{"settings": {"region": "eu"}}, {"store_buyer_pii": True}])
def test_an_edited_connection_is_claimed_before_its_first_call(known: World, edit: dict[str, Any]) -> None:
    """Everything is read anew."""
    known.connect("a", **edit)
    owners: list[str | None] = []
    known.bazaar.at_call = lambda *_: owners.append(known.state("a").lease.owner)
    known.run_once()

    assert owners[0] is not None


def test_a_session_claims_when_it_asks_for_it(known: World) -> None:
    """A refresh token is replaced under the lease; a second claim is none."""
    connector = known.bazaar.connector
    owners: list[str | None] = []

    def opened(opening: Any, open_: Callable[[Any], Any] = connector.open) -> Any:
        for _ in range(2):
            opening.claim()
            owners.append(known.state("a").lease.owner)
        return open_(opening)

    object.__setattr__(connector, "open", opened)
    _, run = known.run_once()

    assert owners[0] is not None
    assert owners == owners[:1] * 2
    assert run.cost.document_writes == 3


@pytest.mark.parametrize("is_hidden", [False, True], ids=["it is told", "the connector hides it"])
def test_a_look_in_vain_that_its_session_meets_counts_for_nothing(
    known: World, caplog: pytest.LogCaptureFixture, *, is_hidden: bool
) -> None:
    """A refresh token runs out between a page and its details, when somebody else has written the state."""
    connector, sessions = known.bazaar.connector, list[Any]()
    open_ = connector.open

    def opened(opening: Any) -> Any:
        sessions.append(opening)
        return open_(opening)

    def meanwhile(*_: Any) -> None:
        known.bazaar.at_detail = None
        known.store.commit([Update(STATE, {"seq": known.state("a").seq + 1, "refusals": 7})])
        try:
            sessions[-1].claim()
        except Moved as error:
            if is_hidden:
                raise ResponseInvalid("no token") from error
            raise

    object.__setattr__(connector, "open", opened)
    known.bazaar.give_details("orders")
    known.run_once()
    known.clock.advance(900)
    known.bazaar.shop("a").put("orders", "new", known.clock.now() - timedelta(minutes=5))
    known.bazaar.at_detail = meanwhile
    before = len(sessions)
    run_id, run = known.run_once()

    assert len(sessions) - before == 2
    assert (run.tasks.total, run.tasks.succeeded) == (1, 1)
    assert "new" in known.records("a", "orders")
    assert not [each for each in caplog.messages if "defect" in each]
    assert known.task(run_id, "a").status is TaskStatus.SUCCEEDED
