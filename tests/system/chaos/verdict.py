"""The verdict: what was lost, done twice or got stuck, told from documents and truth alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import Listing
from orchestrator.model import ids
from orchestrator.model.counts import COSTS, COUNTS, TaskTotals
from orchestrator.model.run import Run, Shard, Task
from orchestrator.model.state import Cursor, SyncState
from orchestrator.operators.tasks.quiet import UNCHANGED

#: Reasons of tasks that a marketplace asked to wait; shards count them.
_THROTTLED = {"rate_limited", "waiting"}
#: What a sandbox tells of each record, or a document holds of it, by record id.
Told = Mapping[str, Mapping[str, Any]]


class Held(NamedTuple):
    """A stored record."""

    document_id: str
    record_id: str
    #: As a sandbox would tell it.
    told: Mapping[str, Any]
    is_deleted: bool


class Tick(NamedTuple):
    """A tick and the runs that its accepted deliveries named."""

    schedule_time: datetime
    run_ids: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Account:
    """One connection: what its marketplace holds, and what became of it here."""

    connection_id: str
    marketplace: str
    state: SyncState
    truth: Mapping[str, Told]
    held: Mapping[str, Sequence[Held]]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run with its shards, by id, and its tasks."""

    run_id: str
    run: Run
    shards: Mapping[str, Shard]
    tasks: Sequence[Task]


class Traffic(NamedTuple):
    """A lane's messages that its workers took, and those of them that belong to the other lane."""

    topic: str
    taken: int
    astray: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that is judged."""

    accounts: Sequence[Account]
    runs: Sequence[RunRecord]
    ticks: Sequence[Tick]
    #: Runs whose record changed after it was closed.
    changed_runs: Sequence[str] = ()
    #: Paths of task records that were written more than once.
    rewritten_tasks: Sequence[str] = ()
    #: Of each lane.
    traffic: Sequence[Traffic]
    #: The ids of those of all lanes.
    dead_letters: Sequence[str] = ()
    #: Nothing has been disturbed or changed since then: each stream has to have read all up to here.
    calm_at: datetime


@dataclass(frozen=True)
class Verdict:
    """What was found, in plain words."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    #: Messages of one lane in the other, and lanes without use: all else then says nothing about them.
    astray: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not (self.lost or self.doubled or self.stuck or self.astray)


def judge(evidence: Evidence) -> Verdict:
    """Tell what was lost, done twice, got stuck or took the wrong lane."""
    accounts, runs = evidence.accounts, evidence.runs
    return Verdict(
        lost=[
            *chain.from_iterable(map(_lost, accounts)),
            *_lost_ticks(evidence),
            *(f"message {each} is a dead letter" for each in evidence.dead_letters),
        ],
        doubled=[
            *chain.from_iterable(map(_stored_twice, accounts)),
            *chain.from_iterable(map(_miscounted, runs)),
            *_doubled_ticks(evidence),
            *(f"run {run_id} changed after it was closed" for run_id in evidence.changed_runs),
            *(f"{path} was written more than once" for path in evidence.rewritten_tasks),
        ],
        stuck=[
            *chain.from_iterable(map(_open_runs, runs)),
            *chain.from_iterable(
                unrest(account.connection_id, account.marketplace, account.state, evidence.calm_at)
                for account in accounts
            ),
        ],
        astray=[*chain.from_iterable(map(_astray, evidence.traffic)), *_not_continued(evidence)],
    )


# Lost


def _lost(account: Account) -> Iterator[str]:
    """Records that the store lacks, holds in an old version, or shows although they are gone."""
    for stream, truth in account.truth.items():
        where = f"{account.connection_id}/{stream}"
        held = {each.record_id: each for each in account.held[stream] if not each.is_deleted}
        for record_id, fields in truth.items():
            found = held.pop(record_id, None)
            if found is None:
                yield f"{where}: {record_id} is at the marketplace and not in the store"
                continue
            stored = {name: found.told.get(name) for name in fields}
            if stored != fields:
                yield f"{where}: {record_id} is {_only(fields, stored)}, in the store {_only(stored, fields)}"
        if REGISTRY[account.marketplace].streams[stream].listing is Listing.SNAPSHOT:
            # Other streams notice what has gone once a day.
            for record_id in held:
                yield f"{where}: {record_id} has gone from the marketplace, and the store does not say so"


def _only(these: Mapping[str, Any], those: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in these.items() if value != those[name]}


def _lost_ticks(evidence: Evidence) -> Iterator[str]:
    known = {record.run_id for record in evidence.runs}
    for tick in evidence.ticks:
        for run_id in sorted(tick.run_ids - known):
            yield f"the tick of {tick.schedule_time} was accepted as run {run_id}, which does not exist"


# Doubled


def _stored_twice(account: Account) -> Iterator[str]:
    for stream, held in account.held.items():
        where = f"{account.connection_id}/{stream}"
        for record_id, count in Counter(each.record_id for each in held).items():
            if count > 1:
                yield f"{where}: {record_id} is stored {count} times"
        for each in held:
            if ids.unescape(each.document_id) != each.record_id:
                yield f"{where}: {each.record_id} is stored under the id {each.document_id}"


def _doubled_ticks(evidence: Evidence) -> Iterator[str]:
    for tick in evidence.ticks:
        if len(tick.run_ids) > 1:
            yield f"the tick of {tick.schedule_time} became {', '.join(sorted(tick.run_ids))}"
    started = Counter(
        record.run.schedule_time for record in evidence.runs if record.run.schedule_time is not None
    )
    for schedule_time, count in started.items():
        if count > 1:
            yield f"{count} runs have the schedule time {schedule_time}"


def _miscounted(record: RunRecord) -> Iterator[str]:
    """A connection planned twice, tasks that are not the plan, counters that are not the tasks'."""
    planned = Counter(name for shard in record.shards.values() for name in shard.ids)
    for name, count in planned.items():
        if count > 1:
            yield f"run {record.run_id} plans {name} {count} times"
    for task in record.tasks:
        shard = record.shards.get(task.shard)
        if shard is None or task.connection_id not in shard.ids:
            yield f"run {record.run_id} has a task of {task.connection_id}, which {task.shard} does not plan"
    for name, shard in record.shards.items():
        tasks = [task for task in record.tasks if task.shard == name]
        where = f"run {record.run_id}, shard {name}"
        yield from _differing(where, "tasks", _totals(tasks), msgspec.to_builtins(shard.tasks))
        yield from _differing(where, "open", len(shard.ids) - len(tasks), shard.open)
        quiet = sum(task.reason == UNCHANGED for task in tasks)
        yield from _differing(where, "tasks without a record", quiet, shard.quiet)
        if quiet:
            # What they have read is in the shard alone; they have changed nothing.
            yield from _differing(where, "changes", _changes(tasks), _changes([shard]))
            continue
        counted = {name: _full(msgspec.to_builtins(counts)) for name, counts in shard.by_stream.items()}
        yield from _differing(where, "records", _by_stream(tasks), counted)
        cost = sum((Counter(msgspec.to_builtins(task.cost)) for task in tasks), Counter())
        yield from _differing(
            where, "cost", {name: cost[name] for name in COSTS}, msgspec.to_builtins(shard.cost)
        )
    if record.run.status.is_final:
        where, run = f"run {record.run_id}", record.run
        yield from _differing(where, "tasks", _totals(record.tasks), msgspec.to_builtins(run.tasks))
        sums = Counter[str]()
        for shard in record.shards.values():
            for counts in shard.by_stream.values():
                sums.update(_full(msgspec.to_builtins(counts)))
        yield from _differing(where, "records", _full(sums), _full(msgspec.to_builtins(run.records)))


def _differing(where: str, what: str, told: object, counted: object) -> Iterator[str]:
    if told != counted:
        yield f"{where} counts {what} {counted}, and its task records say {told}"


def _totals(tasks: Sequence[Task]) -> dict[str, int]:
    by_status = Counter(task.status.value for task in tasks)
    found = TaskTotals(
        total=len(tasks),
        incomplete=sum(task.incomplete for task in tasks) or msgspec.UNSET,
        throttled=sum(task.reason in _THROTTLED for task in tasks) or msgspec.UNSET,
        **by_status,
    )
    totals: dict[str, int] = msgspec.to_builtins(found)
    return totals


def _by_stream(tasks: Sequence[Task]) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    for task in tasks:
        for stream, counts in task.streams.items():
            into = sums.setdefault(stream, dict.fromkeys(COUNTS, 0))
            for name in COUNTS:
                into[name] += getattr(counts, name)
    return sums


def _changes(counted: Sequence[Task | Shard]) -> dict[str, int]:
    """Records that were written, marked as deleted or rejected."""
    counts = [
        found
        for each in counted
        for found in (each.streams if isinstance(each, Task) else each.by_stream).values()
    ]
    return {name: sum(getattr(each, name) for each in counts) for name in ("written", "deleted", "rejected")}


def _full(counts: Mapping[str, Any]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in COUNTS}


# Stuck


def _open_runs(record: RunRecord) -> Iterator[str]:
    if not record.run.status.is_final:
        yield f"run {record.run_id} has not ended: it is {record.run.status.value}"
    for name, shard in record.shards.items():
        if shard.open > 0:
            yield f"run {record.run_id}, shard {name}: {shard.open} tasks are open"


def unrest(connection_id: str, marketplace: str, state: SyncState, calm_at: datetime) -> Iterator[str]:
    """Why a connection is not at rest: somebody holds it, or a stream has not read all up to a time."""
    if state.open is not None or state.lease.owner is not None:
        run_id = state.open.run_id if state.open is not None else "nobody's run"
        yield f"{connection_id} is still held by {run_id}"
    for name, stream in REGISTRY[marketplace].streams.items():
        cursor = state.streams[name].cursor if name in state.streams else Cursor()
        if cursor.since is None or cursor.since + stream.age < calm_at:
            yield f"{connection_id}/{name} has read all up to {cursor.since}, and it was calm from {calm_at}"
        elif cursor.window is not None:
            yield f"{connection_id}/{name} is in the middle of a window"


# Astray


def _astray(traffic: Traffic) -> Iterator[str]:
    if not traffic.taken:
        yield f"no worker took a message of {traffic.topic}"
    if traffic.astray:
        of = f"{traffic.astray} of {traffic.taken} messages of {traffic.topic}"
        yield f"{of} belong to the other lane"


def _not_continued(evidence: Evidence) -> Iterator[str]:
    if not any(task.slices > 1 for record in evidence.runs for task in record.tasks):
        yield "no task took more than one slice"
