"""A run, its shards and its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from orchestrator.model import ids
from orchestrator.model.counts import (
    Cost,
    Counts,
    ErrorInfo,
    MarketplaceTotals,
    RecordTotals,
    RunCost,
    StreamCounts,
    TaskTotals,
)
from orchestrator.model.documents import Stored
from orchestrator.model.paces import Due

#: Stands in a shard's `final` for a task that has a record.
RECORDED = 1
#: A shard holds at most this many of a run's connections.
SHARD_SIZE = 64


class RunStatus(StrEnum):
    """A run's life: the first two are open, the others final."""

    DISPATCHING = "dispatching"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the run is over and its record never changes again."""
        return self not in (RunStatus.DISPATCHING, RunStatus.RUNNING)


class TaskStatus(StrEnum):
    """How a task ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Dispatch(msgspec.Struct, kw_only=True, frozen=True):
    """How far a marketplace's connections are expanded into a run."""

    #: Shards made so far.
    n: int = 0
    #: The last connection id that was looked at; all before are expanded.
    after: str | None = None
    done: bool = False


class Selection(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The connections and streams that a run covers; every active connection if empty."""

    #: Ids by marketplace.
    connection_ids: dict[str, tuple[str, ...]] | None = None
    organization_id: str | None = None
    #: Only the failed and skipped tasks of this run.
    retry_of: str | None = None
    #: Only the connections that are due at a tick; None whatever their pace.
    due: Due | None = None
    streams: tuple[str, ...] | None = None
    full: bool = False


class Run(msgspec.Struct, kw_only=True, frozen=True):
    """`runs/{run_id}`."""

    trigger: str
    requested_by: str
    schedule_time: datetime | None = None
    order: str
    status: RunStatus
    dispatch: dict[str, Dispatch]
    #: When `dispatch` last moved.
    dispatched_at: datetime
    deadline_at: datetime
    retry_of: str | None = None
    retried_by: str | None = None
    cancel_requested_at: datetime | None = None
    cancel_requested_by: str | None = None
    selection: Selection = Selection()
    tasks: TaskTotals = msgspec.field(default_factory=TaskTotals)
    records: RecordTotals = msgspec.field(default_factory=RecordTotals)
    cost: RunCost = msgspec.field(default_factory=RunCost)
    by_marketplace: dict[str, MarketplaceTotals] = {}
    started_at: datetime
    finished_at: datetime | None = None
    error: ErrorInfo | None = None
    expires_at: datetime


class Shard(msgspec.Struct, kw_only=True, frozen=True):
    """`runs/{run_id}/shards/{marketplace}-{n}`: planned connections and their countdown."""

    marketplace: str
    ids: tuple[str, ...]
    #: How many of them have no final task yet.
    open: int
    tasks: TaskTotals = msgspec.field(default_factory=TaskTotals)
    by_stream: dict[str, Counts] = {}
    cost: Cost = msgspec.field(default_factory=Cost)
    #: Skipped tasks that met another run's work.
    overlap: int = 0
    #: By `ids.final_key` of each connection whose task is final: RECORDED, or the time at which a task ended
    #: that has no record, because nothing happened in it, in seconds since 1970. Absent in documents of
    #: earlier releases, in which every final task has a record.
    final: dict[str, int] = {}
    #: How many final tasks have no record.
    quiet: int = 0
    expires_at: datetime

    def is_final(self, connection_id: str) -> bool:
        """Whether the connection's task is known to be final; if not, it may have a record all the same."""
        return ids.final_key(connection_id) in self.final


def counted(shard: Stored, connection_id: str) -> bool:
    """Whether a shard's document, even one that cannot be read, names this connection's task as final."""
    final = shard.data.get("final")
    return isinstance(final, Mapping) and ids.final_key(connection_id) in final


class Task(msgspec.Struct, kw_only=True, frozen=True):
    """`runs/{run_id}/tasks/{connection_id}`: created once, when the task is final."""

    run_id: str
    shard: str
    connection_id: str
    organization_id: str | None = None
    marketplace: str
    status: TaskStatus
    #: Why, if the status alone does not say: `overlap`, `paused`, `gone`, `waiting`, `needs_attention`,
    #: `rate_limited`, `cancelled`, `crashed`, `worker_lost`, `no_answer`, `no_progress`, `late`,
    #: `state_invalid`, or an error's kind.
    reason: str | None = None
    #: Succeeded as far as it came; the next run continues from the cursor.
    incomplete: bool = False
    attempts: int = 0
    slices: int = 0
    streams: dict[str, StreamCounts] = {}
    cost: Cost = msgspec.field(default_factory=Cost)
    error: ErrorInfo | None = None
    started_at: datetime | None = None
    finished_at: datetime
    expires_at: datetime

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happened that a record would have to tell: it read, and all was as before."""
        is_plain = self.status is TaskStatus.SUCCEEDED and self.reason is None and not self.incomplete
        return (
            is_plain
            and self.attempts == 1
            and self.slices == 1
            and all(
                counts.seen == counts.unchanged
                and not counts.deleted
                and counts.error is None
                and counts.waits_until is msgspec.UNSET
                and counts.notice is msgspec.UNSET
                for counts in self.streams.values()
            )
        )
