"""The documents of the sync, as types, and how they become plain data and back.

A document of ours that does not fit its type is a defect; connections, which people write, are read by
`orchestrator.connection_document`. Times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec

STREAMS = ("orders", "products", "inventory")
MARKETPLACES = ("amazon", "ebay", "shopify", "takealot", "woocommerce")
#: What is counted of records, and of cost.
COUNTS = ("seen", "written", "unchanged", "deleted", "rejected")
COSTS = ("document_reads", "document_writes", "marketplace_calls", "marketplace_bytes")
#: A shard holds at most this many of a run's connections.
SHARD_SIZE = 64

#: Firestore compares no longer text than 1,500 bytes.
OrganizationId = Annotated[str, msgspec.Meta(max_length=300)]
_Text = Annotated[str, msgspec.Meta(max_length=1_000)]

T = TypeVar("T")


class ConnectionStatus(StrEnum):
    """What people want of a connection."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISCONNECTED = "disconnected"


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


class Health(StrEnum):
    """How a connection does, across runs."""

    OK = "ok"
    FAILING = "failing"
    NEEDS_ATTENTION = "needs_attention"


class Connection(msgspec.Struct, kw_only=True, frozen=True):
    """`connections/{connection_id}`: written by people, never by a sync."""

    organization_id: OrganizationId
    marketplace: _Text
    name: _Text
    status: ConnectionStatus
    #: A secret reference, never the secret.
    credential: _Text
    settings: dict[str, Any] = {}
    streams: tuple[str, ...] = STREAMS
    #: Records changed (or, on rolling streams, created) before this are not asked for.
    backfill_since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    store_buyer_pii: bool = False
    #: How often a stream is listed as far back as it goes, for what no incremental feed shows.
    reconcile_hours: Annotated[int, msgspec.Meta(ge=1, le=8_784)] = 24
    created_at: datetime
    updated_at: datetime


class Lease(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The right to work on a connection."""

    #: Random id of one invocation; None between slices and after the end.
    owner: str | None = None
    #: Grows on every claim.
    fence: int = 0
    #: Others keep away until then; absent when nothing is open.
    expires_at: datetime | None = None
    #: The marketplace asked to wait until then.
    not_before: datetime | None = None
    #: Commits of the holder since its claim. Nobody else counts here, so it tells its own commit from one
    #: that another made at the same `seq`.
    commits: int = 0


class Open(msgspec.Struct, kw_only=True, frozen=True):
    """The task a connection is working on."""

    run_id: str
    order: str
    deadline_at: datetime
    shard: str
    slice: int = 0
    #: Claims since the last slice that ended well.
    attempts: int = 1
    #: All claims of this task.
    claims: int = 1
    #: Set by whoever wants the holder to stop: `cancelled`, `paused` or `gone`.
    cancel: str | None = None
    #: When the first claim of this task happened.
    started_at: datetime
    #: Slices in a row that did not move the checkpoint.
    stalled: int = 0
    #: Only these streams; None means the connection's own.
    streams: tuple[str, ...] | None = None
    #: Streams that earlier slices have brought to an end, well or not.
    done: tuple[str, ...] = ()
    #: Counts, cost and errors of earlier slices, by stream.
    progress: dict[str, StreamCounts] = {}
    cost: TaskCost | None = None


class LastRun(msgspec.Struct, kw_only=True, frozen=True):
    """The latest run that closed a task of this connection."""

    run_id: str
    order: str


class Cursor(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Where a stream stands."""

    #: Everything changed before this is in the store; moves only when a window is complete.
    since: datetime | None = None
    #: The open window; None between windows.
    window: OpenWindow | None = None
    #: When a window over the stream's long span was last read to its end.
    long_read_at: datetime | None = None
    #: The next window writes every record again, whatever the digest says.
    full: bool = False


class OpenWindow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The span being read; fixed when it starts."""

    since: datetime
    until: datetime
    #: Go on here; None means from the window's start.
    token: str | None = None
    #: The latest modification time read, where the marketplace's order may be trusted.
    position: datetime | None = None
    #: Whether this window reads the stream's long span.
    long: bool = False
    #: Whether every record is written again, whatever the digest says.
    full: bool = False
    #: Records read so far in this window.
    read: int = 0
    #: What a complete listing has shown so far: one bit a digest entry, in id order.
    seen: bytes = b""
    #: Whether some record's id could not be read: then nothing may be taken as vanished.
    blind: bool = False


class StreamState(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What is remembered of one stream of a connection."""

    cursor: Cursor = Cursor()
    #: Hash of what the query depends on; another one starts a new window from the beginning.
    scope: str = ""
    #: Packed digest entries kept here; see `orchestrator.digests`.
    digest: bytes = b""
    #: How many documents under `digests/` hold the rest; a power of four, or 0.
    digest_buckets: int = 0
    #: Known records that the last complete listing of an incremental stream did not show, 8 bytes
    #: each; those that the next window does not show either have vanished.
    suspects: bytes = b""
    #: Seconds that reading the open window has taken so far, the marketplace's waits included.
    took_s: float = 0.0
    #: The marketplace allows no call for it before then.
    not_before: datetime | None = None
    #: After a long listing, so that listing does not take up all of the time.
    rests_until: datetime | None = None
    last_success_at: datetime | None = None


class StreamCounts(msgspec.Struct, kw_only=True):
    """What happened to a stream's records in a task."""

    #: Records read from the marketplace; the sum of written, unchanged and rejected.
    seen: int = 0
    written: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    duration_s: float = 0.0
    error: ErrorInfo | None = None

    def plus(self, other: StreamCounts) -> StreamCounts:
        """These counts and a later slice's; the later error stands."""
        return StreamCounts(
            **{name: getattr(self, name) + getattr(other, name) for name in COUNTS},
            duration_s=round(self.duration_s + other.duration_s, 3),
            error=other.error,
        )


class TaskCost(msgspec.Struct, kw_only=True):
    """What a task used."""

    document_reads: int = 0
    document_writes: int = 0
    marketplace_calls: int = 0
    marketplace_bytes: int = 0

    def plus(self, other: TaskCost) -> TaskCost:
        """This use and another's."""
        return TaskCost(**{name: getattr(self, name) + getattr(other, name) for name in COSTS})


class ErrorInfo(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What went wrong, for the person who has to act."""

    kind: str
    message: str
    action: str = ""
    stream: str | None = None


class SyncState(msgspec.Struct, kw_only=True, frozen=True):
    """`sync_state/{connection_id}`: the one door for all that happens to a connection."""

    seq: int = 0
    lease: Lease = Lease()
    open: Open | None = None
    last_run: LastRun | None = None
    streams: dict[str, StreamState] = {}
    last_success_at: datetime | None = None
    consecutive_failures: int = 0
    health: Health = Health.OK
    last_error: ErrorInfo | None = None
    #: A `full` request that met another run's work; the next task honours it.
    requested_full: bool = False
    #: When its credentials were refused; ticks leave it alone for a while, unless it is edited.
    refused_at: datetime | None = None


class Dispatch(msgspec.Struct, kw_only=True, frozen=True):
    """How far a marketplace's connections are expanded into a run."""

    #: Shards made so far.
    n: int = 0
    #: Last connection id expanded.
    after: str | None = None
    done: bool = False


class Selection(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What a manual run or a retry covers; everything due where empty."""

    #: Ids by marketplace.
    connection_ids: dict[str, tuple[str, ...]] | None = None
    organization_id: str | None = None
    #: Only what failed or was left out of this run.
    retry_of: str | None = None
    streams: tuple[str, ...] | None = None
    full: bool = False


class TaskTotals(msgspec.Struct, kw_only=True):
    """Tasks by status; `total` is their sum once the run is over."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0


class RecordTotals(msgspec.Struct, kw_only=True):
    """Records by what happened to them."""

    seen: int = 0
    written: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    by_stream: dict[str, RecordTotals] | msgspec.UnsetType = msgspec.UNSET


class Cost(msgspec.Struct, kw_only=True):
    """What a run used, and what that costs at list price."""

    document_reads: int = 0
    document_writes: int = 0
    marketplace_calls: int = 0
    marketplace_bytes: int = 0
    #: Firestore and Pub/Sub at list price; an estimate.
    estimated_usd: float = 0.0


class MarketplaceTotals(msgspec.Struct, kw_only=True):
    """A marketplace's share of a run."""

    tasks: TaskTotals
    records: RecordTotals
    cost: Cost


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
    cost: Cost = msgspec.field(default_factory=Cost)
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
    by_stream: dict[str, dict[str, int]] = {}
    cost: TaskCost = msgspec.field(default_factory=TaskCost)
    #: Of the skipped tasks, those that met another run's work.
    overlap: int = 0
    expires_at: datetime


class Task(msgspec.Struct, kw_only=True, frozen=True):
    """`runs/{run_id}/tasks/{connection_id}`: created once, when the task is final."""

    run_id: str
    shard: str
    connection_id: str
    organization_id: str | None = None
    marketplace: str
    status: TaskStatus
    #: Why, where the status alone does not say: `overlap`, `paused`, `gone`, `waiting`, `needs_attention`,
    #: `rate_limited`, `cancelled`, `crashed`, `worker_lost`, `no_answer`, `no_progress`, or an error's kind.
    reason: str | None = None
    #: Succeeded as far as it came; the next run goes on from the cursor.
    incomplete: bool = False
    attempts: int = 0
    slices: int = 0
    streams: dict[str, StreamCounts] = {}
    cost: TaskCost = msgspec.field(default_factory=TaskCost)
    error: ErrorInfo | None = None
    started_at: datetime | None = None
    finished_at: datetime
    expires_at: datetime


def to_document(value: msgspec.Struct) -> dict[str, Any]:
    """Plain data for a store; enums become their words."""
    document: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(datetime, bytes))
    return document


def from_document(kind: type[T], document: Mapping[str, Any]) -> T:
    """Read a document this package wrote; unknown fields are ignored."""
    return msgspec.convert(document, kind)
