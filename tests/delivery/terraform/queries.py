"""Which queries the code makes: found by making them all, on a store that writes them down."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from local.processes import ROOT
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.vault import KeysetVault
from orchestrator.errors import MarketplaceUnavailable
from orchestrator.model.connection import MARKETPLACES, ConnectionStatus
from orchestrator.model.paces import pace_of
from orchestrator.model.run import RunStatus
from orchestrator.operators import (
    audit_views,
    checks,
    connections,
    pause,
    reject_views,
    run_views,
    spending,
    stored_records,
)
from orchestrator.operators.acting import bulk
from orchestrator.operators.health.remedies import KINDS as REMEDIED
from orchestrator.operators.health.status import status as status_view
from orchestrator.operators.rejects.counts import count_by_connection, count_by_reason
from orchestrator.operators.rejects.retry import retry_rejects
from orchestrator.operators.sellers import adding, keysets
from orchestrator.operators.tasks.history import history
from orchestrator.operators.tasks.pages import STATUSES
from orchestrator.ports import Create, Filter, Put, Query, Snapshot, Write, Written
from orchestrator.runs import start
from orchestrator.runs.cancel import cancel_run
from orchestrator.sync import digest as digests
from orchestrator.sync import vanished
from tests.support.people import ME
from tests.support.secrets import MemorySecrets
from tests.support.world import START, World

#: It hands on what others ask.
_WRAPPERS = {"orchestrator/metered_store.py"}


class Shape(NamedTuple):
    """A query's shape, as far as indexes care."""

    collection: str
    equal: frozenset[str]
    any_of: frozenset[str]
    order: str | None
    descending: bool
    group: bool
    #: Added up; the index has it behind all others.
    summed: str | None = None

    @property
    def fields(self) -> set[str]:
        """All fields that an index has to know; what is summed beside a condition is in a composite one."""
        return {*self.equal, *self.any_of, *([self.order] if self.order else [])}

    @property
    def composite(self) -> tuple[str, tuple[tuple[str, str], ...]] | None:
        """The composite index it needs; None where single-field indexes and their merging answer it.

        Equalities are merged; an order behind other conditions, and `in` beside others, are taken to need
        one (cloud.google.com/firestore/docs/query-data/index-overview).
        """
        conditions = sorted(self.equal) + sorted(self.any_of)
        if self.order is None and not (self.any_of and self.equal) and not (conditions and self.summed):
            return None
        if self.order is not None and not set(conditions) - {self.order} and self.summed is None:
            return None
        columns = [(field, "ASCENDING") for field in conditions if field != self.order]
        if self.order is not None:
            columns.append((self.order, "DESCENDING" if self.descending else "ASCENDING"))
        if self.summed is not None:
            columns.append((self.summed, "ASCENDING"))
        return self.collection, tuple(columns)


class RecordingStore(SqliteStore):
    """Writes down every query with the place it comes from, and every document's fields."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.made: dict[Shape, set[str]] = {}
        self.fields: dict[str, set[str]] = {}

    def query(self, query: Query) -> list[Snapshot]:
        """See DocumentStore."""
        self._note(query)
        return super().query(query)

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """See DocumentStore."""
        self._note(Query(collection, where=where, limit=1, group=group))
        return super().count(collection, where, group=group)

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """See DocumentStore."""
        self._note(Query(collection, where=where, limit=1), field)
        return super().sum(collection, field, where)

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """See DocumentStore."""
        for write in writes:
            if isinstance(write, Create | Put):
                self.fields.setdefault(_collection(write.path.rpartition("/")[0]), set()).update(write.data)
        return super().commit(writes)

    def _note(self, query: Query, summed: str | None = None) -> None:
        shape = Shape(
            _collection(query.collection),
            frozenset(each.field for each in query.where if each.op == "=="),
            frozenset(each.field for each in query.where if each.op == "in"),
            query.sort_field,
            query.descending,
            query.group,
            summed,
        )
        self.made.setdefault(shape, set()).add(_caller())


def call_sites() -> set[str]:
    """Every place in `orchestrator/` that asks a store for documents: `path:line`."""
    return {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "orchestrator").rglob("*.py")
        if "adapters" not in path.parts and str(path.relative_to(ROOT)) not in _WRAPPERS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"query", "count", "sum"}
        and ast.unparse(node.func.value).endswith("store")
    }


def exercise(path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordingStore:
    """Have the code make every query that it can make."""
    monkeypatch.setattr(digests, "INLINE_ENTRIES", 0)
    monkeypatch.setattr(run_views, "OPEN_SHARDS", 1)
    store = RecordingStore(path / "recorded.db")
    monkeypatch.setattr("tests.support.world.SqliteStore", lambda _: store)
    world = World(path)
    for name, fields in (("c1", {}), ("c2", {"credential": "missing"}), ("c3", {"marketplace": "takealot"})):
        world.connect(name, **fields)
    world.bazaar.shop("c1").put("orders", "o1", START - timedelta(days=1))
    world.bazaar.shop("c1").put("orders", "o2", START - timedelta(days=1), broken=True)
    first, _ = world.run_once()
    _look(world, first)
    world.bazaar.at_call = _unavailable
    start.retry_run(world.services, first, by=ME)
    world.drain()
    world.clock.advance(900)
    _look(world, world.run_once()[0])
    world.bazaar.at_call = None
    retry_rejects(world.services, "c1", by=ME)
    world.drain()
    for request in (
        start.TriggerRequest(organization_id="org-1"),
        start.TriggerRequest(connection_ids=["c1"], marketplaces=["shopify"]),
    ):
        start.start_manual(world.services, request, by=ME, idempotency_key=None)
        world.drain()
    world.clock.advance(900)
    cancelled = world.tick().run_id
    world.deliver(world.queue.messages.pop(0))
    _look(world, cancelled)
    cancel_run(world.services, cancelled, by=ME)
    world.drain()
    world.clock.advance(900)
    world.tick()
    world.queue.messages.clear()
    world.clock.advance(7200)
    store.commit([Put("sync_state/late", {"marketplace": "shopify", "late_at": START})])
    world.run_once()
    paced = {"interval_minutes": 1440, "status": "active", "marketplace": "shopify"}
    store.commit([Put("connections/paced", {**paced, "pace": pace_of("paced", paced)})])
    for _ in range(2):
        world.clock.advance(900)
        world.run_once()
    list(vanished.deletions(store, "connections/c1/orders", [1], world.clock.now))
    stored_records.complete_envelopes(world.services, "c1", by=ME)
    pause.remove(world.services, "c1", by=ME, purge_records=True)
    for name in ("c2", "c3", "paced"):
        pause.pause(world.services, name, by=ME)
    status_view(world.services)
    _rotate(world)
    return store


def _rotate(world: World) -> None:
    """Make the vault's keys, rotate them and look at them."""
    vault = KeysetVault(MemorySecrets(), private="private", public="public")
    vault.add_key()
    vault.publish()
    world.services = replace(world.services, vault=vault)
    keysets.rotate(world.services, by=ME)
    world.drain()
    keysets.status(world.services)


def _unavailable(*_: object) -> None:
    raise MarketplaceUnavailable("bazaar: answered 500")


def _look(world: World, run_id: str) -> None:
    status_view(world.services)
    for status in (None, *STATUSES):
        for marketplace in (None, MARKETPLACES[0]):
            run_views.show_run(world.store, run_id, status=status, marketplace=marketplace)
    history(world.store, "c1", lease_seconds=600, now=world.clock.now())
    for chosen in (None, *RunStatus):
        for marketplace in (None, MARKETPLACES[0]):
            run_views.list_runs(world.store, status=chosen, marketplace=marketplace)
    reject_views.list_rejects(world.store)
    reject_views.list_rejects(world.store, connection_id="c1", stream="orders", reason="-")
    # With more kinds of causes than it reads documents for, the status asks for the others by name.
    for number, kind in enumerate(sorted(REMEDIED)):
        world.store.commit([Put(f"sync_state/k-{number}", {"cause": {"kind": kind, "since": START}})])
    status_view(world.services)
    count_by_connection(world.store)
    count_by_reason(world.store, "c1")
    connections.unfinished_removals(world.store)
    audit_views.list_audit(world.store)
    spending.spending(world.store, world.clock, 1)
    list(checks.look(world.services, caller=str, queue=str, dead_letters=str))
    adding.usual_organization(world.services)
    adding.next_tick(world.services)
    bulk.find(world.services, bulk.Which(cause="-", marketplace="shopify", organization_id="org-1"))
    audit_views.list_audit(world.store, connection_id="c1")
    audit_views.list_audit(world.store, run_id=run_id)
    connections.list_page(
        world.services,
        organization_id="org-1",
        marketplace="shopify",
        status=ConnectionStatus.ACTIVE,
        limit=10,
    )


def _collection(path: str) -> str:
    """A collection's id: the last part of its path."""
    return path.rpartition("/")[2]


def _caller() -> str:
    """The place in `orchestrator/`, adapters aside, that the query comes from."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "orchestrator"):
            found = str(path.relative_to(ROOT))
            if found not in _WRAPPERS and "adapters" not in path.parts:
                return f"{found}:{frame.f_lineno}"
        frame = frame.f_back
    return "tests"
