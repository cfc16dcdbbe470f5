"""`sync_state/{connection_id}`: lease, open task, and the cursor of each stream."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from orchestrator.model import ids
from orchestrator.model.cause import Cause
from orchestrator.model.change_event import Changes, StreamChanges, joined
from orchestrator.model.counts import Cost, ErrorInfo, StreamCounts
from orchestrator.model.documents import Stored, from_document, read_or_none
from orchestrator.model.messages import Message


class Health(StrEnum):
    """A connection's health, across runs."""

    OK = "ok"
    FAILING = "failing"
    NEEDS_ATTENTION = "needs_attention"


class Lease(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The right to work on a connection."""

    #: Random id of one invocation, or of a check that replaces a refresh token; None between slices and after
    #: the end.
    owner: str | None = None
    #: Grows on every claim.
    fence: int = 0
    #: Nobody else may claim before then; absent when nothing is open or untold, and nobody checks.
    expires_at: datetime | None = None
    #: The marketplace asked to wait until then.
    not_before: datetime | None = None
    #: Commits of the holder since its claim. Only the holder counts here, so it can tell its own commit from
    #: another's commit at the same `seq`.
    commits: int = 0
    #: From then on a task in which nothing happened leaves no record. Releases that know this field write the
    #: state in every commit that closes a task. Earlier releases drop it with each of their commits: then
    #: records are left again until all messages of that time are gone.
    quiet_from: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether another invocation may claim the connection."""
        return self.expires_at is None or self.expires_at <= now


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
    #: Asks the holder to stop, with the reason: `cancelled`, `paused` or `gone`.
    cancel: str | None = None
    #: When the first claim of this task happened.
    started_at: datetime
    #: Slices in a row that did not move the checkpoint.
    stalled: int = 0
    #: Only these streams; None means the connection's own.
    streams: tuple[str, ...] | None = None
    #: Streams that earlier slices have finished, with success or failure.
    done: tuple[str, ...] = ()
    #: Counts, cost and errors of earlier slices, by stream.
    progress: dict[str, StreamCounts] = {}
    cost: Cost | None = None
    #: Changes that its slices have stored so far; each is counted by the commit that stores it.
    changes: Changes | None = None

    def is_of(self, run_id: str, shard: str) -> bool:
        """Whether this is that task: only edited documents have a connection in two shards of one run."""
        return self.run_id == run_id and self.shard == shard

    @property
    def has_progress(self) -> bool:
        """Whether any slice of the task has read a record."""
        return any(counts.seen for counts in self.progress.values())

    def with_changes(self, organization_id: str, stream: str, changes: StreamChanges) -> Open:
        """The task with changes of a stream that are stored with it."""
        mine = Changes(run_id=self.run_id, organization_id=organization_id, streams={stream: changes})
        return msgspec.structs.replace(self, changes=joined(self.changes, mine))

    def message(self, connection_id: str) -> Message:
        """The task message that continues it, even past its deadline."""
        return Message(
            kind="task",
            run_id=self.run_id,
            order=self.order,
            deadline_at=self.deadline_at,
            marketplace=ids.marketplace_of(self.shard),
            shard=self.shard,
            connection_id=connection_id,
            slice=self.slice,
            heal=True,
        )


class LastRun(msgspec.Struct, kw_only=True, frozen=True):
    """The latest run that closed a task of this connection."""

    run_id: str
    order: str
    #: Tells two tasks of one run apart; empty in documents of earlier releases.
    shard: str = ""

    def is_of(self, run_id: str, shard: str) -> bool:
        """Whether it is this task that was closed."""
        return self.run_id == run_id and self.shard in {"", shard}


class Cursor(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A stream's checkpoint."""

    #: Every change before this is in the store; it moves only when a window is complete.
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
    #: The next page's token; None means from the window's start.
    token: str | None = None
    #: The latest modification time read, if the marketplace's order can be trusted.
    position: datetime | None = None
    #: Whether this window reads the stream's long span.
    long: bool = False
    #: Whether every record is written again, whatever the digest says.
    full: bool = False
    #: Records read so far in this window.
    read: int = 0
    #: The marketplace's own count of this window, as its latest page told it; None if it gives none.
    total: int | None = None
    #: The records that a complete listing has shown so far: one bit per digest entry, in id order.
    seen: bytes = b""
    #: Whether some record's id could not be read: then no record counts as vanished.
    blind: bool = False
    #: Ticks in a row that failed at this token; of a listing whose token is not kept, in this window.
    failures: int = 0
    #: Hashes of the latest pages, 8 bytes each.
    recent: bytes = b""
    #: Pages in a row that brought only rows that were shown before.
    stale: int = 0
    #: Pages without a row.
    empty: int = 0
    #: Records of the page at `token` that are stored with their details: hashes of id and content, 16 bytes.
    stored: bytes = b""


class Hidden(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A record that the marketplace could not show; its span of modification times is read again."""

    #: Names its reject.
    name: str
    #: None if only the record's place in the listing is known.
    record_id: str | None = None
    #: Its span; None if the listing does not tell.
    since: datetime | None = None
    until: datetime | None = None
    #: When it was first met.
    first_at: datetime
    #: The span is not read again before then; None if only the reconcile reads it.
    retry_at: datetime | None = None
    #: How often the span was read again in vain.
    retries: int = 0
    #: The end of the last window that met it.
    window_until: datetime


class Refused(msgspec.Struct, kw_only=True, frozen=True):
    """A stream whose calls the marketplace refuses, while the credential itself is accepted."""

    #: The last refusal.
    at: datetime
    #: Refusals in a row.
    times: int = 1
    error: ErrorInfo

    @property
    def until(self) -> datetime:
        """Ticks do not ask for the stream before then."""
        return self.at + refused_for(self.times)


def refused_for(times: int) -> timedelta:
    """How long ticks do not repeat what was refused: an hour, doubled with each refusal, up to a day."""
    return timedelta(hours=min(24, 1 << min(max(times - 1, 0), 5)))


class StreamState(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The stored state of one stream of a connection."""

    cursor: Cursor = Cursor()
    #: Hash of the query's inputs; another hash starts a new window from the beginning.
    scope: str = ""
    #: The stream's version in which windows write records; absent in documents of release 0.1, which had 1.
    version: int = 1
    #: The windows over the history that an earlier version has written, the latest first; each leaves once
    #: its records are rewritten.
    migration: tuple[OpenWindow, ...] = ()
    #: Packed digest entries kept here; see `orchestrator.sync.digest`.
    digest: bytes = b""
    #: How many documents under `digests/` hold the rest; a power of four, or 0.
    digest_buckets: int = 0
    #: Known records that the last complete listing of an incremental stream did not show, 8 bytes
    #: each. A record that the next window does not show either has vanished.
    suspects: bytes = b""
    #: Seconds that reading the open window has taken so far, without waits.
    took_s: float = 0.0
    #: The fact about the account that was told last; it is told again only if it changes.
    notice: str = ""
    #: Whether the last listing was shorter than the marketplace's own count.
    short: bool = False
    #: Tasks in a row that ended before the stream was up to date, counted from the latest with progress.
    stuck: int = 0
    #: Records that the marketplace could not show, at most 20.
    hidden: tuple[Hidden, ...] = ()
    #: The marketplace allows no call for this stream before then.
    not_before: datetime | None = None
    #: The marketplace's word for that wait.
    waits_for: str = ""
    #: None once its calls are accepted.
    refused: Refused | None = None
    #: No new long listing before then, so that listings do not take up all of the time.
    rests_until: datetime | None = None
    last_success_at: datetime | None = None


class SyncState(msgspec.Struct, kw_only=True, frozen=True):
    """`sync_state/{connection_id}`: every decision about a connection is a commit to this document."""

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
    #: When its credentials were refused; ticks skip it for a while, unless it is edited.
    refused_at: datetime | None = None
    #: Such refusals in a row.
    refusals: int = 0
    #: The marketplace of its first task since it was added, or of its removal; empty if unknown. It never
    #: changes: a run that plans one connection for two marketplaces would count it twice.
    marketplace: str = ""
    #: Whether a removal has begun that is not finished: until then the connection cannot be added again.
    removing: bool = False
    #: When the removal began, which tells it from a later one; None if the connection is not removed.
    removed_at: datetime | None = None
    #: Whether the removal deletes the records too.
    purging: bool = False
    #: None if it is not known.
    organization_id: str | None = None
    #: The oldest `since` of the connection's own streams; None until each has one.
    since_at: datetime | None = None
    #: From then on its data is late. None if it is paused, disconnected or removed; absent if it has never
    #: been measured, as in documents of earlier releases.
    late_at: datetime | msgspec.UnsetType | None = msgspec.UNSET
    #: Whether every tick covers it, whatever its pace, until a task has served it.
    wanted: bool = False
    #: Why its data is not up to date; it stays until a task works.
    cause: Cause | None = None
    #: The `order` of the latest run that closed a task while this document could not be read, so that
    #: `last_run` could not be changed.
    unread_order: str = ""
    #: Changes of closed tasks that consumers could not be told of yet.
    untold: Changes | None = None
    #: When the state of a removed connection may be deleted: no message of its tasks is left by then. None
    #: in every other state, because the store deletes documents by this field.
    expires_at: datetime | None = None

    @classmethod
    def of(cls, stored: Stored | None) -> SyncState:
        """Read a `sync_state` document; the initial state if it is absent."""
        return from_document(cls, stored.data) if stored is not None else cls()

    @classmethod
    def read(cls, stored: Stored | None) -> SyncState | None:
        """Read a `sync_state` document like `of`; None if it cannot be read, which is logged by its path."""
        return read_or_none(cls, stored) if stored is not None else cls()

    def may_have_closed(self, order: str) -> bool:
        """Whether a task of the run of this order may be final, although it is neither open nor `last_run`.

        Every commit that closes a task writes this document, with the later run as `last_run`. So a task of a
        run later than that is not final. Without `last_run` nothing is known: somebody may have deleted the
        document, and another run may have begun it anew since.
        """
        last = self.last_run
        return last is None or last.order >= order or self.unread_order >= order

    def leaves_no_record(self, now: datetime) -> bool:
        """Whether a task in which nothing happened leaves no record."""
        return self.lease.quiet_from is not None and self.lease.quiet_from <= now

    @property
    def owed(self) -> Changes | None:
        """All changes that consumers are still to be told of, those of the open task included."""
        return joined(self.untold, self.open.changes if self.open is not None else None)

    def reminder(self, connection_id: str) -> Message | None:
        """The message that has the changes of a closed task told; None if there are none."""
        last, until = self.last_run, self.lease.expires_at
        if self.open is not None or self.untold is None or last is None or not last.shard or until is None:
            return None
        return Message(
            kind="task",
            run_id=last.run_id,
            order=last.order,
            deadline_at=until,
            marketplace=ids.marketplace_of(last.shard),
            shard=last.shard,
            connection_id=connection_id,
            heal=True,
        )

    def latest_run(self, run_id: str, order: str, shard: str) -> LastRun:
        """The value of `last_run` after a task of this run was closed: the later of the two."""
        if self.last_run is not None and self.last_run.order > order:
            return self.last_run
        return LastRun(run_id=run_id, order=order, shard=shard)
