"""`sync_state/{connection_id}`: lease, open task, and the cursor of each stream."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from orchestrator.model.counts import ErrorInfo, StreamCounts, TaskCost


class Health(StrEnum):
    """How a connection does, across runs."""

    OK = "ok"
    FAILING = "failing"
    NEEDS_ATTENTION = "needs_attention"


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
    #: Packed digest entries kept here; see `orchestrator.sync.digest`.
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
