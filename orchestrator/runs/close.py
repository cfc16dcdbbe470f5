"""Closing a run: the close check and the totals of its shards."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from orchestrator.attempts import pause
from orchestrator.errors import (
    Conflict,
    StoreUnavailable,
)
from orchestrator.model import ids
from orchestrator.model.counts import (
    COSTS,
    COUNTS,
    Cost,
    MarketplaceTotals,
    RecordTotals,
    TaskTotals,
)
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.run import Run, RunStatus, Shard
from orchestrator.ports import Filter, Query, Update
from orchestrator.runs.cost import estimated_usd
from orchestrator.services import Services

log = logging.getLogger(__name__)


_PAGE = 300


_TRIES = 60


def shard_open(services: Services, run_id: str, shard: str) -> int:
    """How many of a shard's tasks are not final; 1 where the shard is gone (nothing is left to close)."""
    snapshot = services.store.get(ids.shard_path(run_id, shard))
    return from_document(Shard, snapshot.data).open if snapshot is not None else 1


def close_check(services: Services, run_id: str) -> None:
    """Close the run if it is running and no shard is open; called after the own commit, never before."""
    for attempt in range(_TRIES):
        snapshot = services.store.get(ids.run_path(run_id))
        if snapshot is None:
            return
        run = from_document(Run, snapshot.data)
        if run.status is not RunStatus.RUNNING:
            return
        shards = f"{ids.run_path(run_id)}/shards"
        if services.store.query(Query(shards, where=[Filter("open", ">", 0)], order_by="open", limit=1)):
            return
        totals = _totals(services, shards)
        closed = _closed(services, run, totals)
        try:
            services.store.commit([Update(ids.run_path(run_id), closed, version=snapshot.version)])
        except (Conflict, StoreUnavailable):
            pause(services, attempt)
            continue
        fields = {"action": "run_closed", "run_id": run_id, "status": closed["status"]}
        log.info("run closed: %s", closed["status"], extra=fields)
        return
    raise StoreUnavailable(f"run {run_id} could not be closed; deliver again")


@dataclass(slots=True)
class _Totals:
    by_marketplace: dict[str, MarketplaceTotals] = field(default_factory=dict)
    overlap: int = 0


def _totals(services: Services, collection: str) -> _Totals:
    """The sum of all shards, by marketplace."""
    totals = _Totals()
    after: tuple[str] | None = None
    while True:
        page = services.store.query(Query(collection, after=after, limit=_PAGE))
        for snapshot in page:
            _add(totals, from_document(Shard, snapshot.data))
        if len(page) < _PAGE:
            return totals
        after = (page[-1].id,)


def _add(totals: _Totals, shard: Shard) -> None:
    mine = totals.by_marketplace.setdefault(
        shard.marketplace,
        MarketplaceTotals(tasks=TaskTotals(), records=RecordTotals(by_stream={}), cost=Cost()),
    )
    totals.overlap += shard.overlap
    _increase(mine.tasks, {name: getattr(shard.tasks, name) for name in TaskTotals.__struct_fields__})
    _increase(mine.cost, {name: getattr(shard.cost, name) for name in COSTS})
    for stream, counts in shard.by_stream.items():
        _increase(mine.records, counts)
        _increase(_stream(mine.records, stream), counts)


def _stream(records: RecordTotals, stream: str) -> RecordTotals:
    by_stream = records.by_stream
    assert by_stream is not msgspec.UNSET  # noqa: S101 - the two places that make these totals set it
    return by_stream.setdefault(stream, RecordTotals())


def _increase(into: msgspec.Struct, values: Mapping[str, int]) -> None:
    for name, value in values.items():
        setattr(into, name, getattr(into, name) + value)


def _closed(services: Services, run: Run, totals: _Totals) -> dict[str, object]:
    """The fields a run gets when it closes."""
    tasks, records, cost = TaskTotals(), RecordTotals(by_stream={}), Cost()
    for mine in totals.by_marketplace.values():
        mine.cost.estimated_usd = estimated_usd(mine.cost, mine.tasks.total)
        _increase(tasks, {name: getattr(mine.tasks, name) for name in TaskTotals.__struct_fields__})
        _increase(cost, {name: getattr(mine.cost, name) for name in COSTS})
        _increase(records, {name: getattr(mine.records, name) for name in COUNTS})
        for stream, counts in (mine.records.by_stream or {}).items():
            _increase(_stream(records, stream), {name: getattr(counts, name) for name in COUNTS})
    cost.estimated_usd = estimated_usd(cost, tasks.total)
    return {
        "status": _final_status(run, tasks, totals.overlap).value,
        "tasks": to_document(tasks),
        "records": to_document(records),
        "cost": to_document(cost),
        "by_marketplace": {name: to_document(mine) for name, mine in sorted(totals.by_marketplace.items())},
        "finished_at": services.clock.now(),
    }


def _final_status(run: Run, tasks: TaskTotals, overlap: int) -> RunStatus:
    if run.cancel_requested_at is not None:
        return RunStatus.CANCELLED
    late = 1 if run.error is not None else 0
    if tasks.failed + late == 0:
        return RunStatus.PARTIAL if overlap and run.trigger == "manual" else RunStatus.SUCCEEDED
    return RunStatus.FAILED if tasks.failed == tasks.total else RunStatus.PARTIAL


def check_shard(services: Services, run_id: str, shard: str, still_open: int | None) -> None:
    """The close check of a task: for whoever moved its shard to 0, or cannot know who did."""
    if still_open is None:
        still_open = shard_open(services, run_id, shard)
    if still_open <= 0:
        close_check(services, run_id)
