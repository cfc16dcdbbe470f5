"""Counts of records, tasks and cost, and the form errors take in documents."""

from __future__ import annotations

import msgspec

#: What is counted of records, and of cost.
COUNTS = ("seen", "written", "unchanged", "deleted", "rejected")


COSTS = ("document_reads", "document_writes", "marketplace_calls", "marketplace_bytes")


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
