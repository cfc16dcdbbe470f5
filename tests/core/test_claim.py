"""The claim table: the effect of a task message, row by row of the protocol."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.freshness import throttled
from orchestrator.model.messages import Message
from orchestrator.model.run import Selection, TaskStatus
from orchestrator.model.state import Health, LastRun, Lease, Open, SyncState, refused_for
from orchestrator.tasks.claim_table import (
    Claim,
    Close,
    Decision,
    Finished,
    Leave,
    Sleep,
    View,
    Watch,
    decide,
)
from orchestrator.tasks.ending import TOO_LATE, Ending, closed_state
from tests.support.world import START

LENGTH = timedelta(hours=1)
LEASE = timedelta(seconds=600)
SECOND = timedelta(seconds=1)
NOW = START + timedelta(seconds=30)
MESSAGE = Message(
    kind="task",
    run_id="r2",
    order="2",
    deadline_at=START + LENGTH,
    marketplace="shopify",
    shard="shopify-000000",
    connection_id="a",
)


def opened(run: str = "r2", **fields: object) -> Open:
    """A task of a run that some claim has begun."""
    base = Open(
        run_id=run,
        order=run[1:],
        deadline_at=START + LENGTH,
        shard="shopify-000000",
        started_at=START,
        slice=3,
    )
    return msgspec.structs.replace(base, **fields)


def held(ahead: int) -> Lease:
    """Another's lease that ends this many seconds from now."""
    return Lease(owner="other", fence=4, expires_at=NOW + ahead * SECOND)


def free(ahead: int | None = None, not_before: int | None = None) -> Lease:
    """A lease without an owner: between slices, deferred or at rest."""
    return Lease(
        fence=4,
        expires_at=NOW + ahead * SECOND if ahead is not None else None,
        not_before=NOW + not_before * SECOND if not_before is not None else None,
    )


R1, R2, R3 = (LastRun(run_id=f"r{n}", order=str(n), shard="shopify-000000") for n in (1, 2, 3))


def known(**fields: Any) -> SyncState:
    """A state that has been written before; an older run has closed a task."""
    return SyncState(**{"seq": 1, "last_run": R1, **fields})


def view(state: SyncState | None = None, **fields: object) -> View:
    """A view of an active connection, half a minute after the run's start.

    No earlier release has written its state for a while.
    """
    state = state or known()
    lease = msgspec.structs.replace(state.lease, quiet_from=state.lease.quiet_from or START)
    state = msgspec.structs.replace(state, lease=lease)
    values: dict[str, object] = {
        "message": MESSAGE,
        "state": state,
        "status": ConnectionStatus.ACTIVE,
        "marketplace": "shopify",
        "edited_at": START - LENGTH,
        "selection": Selection(),
        "is_manual": False,
        "now": NOW,
        "owner": "me",
        "lease": LEASE,
        "run_length": LENGTH,
        **fields,
    }
    return View(**values)  # type: ignore[arg-type] # the table names fields as words


def skip(reason: str) -> Close:
    """The task is closed as skipped."""
    return Close(Ending(TaskStatus.SKIPPED, reason))


def waiting(ahead: int) -> Close:
    """It is skipped, and tells that the marketplace asked to wait for so long."""
    cause = throttled(NOW + ahead * SECOND, NOW)
    return Close(Ending(TaskStatus.SKIPPED, "waiting", cause.error))


LATE = START + LENGTH + SECOND
#: Records of the last release do not tell the shard.
UNTOLD = LastRun(run_id="r2", order="2")
TWIN = LastRun(run_id="r2", order="2", shard="takealot-000000")


LATER = START + 61 * SECOND
#: A release before this one has written it, or may have a moment ago.
OLD = known(seq=3, lease=Lease(quiet_from=START + LENGTH))
OLD_OPEN = known(seq=3, open=opened("r1"), lease=Lease(quiet_from=START + LENGTH))
#: Its first task is open, or somebody has deleted it and another run has begun it anew.
ANEW = SyncState(seq=1, open=opened("r3"), lease=held(1))
AFTER = known(open=opened("r3"), lease=held(1), last_run=R3)


def twin(ahead: int) -> SyncState:
    """The same run's task of the same connection, planned for another marketplace, is being worked on."""
    return known(open=opened(shard="takealot-000000"), lease=held(ahead))


TABLE: list[tuple[str, View, Decision | type[Claim]]] = [
    ("this run's task is closed", view(known(last_run=R2)), Finished(certain=True)),
    ("a newer run has closed a task: look", view(known(last_run=R3)), Finished(certain=False)),
    ("a newer run has, and this one is open", view(known(last_run=R3), known_open=True), Claim),
    ("a newer run has closed a task, and this one met another", view(AFTER), Finished(certain=False)),
    ("and this one is open", view(AFTER, known_open=True), skip("overlap")),
    ("no run is known", view(SyncState()), Finished(certain=False)),
    ("no task is closed, and another run's is open", view(ANEW), Finished(certain=False)),
    ("and this one is open: overlap", view(ANEW, known_open=True), skip("overlap")),
    ("an old message", view(now=START + 61 * SECOND), Claim),
    ("a release before: an old message: look", view(OLD, now=LATER), Finished(certain=False)),
    ("a release before: its task is open", view(OLD, now=LATER, known_open=True), Claim),
    ("a release before: a young message", view(OLD), Claim),
    ("a release before: a look in vain", view(OLD, has_looked=True), Finished(certain=False)),
    ("a release before: another is open", view(OLD_OPEN), Finished(certain=False)),
    (
        "closed while nobody could read the state: look",
        view(known(unread_order="2")),
        Finished(certain=False),
    ),
    ("an older one was closed then", view(known(unread_order="1")), Claim),
    ("the connection is gone", view(status=None), skip("gone")),
    ("it is disconnected", view(status=ConnectionStatus.DISCONNECTED), skip("gone")),
    ("it is paused", view(status=ConnectionStatus.PAUSED), skip("paused")),
    ("the marketplace said wait", view(known(lease=free(not_before=61))), waiting(61)),
    ("it said wait, briefly", view(known(lease=free(not_before=60))), Sleep(60.0)),
    ("past the deadline", view(now=LATE, known_open=True), Close(TOO_LATE)),
    ("nothing is open", view(), Claim),
    ("a check may be replacing the token", view(known(lease=held(1))), Watch()),
    ("the check is silent", view(known(lease=held(1)), holder_silent=True), Claim),
    ("the check's lease is over", view(known(lease=held(-1))), Claim),
    ("an older run was the last", view(known(last_run=R1)), Claim),
    ("a continuation", view(known(open=opened(), lease=free(500))), Claim),
    ("a lease of this run is over", view(known(open=opened(), lease=held(-1))), Claim),
    ("somebody works on this task", view(known(open=opened(), lease=held(1))), Watch()),
    ("they are silent", view(known(open=opened(), lease=held(1)), holder_silent=True), Claim),
    ("deferred, not due", view(known(open=opened(), lease=free(300, not_before=300))), Leave()),
    ("deferred, nearly due", view(known(open=opened(), lease=free(20, not_before=20))), Sleep(20.0)),
    ("an older run's lease runs", view(known(open=opened("r1"), lease=held(1))), skip("overlap")),
    ("a newer run's lease is over", view(known(open=opened("r3"), lease=held(-1))), skip("overlap")),
    ("an older run waits", view(known(open=opened("r1"), lease=free(9, not_before=9))), waiting(9)),
    ("an older run's lease is over", view(known(open=opened("r1"), lease=held(-1))), Claim),
    ("this run's task is closed, an old record", view(known(last_run=UNTOLD)), Finished(certain=True)),
    ("planned twice: the other task is closed", view(known(last_run=TWIN)), Finished(certain=False)),
    ("planned twice: and this one is open", view(known(last_run=TWIN), known_open=True), Claim),
    ("planned twice: somebody works on the other", view(twin(1)), skip("overlap")),
    ("planned twice: the other's lease is over", view(twin(-1), known_open=True), Claim),
    ("planned twice: and moved", view(twin(-1), marketplace="takealot"), skip("gone")),
    ("it has moved to another marketplace", view(marketplace="takealot"), skip("gone")),
    ("its marketplace is no word", view(marketplace=None), Claim),
]


@pytest.mark.parametrize(("case", "seen", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_the_table(case: str, seen: View, expected: Decision | type[Claim]) -> None:
    """Each row decides as the protocol says; whatever closes the task leaves a trace in the state."""
    decision = decide(seen)
    if isinstance(expected, Close):
        state = closed_state(seen.state, MESSAGE.run_id, MESSAGE.order, MESSAGE.shard)
        expected = Close(expected.ending, state)
    if expected is Claim:
        assert isinstance(decision, Claim)
    else:
        assert decision == expected


def test_a_claim_takes_the_lease_and_counts() -> None:
    """A claim grows `seq`, `fence` and the attempts, and keeps the larger slice."""
    state = known(seq=7, open=opened(attempts=2, claims=5), lease=held(-1))
    decision = decide(view(state, message=msgspec.structs.replace(MESSAGE, slice=1)))

    assert isinstance(decision, Claim)
    new = decision.state
    assert (new.seq, new.lease.fence, new.lease.owner) == (8, 5, "me")
    assert new.lease.expires_at == NOW + LEASE
    assert new.open is not None
    assert (new.open.attempts, new.open.claims, new.open.slice) == (3, 6, 3)
    assert decision.older is None


def test_taking_over_closes_the_older_task() -> None:
    """The claim of a newer run names the older task, and remembers that run as the last."""
    older = opened("r1")
    decision = decide(view(known(open=older, lease=held(-1)), known_open=True))

    assert isinstance(decision, Claim)
    assert decision.older == older
    assert decision.state.last_run == R1
    assert decision.state.open is not None
    assert (decision.state.open.run_id, decision.state.open.attempts) == ("r2", 1)


def test_refused_credentials_are_left_alone_for_longer_and_longer() -> None:
    """An hour, doubling to a day; an edit or a person's own request ends it at once."""
    waits = [refused_for(n) for n in range(1, 8)]
    state = known(health=Health.NEEDS_ATTENTION, refused_at=NOW - LENGTH / 2, refusals=1)

    assert [wait // timedelta(hours=1) for wait in waits] == [1, 2, 4, 8, 16, 24, 24]
    refused = decide(view(state))
    assert isinstance(refused, Close)
    assert refused.ending == skip("needs_attention").ending
    assert isinstance(decide(view(state, is_manual=True)), Claim)
    assert isinstance(decide(view(state, edited_at=NOW - LENGTH / 4)), Claim)
    assert isinstance(decide(view(state, now=NOW + LENGTH / 2 + SECOND, known_open=True)), Claim)


leases = st.builds(
    Lease,
    owner=st.sampled_from([None, "other"]),
    fence=st.integers(0, 9),
    expires_at=st.none() | st.integers(-900, 900).map(lambda s: NOW + s * SECOND),
    not_before=st.none() | st.integers(-900, 900).map(lambda s: NOW + s * SECOND),
)
states = st.builds(
    SyncState,
    seq=st.integers(1, 99),
    lease=leases,
    open=st.none() | st.sampled_from([opened(f"r{n}") for n in (1, 2, 3)]),
    last_run=st.none() | st.sampled_from([R1, R2, R3]),
)


@given(state=states, late=st.booleans(), known=st.booleans(), silent=st.booleans())
def test_no_state_is_claimed_wrongly(state: SyncState, late: bool, known: bool, silent: bool) -> None:
    """In any state: a claim grows seq and fence, and never takes from a newer or a live run."""
    seen = view(state, now=LATE if late else NOW, known_open=known, holder_silent=silent)
    decision = decide(seen)

    if not isinstance(decision, Claim):
        return
    new = decision.state
    assert (new.seq, new.lease.fence) == (state.seq + 1, state.lease.fence + 1)
    assert new.open is not None
    assert new.open.run_id == "r2"
    if state.open is not None and state.open.run_id != "r2":
        assert state.open.order < "2"
        assert state.lease.expires_at is None or state.lease.expires_at <= seen.now
        assert decision.older == state.open
    if state.last_run is not None:
        assert new.last_run is not None
        assert new.last_run.order >= state.last_run.order
