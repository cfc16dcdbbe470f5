"""The cost of the last days, by marketplace and by run."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from orchestrator.model import ids
from orchestrator.model.counts import RunCost
from orchestrator.model.documents import read_all
from orchestrator.model.run import Run
from orchestrator.operators.paging import require_between
from orchestrator.ports import Clock, DocumentStore, Filter, Query
from orchestrator.runs.cost import MESSAGE_USD, READ_USD, WRITE_USD

#: Days that can be asked for; the runs of a tick a quarter of an hour are 96 a day.
MOST_DAYS = 90
#: At most this many runs are read, the newest first; each is one document read.
MOST_RUNS = 10_000
_PAGE = 500


class RunSpending(msgspec.Struct, kw_only=True, frozen=True):
    """The use of one closed run."""

    run_id: str
    trigger: str
    started_at: datetime
    connections: int
    cost: RunCost


class Prices(msgspec.Struct, kw_only=True, frozen=True):
    """The assumptions of the estimate, in USD."""

    per_100_000_reads: float = round(READ_USD * 100_000, 6)
    per_100_000_writes: float = round(WRITE_USD * 100_000, 6)
    per_1_000_000_tasks: float = round(MESSAGE_USD * 1_000_000, 6)
    #: Their source and their limits.
    source: str = (
        "list prices of Firestore and Pub/Sub in us-central1, 2026-11, without free quota; one message a "
        "task; compute, storage, logs and network are not included"
    )


class Spending(msgspec.Struct, kw_only=True, frozen=True):
    """The use of some days."""

    since: datetime
    until: datetime
    total: RunCost
    by_marketplace: dict[str, RunCost]
    #: The newest first.
    runs: list[RunSpending]
    #: Tasks that the intervals of connections have spared: active ones that a tick left out.
    spared_tasks: int
    #: Their price, at the average of the tasks that were made.
    spared_usd: float
    #: Runs that are not closed, so their use is not counted yet.
    open_runs: int
    #: Whether there are more runs than were read; then the sums are too low.
    is_cut: bool
    prices: Prices
    #: Runs that cannot be read, a sentence each.
    faults: list[str]


def spending(store: DocumentStore, clock: Clock, days: int) -> Spending:
    """Sum up the closed runs that were started in the last days.

    Args:
        store: The documents.
        clock: Tells the end of the time.
        days: From 1 to 90.

    Raises:
        RequestError: The days are out of range.
    """
    require_between("days", days, 1, MOST_DAYS)
    now = clock.now()
    since = now - timedelta(days=days)
    total, by_marketplace, spent = RunCost(), dict[str, RunCost](), list[RunSpending]()
    open_runs, faults, read, after, is_cut = 0, list[str](), 0, None, True
    tasks = spared = 0
    where = [Filter("order", ">=", ids.order_key(since, ""))]
    while read < MOST_RUNS:
        page = store.query(
            Query("runs", where=where, order_by="order", descending=True, after=after, limit=_PAGE)
        )
        read += len(page)
        runs, unread = read_all(Run, page)
        faults += unread
        for snapshot, run in runs:
            if not run.status.is_final:
                open_runs += 1
                continue
            _add(total, run.cost)
            tasks += run.tasks.total
            spared += run.selection.due.resting if run.selection.due is not None else 0
            for name, share in run.by_marketplace.items():
                _add(by_marketplace.setdefault(name, RunCost()), share.cost)
            spent.append(
                RunSpending(
                    run_id=snapshot.id,
                    trigger=run.trigger,
                    started_at=run.started_at,
                    connections=run.tasks.total,
                    cost=run.cost,
                )
            )
        if len(page) < _PAGE:
            is_cut = False
            break
        after = (page[-1].data["order"], page[-1].id)
    return Spending(
        since=since,
        until=now,
        total=total,
        by_marketplace=dict(sorted(by_marketplace.items())),
        runs=spent,
        spared_tasks=spared,
        spared_usd=round(spared * total.estimated_usd / tasks, 6) if tasks else 0.0,
        open_runs=open_runs,
        is_cut=is_cut,
        prices=Prices(),
        faults=faults,
    )


def _add(total: RunCost, cost: RunCost) -> None:
    total.add(cost)
    total.estimated_usd = round(total.estimated_usd + cost.estimated_usd, 8)
