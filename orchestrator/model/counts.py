"""Counts of records and tasks, their cost, and the form of an error in a document."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Counts(msgspec.Struct, kw_only=True):
    """Records by outcome."""

    #: Records read from the marketplace; the sum of written, unchanged and rejected.
    seen: int = 0
    written: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0

    def add(self, other: Counts) -> None:
        """Count another's records here too."""
        self.seen += other.seen
        self.written += other.written
        self.unchanged += other.unchanged
        self.deleted += other.deleted
        self.rejected += other.rejected


class StreamCounts(Counts, kw_only=True):
    """A stream's records in a task, the time they took and the error that ended it."""

    duration_s: float = 0.0
    error: ErrorInfo | None = None
    #: It is not read before then; set only if it waits.
    waits_until: datetime | msgspec.UnsetType = msgspec.UNSET
    #: Why it waits, in one line; set only if it waits.
    waits_for: str | msgspec.UnsetType = msgspec.UNSET
    #: A fact about the account; set only in the task that met it first.
    notice: str | msgspec.UnsetType = msgspec.UNSET

    def plus(self, later: StreamCounts) -> StreamCounts:
        """The sum with a later slice's counts; only the later error and wait are kept."""
        took, notice = round(self.duration_s + later.duration_s, 3), later.notice or self.notice
        total = msgspec.structs.replace(later, duration_s=took, notice=notice)
        total.add(self)
        return total


class RecordTotals(Counts, kw_only=True):
    """Records of a run or of a marketplace in it."""

    #: Unset until the run closes.
    by_stream: dict[str, Counts] | msgspec.UnsetType = msgspec.UNSET

    def add_stream(self, stream: str, counts: Counts) -> None:
        """Count a stream's records, in the total and by stream."""
        self.add(counts)
        if self.by_stream is msgspec.UNSET:
            self.by_stream = {}
        self.by_stream.setdefault(stream, Counts()).add(counts)


class Cost(msgspec.Struct, kw_only=True):
    """Documents and marketplace calls used."""

    document_reads: int = 0
    document_writes: int = 0
    marketplace_calls: int = 0
    marketplace_bytes: int = 0

    def add(self, other: Cost) -> None:
        """Count another's use here too."""
        self.document_reads += other.document_reads
        self.document_writes += other.document_writes
        self.marketplace_calls += other.marketplace_calls
        self.marketplace_bytes += other.marketplace_bytes


class RunCost(Cost, kw_only=True):
    """A run's use, with its price."""

    #: Firestore and Pub/Sub at list price; an estimate.
    estimated_usd: float = 0.0


class ErrorInfo(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """An error, for the person who has to act."""

    kind: str
    message: str
    action: str = ""
    stream: str | None = None


class TaskTotals(msgspec.Struct, kw_only=True):
    """Tasks by status; `total` is their sum once the run is over."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    #: Those among them that left records for the next run; unset if there are none.
    incomplete: int | msgspec.UnsetType = msgspec.UNSET
    #: Those among them that the marketplace asked to wait; unset if there are none.
    throttled: int | msgspec.UnsetType = msgspec.UNSET

    def add(self, other: TaskTotals) -> None:
        """Count another's tasks here too."""
        self.total += other.total
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.skipped += other.skipped
        self.incomplete = (self.incomplete or 0) + (other.incomplete or 0) or msgspec.UNSET
        self.throttled = (self.throttled or 0) + (other.throttled or 0) or msgspec.UNSET


class MarketplaceTotals(msgspec.Struct, kw_only=True):
    """A marketplace's share of a run."""

    tasks: TaskTotals
    records: RecordTotals
    cost: RunCost


#: The fields of all counts, and of all costs.
COUNTS = Counts.__struct_fields__
COSTS = Cost.__struct_fields__


def told_counts(counts: Counts) -> str:
    """Counts of records for a log line; those that are 0 are left out, `seen` aside."""
    told = [f"{counts.seen} records read"]
    told += [f"{value} {name}" for name in COUNTS if name != "seen" and (value := getattr(counts, name))]
    return ", ".join(told)
