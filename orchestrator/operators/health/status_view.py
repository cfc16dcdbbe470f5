"""The sync's health at a glance: the answer of `status`, on every face."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from orchestrator.model.cause import Blame
from orchestrator.model.counts import ErrorInfo, TaskTotals
from orchestrator.model.state import Health
from orchestrator.ports import Document


class Situation(StrEnum):
    """The worst that is the case now; the worst first."""

    TICKS_STOPPED = "ticks_stopped"
    NO_CONNECTIONS = "no_connections"
    ALL_PAUSED = "all_paused"
    DEAD_LETTERS = "dead_letters"
    MARKETPLACE_FAILING = "marketplace_failing"
    NEEDS_ATTENTION = "needs_attention"
    LATE = "late"
    #: Some connections' last task failed, and none of them is late yet.
    FAILING = "failing"
    THROTTLED = "throttled"
    REJECTS_GROWING = "rejects_growing"
    INCOMPLETE = "incomplete"
    #: Active connections without a task yet, and nothing else to say.
    NOT_MEASURED = "not_measured"
    WELL = "well"


class Freshness(msgspec.Struct, kw_only=True, frozen=True):
    """Active connections by the age of their data; their sum is the number of active connections."""

    on_time: int = 0
    late: int = 0
    #: No task of this release has closed yet.
    not_measured: int = 0


class MarketplaceStatus(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One marketplace: its connections now, and its figures over the shown runs that are closed."""

    active: int
    freshness: Freshness
    #: The oldest data of its latest connection; None until that connection has read everything once.
    oldest_since_at: datetime | None
    #: When the marketplace's own trouble began; None unless most of its active connections have it.
    failing_since: datetime | None
    #: Runs that it took part in.
    runs: int
    tasks: TaskTotals
    #: Succeeded tasks ÷ (succeeded + failed tasks), 0 to 1; None if there are none of either.
    success: float | None
    #: Start of the latest run in which at least one task succeeded and no task failed.
    complete_at: datetime | None
    #: Seconds since `oldest_since_at`, or if that is not known, since `complete_at`.
    lag_s: float | None


class Example(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A connection with a cause."""

    connection_id: str
    organization_id: str | None
    marketplace: str
    since: datetime
    message: str
    is_late: bool
    since_at: datetime | None
    until: datetime | None = None
    stream: str | None = None


class CauseGroup(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Connections with a cause of one kind; those of a marketplace's own trouble also by marketplace."""

    #: An error's kind, `incomplete` or `rate_limited`.
    kind: str
    blame: Blame
    #: None if the group is of all marketplaces.
    marketplace: str | None = None
    #: One sentence.
    title: str
    #: The remedy, for people; it names the command.
    action: str
    connections: int
    late: int
    #: When the first of them began.
    since: datetime | None = None
    #: The latest time that the marketplace asked to wait until, among the examples.
    until: datetime | None = None
    #: Those that began first; none if too many documents have been read for worse causes.
    examples: list[Example] = []


class Day(msgspec.Struct, kw_only=True, frozen=True):
    """The runs that started in the last 24 hours."""

    #: By status; statuses without a run are omitted.
    runs: dict[str, int]
    #: Records of closed runs that could not be stored: one that is met again by a reconcile counts again.
    rejected: int
    #: Firestore and Pub/Sub at list price, over closed runs.
    estimated_usd: float


class FailingConnection(msgspec.Struct, kw_only=True, frozen=True):
    """A connection whose health is `failing` or `needs_attention`."""

    connection_id: str
    organization_id: str | None
    marketplace: str | None
    name: str | None
    health: Health
    consecutive_failures: int
    last_success_at: datetime | None
    last_error: ErrorInfo | None
    #: The remedy, for people.
    action: str


class ConnectionCounts(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Connections by their status, their health, and the age of their data."""

    active: int
    failing: int
    needs_attention: int
    paused: int
    freshness: Freshness
    #: Connections whose removal was begun and is not finished.
    removing: int = 0


class StatusView(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Health at a glance."""

    #: One sentence that says the worst that is the case now.
    verdict: str
    situation: Situation
    #: What to do about it; empty if nothing.
    action: str
    at: datetime
    #: The worst health among the connections and the latest closed run.
    health: Health
    #: The start of the latest scheduled run.
    last_tick_at: datetime | None
    #: When the next one is due, which may have passed; None without a tick.
    next_tick_at: datetime | None
    #: The time between two ticks.
    tick_s: int
    connections: ConnectionCounts
    #: The worst first.
    groups: list[CauseGroup]
    marketplaces: dict[str, MarketplaceStatus]
    #: The newest runs.
    runs: list[Document]
    day: Day
    #: Records that are not stored now, of all connections.
    rejects: int
    #: None if they are not measured.
    dead_letters: int | None
    #: Some failing connections, those that need attention first.
    failing: list[FailingConnection]
    #: Whether there are kinds of causes that are not among the groups, and not known to this release.
    more_groups: bool = False
    #: Documents that cannot be read and are left out here, a sentence each; absent if there are none.
    faults: list[str] = []
