"""The verdict finds what it is there to find, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.model.counts import Cost, Counts, RecordTotals, StreamCounts, TaskTotals
from orchestrator.model.run import Dispatch, Run, RunStatus, Shard, Task, TaskStatus
from orchestrator.model.state import Cursor, Lease, Open, OpenWindow, StreamState, SyncState
from tests.system.chaos.verdict import Account, Evidence, Held, RunRecord, Tick, Traffic, Verdict, judge

CALM = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
TICK = CALM - timedelta(minutes=5)
LATER = CALM + timedelta(days=1)
RUN, SHARD = "t-1", "takealot-000000"
COST = Cost(document_reads=2, document_writes=5, marketplace_calls=3, marketplace_bytes=700)
SEEN = RecordTotals(seen=3, written=2, unchanged=1)


def good() -> Evidence:
    """One account with a record in each stream, and one run that was closed as it should be."""
    task = Task(
        run_id=RUN,
        shard=SHARD,
        connection_id="takealot-0",
        marketplace="takealot",
        status=TaskStatus.SUCCEEDED,
        slices=2,
        streams={"orders": StreamCounts(seen=3, written=2, unchanged=1)},
        cost=COST,
        finished_at=CALM,
        expires_at=LATER,
    )
    shard = Shard(
        marketplace="takealot",
        ids=("takealot-0",),
        open=0,
        tasks=TaskTotals(total=1, succeeded=1),
        by_stream={"orders": Counts(seen=3, written=2, unchanged=1)},
        cost=COST,
        expires_at=LATER,
    )
    run = Run(
        trigger="scheduler",
        requested_by="scheduler",
        schedule_time=TICK,
        order="1",
        status=RunStatus.SUCCEEDED,
        dispatch={"takealot": Dispatch(n=1, done=True)},
        dispatched_at=CALM,
        deadline_at=LATER,
        tasks=TaskTotals(total=1, succeeded=1),
        records=msgspec.structs.replace(SEEN, by_stream={"orders": SEEN}),
        started_at=CALM,
        finished_at=CALM,
        expires_at=LATER,
    )
    streams = REGISTRY["takealot"].streams
    told = {"status": "open"}
    account = Account(
        connection_id="takealot-0",
        marketplace="takealot",
        state=SyncState(
            streams={
                name: StreamState(cursor=Cursor(since=CALM - stream.age)) for name, stream in streams.items()
            }
        ),
        truth={name: {"a/1": told} for name in streams},
        held={name: [Held("a%2F1", "a/1", {**told, "more": 1}, is_deleted=False)] for name in streams},
    )
    return Evidence(
        accounts=[account],
        runs=[RunRecord(run_id=RUN, run=run, shards={SHARD: shard}, tasks=[task])],
        ticks=[Tick(TICK, frozenset({RUN}))],
        traffic=[Traffic("first", 3, 0), Traffic("second", 1, 0)],
        calm_at=CALM,
    )


def holding(stream: str, *held: Held) -> Evidence:
    """The store holds only these records of a stream."""
    evidence = good()
    (account,) = evidence.accounts
    return replace(evidence, accounts=[replace(account, held={**account.held, stream: held})])


def standing(**changes: object) -> Evidence:
    """The connection's state is another one."""
    evidence = good()
    (account,) = evidence.accounts
    state = msgspec.structs.replace(account.state, **changes)
    return replace(evidence, accounts=[replace(account, state=state)])


def at(cursor: Cursor) -> Evidence:
    """The orders stand somewhere else."""
    (account,) = good().accounts
    return standing(streams={**account.state.streams, "orders": StreamState(cursor=cursor)})


def run_with(**changes: object) -> Evidence:
    """The run's record is another one."""
    evidence = good()
    (record,) = evidence.runs
    return replace(evidence, runs=[replace(record, run=msgspec.structs.replace(record.run, **changes))])


def shard_with(**changes: object) -> Evidence:
    """The shard is another one."""
    evidence = good()
    (record,) = evidence.runs
    shard = msgspec.structs.replace(record.shards[SHARD], **changes)
    return replace(evidence, runs=[replace(record, shards={SHARD: shard})])


def twice_planned() -> Evidence:
    """A second shard plans the same connection."""
    evidence = good()
    (record,) = evidence.runs
    second = Shard(marketplace="takealot", ids=("takealot-0",), open=1, expires_at=LATER)
    return replace(evidence, runs=[replace(record, shards={**record.shards, "takealot-000001": second})])


def unplanned() -> Evidence:
    """The task is one of a connection that the shard does not know."""
    evidence = good()
    (record,) = evidence.runs
    task = msgspec.structs.replace(record.tasks[0], connection_id="takealot-9")
    return replace(evidence, runs=[replace(record, tasks=[task])])


def in_one_slice() -> Evidence:
    """No task was continued."""
    evidence = good()
    (record,) = evidence.runs
    task = msgspec.structs.replace(record.tasks[0], slices=1)
    return replace(evidence, runs=[replace(record, tasks=[task])])


def incomplete() -> Evidence:
    """The task came only so far, because the marketplace asked to wait; all counters know."""
    evidence = good()
    (record,) = evidence.runs
    totals = TaskTotals(total=1, succeeded=1, incomplete=1, throttled=1)
    return replace(
        evidence,
        runs=[
            replace(
                record,
                run=msgspec.structs.replace(record.run, tasks=totals),
                shards={SHARD: msgspec.structs.replace(record.shards[SHARD], tasks=totals)},
                tasks=[msgspec.structs.replace(record.tasks[0], reason="waiting", incomplete=True)],
            )
        ],
    )


def second_run() -> Evidence:
    """Another run of the same schedule time, which no delivery was told of."""
    evidence = good()
    (record,) = evidence.runs
    return replace(evidence, runs=[record, replace(record, run_id="t-2")])


STORED = Held("a%2F1", "a/1", {"status": "open"}, is_deleted=False)
OPEN = Open(run_id=RUN, order="1", deadline_at=LATER, shard=SHARD, started_at=CALM)
WINDOW = OpenWindow(since=TICK, until=CALM)

CASES: dict[str, tuple[str, str, Callable[[], Evidence]]] = {
    "a record is missing": ("lost", "a/1 is at the marketplace and not in", lambda: holding("orders")),
    "a record is old": (
        "lost",
        "in the store {'status': 'old'}",
        lambda: holding("orders", STORED._replace(told={"status": "old"})),
    ),
    "a record counts as deleted": (
        "lost",
        "a/1 is at the marketplace and not in",
        lambda: holding("orders", STORED._replace(is_deleted=True)),
    ),
    "a vanished record is shown": (
        "lost",
        "b has gone from the marketplace",
        lambda: holding("products", STORED, STORED._replace(document_id="b", record_id="b")),
    ),
    "a tick has no run": (
        "lost",
        "which does not exist",
        lambda: replace(good(), ticks=[Tick(TICK, frozenset({"t-9"}))]),
    ),
    "a record is stored twice": (
        "doubled",
        "a/1 is stored 2 times",
        lambda: holding("orders", STORED, STORED._replace(document_id="a%2f1")),
    ),
    "a record lies under another id": (
        "doubled",
        "a/1 is stored under the id other",
        lambda: holding("orders", STORED._replace(document_id="other")),
    ),
    "a tick is two runs": (
        "doubled",
        "became t-1, t-2",
        lambda: replace(good(), ticks=[Tick(TICK, frozenset({RUN, "t-2"}))]),
    ),
    "two runs have one schedule time": ("doubled", "2 runs have the schedule time", second_run),
    "a connection is planned twice": ("doubled", "plans takealot-0 2 times", twice_planned),
    "a task is not planned": ("doubled", "does not plan", unplanned),
    "a shard counts its tasks wrong": (
        "doubled",
        "counts tasks",
        lambda: shard_with(tasks=TaskTotals(total=2, succeeded=2)),
    ),
    "a shard counts its incomplete tasks wrong": (
        "doubled",
        "counts tasks",
        lambda: shard_with(tasks=TaskTotals(total=1, succeeded=1, incomplete=1)),
    ),
    "a shard counts its open tasks wrong": ("doubled", "counts open -1", lambda: shard_with(open=-1)),
    "a shard counts its records wrong": (
        "doubled",
        "counts records",
        lambda: shard_with(by_stream={"orders": Counts(seen=6, written=4, unchanged=2)}),
    ),
    "a shard counts its cost wrong": ("doubled", "counts cost", lambda: shard_with(cost=Cost())),
    "a run counts its tasks wrong": (
        "doubled",
        "counts tasks",
        lambda: run_with(tasks=TaskTotals(total=1, failed=1)),
    ),
    "a run counts its records wrong": (
        "doubled",
        "counts records",
        lambda: run_with(records=RecordTotals(seen=3, written=3)),
    ),
    "a closed run changed": ("doubled", "changed after", lambda: replace(good(), changed_runs=[RUN])),
    "a task was rewritten": (
        "doubled",
        "written more than once",
        lambda: replace(good(), rewritten_tasks=["runs/t-1/tasks/takealot-0"]),
    ),
    "a run is open": ("stuck", "it is running", lambda: run_with(status=RunStatus.RUNNING)),
    "a run is dispatching": ("stuck", "it is dispatching", lambda: run_with(status=RunStatus.DISPATCHING)),
    "a shard is open": ("stuck", "1 tasks are open", lambda: shard_with(open=1)),
    "a connection is open": ("stuck", "is still held by t-1", lambda: standing(open=OPEN)),
    "a lease is held": ("stuck", "is still held", lambda: standing(lease=Lease(owner="somebody"))),
    "a stream was never read": ("stuck", "has read all up to None", lambda: at(Cursor())),
    "a stream is behind": ("stuck", "has read all up to", lambda: at(Cursor(since=TICK))),
    "a window is open": (
        "stuck",
        "in the middle of a window",
        lambda: at(Cursor(since=LATER, window=WINDOW)),
    ),
    "a dead letter is left": ("lost", "is a dead letter", lambda: replace(good(), dead_letters=["1"])),
    "a lane is not used": (
        "astray",
        "no worker took a message of second",
        lambda: replace(good(), traffic=[Traffic("first", 3, 0), Traffic("second", 0, 0)]),
    ),
    "a message is in the other lane": (
        "astray",
        "1 of 3 messages of first belong to the other lane",
        lambda: replace(good(), traffic=[Traffic("first", 3, 1), Traffic("second", 1, 0)]),
    ),
    "no task was continued": ("astray", "no task took more than one slice", in_one_slice),
}


def test_nothing_is_found_where_all_is_well() -> None:
    """Documents that agree with the truth and with each other."""
    assert judge(good()) == Verdict()
    assert judge(good()).is_good
    assert judge(incomplete()).is_good


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_found(name: str) -> None:
    """Each thing that must not happen is named, under the word it belongs to."""
    kind, words, evidence = CASES[name]
    verdict = judge(evidence())

    assert not verdict.is_good
    assert any(words in sentence for sentence in getattr(verdict, kind)), verdict


def test_what_incremental_streams_learn_once_a_day_is_not_missed_before() -> None:
    """A record that has gone counts only where everything is listed each time."""
    more = STORED._replace(document_id="b", record_id="b")

    assert judge(holding("orders", STORED, more)).lost == []
    assert len(judge(holding("inventory", STORED, more)).lost) == 1
