"""Closing a run: the close check, and the totals of its shards."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from orchestrator import log_context
from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.counts import (
    COUNTS,
    MarketplaceTotals,
    RecordTotals,
    RunCost,
    TaskTotals,
    told_counts,
)
from orchestrator.model.documents import from_document, read_or_none, readable, to_document
from orchestrator.model.run import Run, RunStatus, Shard
from orchestrator.ports import Filter, Query, Snapshot, Update
from orchestrator.runs.cost import estimated_usd
from orchestrator.services import Services

log = logging.getLogger(__name__)

#: Shards read at a time.
PAGE = 300


def check_shard(services: Services, run_id: str, shard: str, still_open: int | None) -> None:
    """The close check of a task: if its shard has no open task left, or None if its commit did not tell."""
    if still_open is None:
        snapshot = services.store.get(ids.shard_path(run_id, shard))
        # Without its shard the run is closed already.
        # One that cannot be read is settled by the sweep.
        found = read_or_none(Shard, snapshot)
        still_open = found.open if found is not None else 1
    if still_open <= 0:
        close_check(services, run_id)


def close_check(services: Services, run_id: str) -> None:
    """Close the run if it is running and no shard is open; called after one's own commit, never before.

    Raises:
        StoreUnavailable: Deliver the message again.
    """
    attempts = Attempts(services, f"run {run_id} could not be closed; deliver again")
    while True:
        snapshot = services.store.get(ids.run_path(run_id))
        run = read_or_none(Run, snapshot)
        if snapshot is None or run is None:
            return
        if run.status is not RunStatus.RUNNING:
            return
        if open_shards(services, run_id, limit=1):
            return
        closed = _closed(services, run, _totals(services, run_id))
        with suppress(Conflict, StoreUnavailable):
            services.store.commit([Update(snapshot.path, closed, version=snapshot.version)])
            log_closed(run_id, from_document(Run, {**snapshot.data, **closed}))
            return
        attempts.again()


def log_closed(run_id: str, run: Run) -> None:
    """Log that a run is over: the last task's connection closes it, and the line is about all of them."""
    finished = run.finished_at or run.started_at
    seconds = round((finished - run.started_at).total_seconds(), 1)
    tasks, records = run.tasks, run.records
    fields = {
        "action": "run_closed",
        "run_id": run_id,
        "status": run.status.value,
        "trigger": run.trigger,
        "seconds": seconds,
        "tasks": to_document(tasks),
        "records": {name: getattr(records, name) for name in COUNTS},
        "estimated_usd": run.cost.estimated_usd,
    }
    with log_context.apart("connection_id", "marketplace", "stream"), log_context.bind(run_id=run_id):
        log.info(
            "run %s %s in %s s: of %d connections %d succeeded, %d failed, %d were skipped; %s",
            *(run_id, run.status.value, seconds),
            *(tasks.total, tasks.succeeded, tasks.failed, tasks.skipped),
            told_counts(records),
            extra=fields,
        )


def open_shards(services: Services, run_id: str, *, limit: int) -> list[Snapshot]:
    """Some of the run's shards with tasks that are not final, those with the fewest first."""
    is_open = [Filter("open", ">", 0)]
    shards = f"{ids.run_path(run_id)}/shards"
    return services.store.query(Query(shards, where=is_open, order_by="open", limit=limit))


def shard_pages(services: Services, run_id: str) -> Iterator[list[Snapshot]]:
    """A run's shards in id order, a page at a time."""
    after: tuple[str] | None = None
    while page := services.store.query(Query(f"{ids.run_path(run_id)}/shards", after=after, limit=PAGE)):
        yield page
        if len(page) < PAGE:
            return
        after = (page[-1].id,)


def _no_totals() -> MarketplaceTotals:
    return MarketplaceTotals(tasks=TaskTotals(), records=RecordTotals(by_stream={}), cost=RunCost())


@dataclass(slots=True)
class _Totals:
    """The sums of a run's shards."""

    run: MarketplaceTotals = field(default_factory=_no_totals)
    by_marketplace: dict[str, MarketplaceTotals] = field(default_factory=dict)
    overlap: int = 0

    def add(self, shard: Shard) -> None:
        self.overlap += shard.overlap
        for totals in (self.run, self.by_marketplace.setdefault(shard.marketplace, _no_totals())):
            totals.tasks.add(shard.tasks)
            totals.cost.add(shard.cost)
            for stream, counts in shard.by_stream.items():
                totals.records.add_stream(stream, counts)


def _totals(services: Services, run_id: str) -> _Totals:
    totals = _Totals()
    for page in shard_pages(services, run_id):
        for _, shard in readable(Shard, page):
            totals.add(shard)
    for each in (totals.run, *totals.by_marketplace.values()):
        each.cost.estimated_usd = estimated_usd(each.cost, each.tasks.total)
    return totals


def _closed(services: Services, run: Run, totals: _Totals) -> dict[str, object]:
    """The fields that closing changes in a run."""
    return {
        "status": _final_status(run, totals.run.tasks, totals.overlap).value,
        **to_document(totals.run),
        "by_marketplace": {name: to_document(each) for name, each in sorted(totals.by_marketplace.items())},
        "finished_at": services.clock.now(),
    }


def _final_status(run: Run, tasks: TaskTotals, overlap: int) -> RunStatus:
    if run.cancel_requested_at is not None:
        return RunStatus.CANCELLED
    late = 1 if run.error is not None else 0
    if tasks.failed + late == 0:
        return RunStatus.PARTIAL if overlap and run.trigger == "manual" else RunStatus.SUCCEEDED
    return RunStatus.FAILED if tasks.failed == tasks.total else RunStatus.PARTIAL
