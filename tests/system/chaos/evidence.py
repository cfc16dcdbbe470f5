"""Reads what is judged: the documents as Firestore holds them, and the truth as the sandboxes tell it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import repeat
from types import TracebackType
from typing import Any, Self

import msgspec
import urllib3
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from local.samples import Sample
from local.stack import PROJECT
from orchestrator import wiring
from orchestrator.errors import StoreUnavailable
from orchestrator.marketplaces.ebay.listings import LONGEST
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run, RunStatus, Shard, Task
from orchestrator.model.state import SyncState
from orchestrator.operators.tasks.quiet import quiet_page
from orchestrator.ports import Document, DocumentStore
from tests.marketplaces.conformance.case import every, told_by
from tests.system.chaos.sellers import SELLERS
from tests.system.chaos.site import Site
from tests.system.chaos.verdict import Account, Evidence, Held, RunRecord, Tick, Told, Traffic

#: How often the records of closed runs are looked at.
_LOOK_S = 2.0
_TRUTH_S = 60.0
#: Dead letters that are named at most; there is none.
_DEAD = 100
#: What one instance may still write to a closed run's record: that it was retried.
_OPEN_FIELD = "retried_by"


def gather(site: Site, ticks: Sequence[Tick], watch: Watch, calm_at: datetime) -> Evidence:
    """Everything there is, at this moment."""
    store = site.services.store
    runs = read_runs(store)
    watch.look()
    return Evidence(
        accounts=list(map(_account, repeat(site), SELLERS, read_states(store))),
        runs=runs,
        ticks=ticks,
        changed_runs=sorted(watch.changed),
        rewritten_tasks=_rewritten_tasks(),
        traffic=[Traffic(each.lane.topic, each.taken, each.astray) for each in site.pushers],
        dead_letters=[each.id for each in wiring.dead_letters(site.services.settings).take(_DEAD)],
        calm_at=calm_at,
    )


def read_runs(store: DocumentStore) -> list[RunRecord]:
    """All runs with their shards and tasks."""
    found = []
    for snapshot in every(store, "runs"):
        path = snapshot.path
        shards = {each.id: from_document(Shard, each.data) for each in every(store, f"{path}/shards")}
        quiet, _, _ = quiet_page(store, path, None, None, 10_000)
        tasks = [from_document(Task, each.data) for each in [*every(store, f"{path}/tasks"), *quiet]]
        run = from_document(Run, snapshot.data)
        found.append(RunRecord(run_id=snapshot.id, run=run, shards=shards, tasks=tasks))
    return found


def read_states(store: DocumentStore) -> list[SyncState]:
    """Where each connection stands."""
    found = store.get_many([ids.state_path(sample.id) for sample in SELLERS])
    return [from_document(SyncState, one.data) if one is not None else SyncState() for one in found]


def _account(site: Site, sample: Sample, state: SyncState) -> Account:
    store = site.services.store
    held = {
        stream: [
            Held(each.id, each.data["id"], told_by(each.data), each.data["deleted_at"] is not None)
            for each in every(store, f"{ids.connection_path(sample.id)}/{stream}")
        ]
        for stream in STREAMS
    }
    return Account(
        connection_id=sample.id,
        marketplace=sample.marketplace,
        state=state,
        truth=_truth(site, sample),
        held=held,
    )


def _truth(site: Site, sample: Sample) -> dict[str, Told]:
    """What a sandbox says that a complete sync of an account holds."""
    number = sample.id.rpartition("-")[2]
    url = f"{site.sandboxes[sample.marketplace]}/_sandbox/truth?account={number}"
    answer = urllib3.request("GET", url, timeout=_TRUTH_S, retries=False)
    truth: dict[str, dict[str, dict[str, Any]]] = {stream: {} for stream in STREAMS}
    oldest = msgspec.to_builtins(datetime.now(UTC) - timedelta(milliseconds=LONGEST))
    for line in answer.data.splitlines():
        record = msgspec.json.decode(line, type=dict[str, Any])
        if sample.marketplace == "ebay" and record.get("updated_at", oldest) < oldest:
            continue  # eBay shows two years of orders
        truth[record.pop("stream")][record.pop("id")] = record
    return dict(truth)


def _rewritten_tasks() -> list[str]:
    """Task records that were written more than once: Firestore itself remembers when."""
    client = firestore.Client(project=PROJECT, credentials=AnonymousCredentials())
    try:
        return [
            task.reference.path
            for task in client.collection_group("tasks").select(["status"]).stream()
            if task.create_time != task.update_time
        ]
    finally:
        client.close()


@dataclass
class Watch:
    """Looks at runs again and again: what was closed once must not change any more."""

    store: DocumentStore
    changed: set[str] = field(default_factory=set)
    _closed: dict[str, Document] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._over.wait(_LOOK_S):
            with suppress(StoreUnavailable):  # the next look sees what this one could not
                self.look()

    def look(self) -> None:
        """Compare the records of closed runs with what they were when they were first seen closed."""
        for snapshot in every(self.store, "runs"):
            document = {name: value for name, value in snapshot.data.items() if name != _OPEN_FIELD}
            if snapshot.id in self._closed:
                if self._closed[snapshot.id] != document:
                    self.changed.add(snapshot.id)
            elif RunStatus(document["status"]).is_final:
                self._closed[snapshot.id] = document
