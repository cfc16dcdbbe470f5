"""The verdict: what must hold after a history has come to rest."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orchestrator.marketplaces.spec import Listing
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.run import RunStatus, TaskStatus, counted
from orchestrator.model.state import Health, SyncState
from orchestrator.ports import Document, Query
from tests.system.simulation.market import LONG_SPAN
from tests.system.simulation.process import MOST_FROZEN_S
from tests.system.simulation.rows import UNDETAILED, Raw, Row, has_no_details, number

if TYPE_CHECKING:
    from tests.system.simulation.history import History

RUN_S = 3600 + 30
#: Deliveries for each queued message, those of heals included.
MOST_DELIVERIES = 4
#: From a tick to the end of what it heals, when nothing goes wrong.
PROMPT_S = 300


class Judge:
    """Compares the store with what is true."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._store = history.store

    def history(self) -> None:
        """After all has come to rest."""
        history = self._history
        for moment in sorted(history.ticks):
            run_id = ids.tick_run_id(history.moment(moment), "sync")
            self._is(run_id in history.watch.started_s, f"no run of {moment}, which was answered with 202")
        for run_id, started_s in history.watch.started_s.items():
            self._run(run_id, started_s)
        for connection_id in history.connections:
            self._connection(connection_id)
        self._is(history.outbox.in_flight == history.lanes.held, "messages go on and on")
        history.tellings.history()

    def backlog(self) -> None:
        """What waits when nothing goes wrong any more dies down: heals do not multiply it."""
        history = self._history
        # An invocation that slept may publish the messages of one that was given up for dead.
        waiting = history.outbox.in_flight + history.working
        deliveries, asked_for = history.deliveries, history.lanes.asked_for

        def look() -> None:
            queued = waiting + history.lanes.asked_for - asked_for
            made = history.deliveries - deliveries
            self._is(made <= MOST_DELIVERIES * queued + 1, f"{made} deliveries for {queued} queued messages")

        history.loop.at(MOST_FROZEN_S, look)

    def fairness(self, run_id: str) -> None:
        """In a quiet run whoever is well is done at once, whatever the bad apple does."""
        history = self._history
        for connection_id in history.connections:
            if connection_id == history.apple.connection_id:
                continue
            found = self._store.documents.get(ids.task_path(run_id, connection_id))
            if found is None and history.slots.has_own(connection_id):
                continue
            task = found[1] if found is not None else {"status": None, "incomplete": None}
            shards = self._store.query(Query(f"{ids.run_path(run_id)}/shards", limit=100))
            if found is None and any(counted(shard, connection_id) for shard in shards):
                continue
            if history.market.detailed and task.get("reason") == UNDETAILED:
                continue
            is_well = task["status"] == TaskStatus.SUCCEEDED.value and not task["incomplete"]
            self._is(is_well, f"{run_id}: {connection_id} is well, and its task is {task}")

    def asked_for_details(self, connection_id: str, stream: str, row: Raw) -> None:
        """Once all has come to rest, nobody asks for the details of a row that is stored with them."""
        history = self._history
        if history.loop.now_s < history.settled_s or connection_id == history.apple.connection_id:
            return
        found = self._store.documents.get(f"connections/{connection_id}/{stream}/{row.id}")
        fields = ("updated_at", "marketplace_status", "number", "sales_channel")
        held = tuple(found[1][name] for name in fields) if found is not None else None
        # Another version writes each record, and so completes it, once more.
        version = f"version {history.releases.version}"
        whole = (row.changed_at, row.value, number(row.id, row.value), version)
        is_complete = held == whole and not has_no_details(row.id, row.value)
        # Old orders are not remembered; only a retry of another row lists them again.
        is_old = stream == "orders" and history.market.now - row.changed_at > timedelta(days=1)
        self._is(
            is_old or not is_complete, f"{connection_id}/{stream}: details of {row.id} are asked for again"
        )

    def _run(self, run_id: str, started_s: float) -> None:
        """Every run ends, within its deadline and two more ticks."""
        history = self._history
        path = ids.run_path(run_id)
        if path in history.watch.expired:
            return
        status = RunStatus(self._store.documents[path][1]["status"])
        self._is(status.is_final, f"{run_id} never ends: {status}")
        due_s = max(started_s + RUN_S, history.quiet_s + MOST_FROZEN_S)
        later = sorted(tick_s for tick_s in history.tick_s if tick_s >= due_s)
        if status.is_final and len(later) > 1:
            late_s = history.watch.closed_s[run_id] - later[1]
            self._is(
                late_s <= PROMPT_S, f"{run_id} ends {late_s:.0f} s after the second tick past its deadline"
            )

    def _is_fresh(self, connection_id: str, state: SyncState, own: list[str]) -> None:
        """What the status tells of its data is true."""
        sinces = [state.streams[name].cursor.since if name in state.streams else None for name in own]
        known = [since for since in sinces if since is not None]
        oldest = min(known) if len(known) == len(sinces) else None
        self._is(state.since_at == oldest, f"{connection_id}: since_at is {state.since_at}, not {oldest}")
        self._is(isinstance(state.late_at, datetime), f"{connection_id} is active: {state.late_at}")
        is_well = state.health is Health.OK
        self._is(is_well or state.cause is not None, f"{connection_id} is {state.health}, without a cause")

    def _connection(self, connection_id: str) -> None:
        history = self._history
        snapshot = self._store.get(ids.state_path(connection_id))
        connection = self._store.get(ids.connection_path(connection_id))
        self._is(connection is not None, f"{connection_id} is not there")
        self._is(snapshot is not None, f"{connection_id} was never synced")
        if snapshot is None or connection is None:
            return
        state = from_document(SyncState, snapshot.data)
        self._is(state.open is None and state.lease.owner is None, f"{connection_id} is still held: {state}")
        self._is_fresh(connection_id, state, connection.data["streams"])
        for stream in connection.data["streams"]:
            history.releases.check_state(connection_id, state, stream)
            self._stream(connection_id, connection.data, stream)

    def _stream(self, connection_id: str, connection: Document, stream: str) -> None:
        """The store holds what is true at the marketplace, once, and nothing else that is not marked."""
        history = self._history
        listing = history.market.listings[connection["marketplace"]][stream]
        found = self._store.query(Query(f"connections/{connection_id}/{stream}", limit=10_000))
        stored = {it.data["id"]: it.data for it in found if it.data["deleted_at"] is None}
        region = connection["settings"].get("region", "all")
        for row in history.market.rows(connection_id, stream).values():
            if not row.is_in(region):
                continue
            record = stored.pop(row.id, None)
            if record is not None and not (row.now.broken or row.now.unstorable):
                since = history.people.beginning(connection_id)
                history.releases.check_record(f"{connection_id}/{stream}: {row}", row, record, listing, since)
            if self._is_required(connection_id, row, listing):
                self._row(connection_id, connection, stream, row, record)
        if listing is Listing.ROLLING or (listing is Listing.INCREMENTAL and stream == "orders"):
            return  # it never lists everything
        oldest = history.people.beginning(connection_id) + timedelta(days=1)
        for name, record in stored.items():
            known = f"connections/{connection_id}/{stream}/{name}" not in history.people.forgotten
            if known and (listing is Listing.SNAPSHOT or record["updated_at"] >= oldest):
                self._is(False, f"{connection_id}/{stream}: {record} is not at the marketplace, nor marked")

    def _is_required(self, connection_id: str, row: Row, listing: Listing) -> bool:
        since = self._history.people.beginning(connection_id)
        if listing is Listing.ROLLING:
            return row.created_at >= max(since, self._history.loop.now - LONG_SPAN + timedelta(days=3))
        return listing is Listing.SNAPSHOT or row.now.changed_at >= since

    def _row(
        self, connection_id: str, connection: Document, stream: str, row: Row, record: Document | None
    ) -> None:
        history = self._history
        where = f"{connection_id}/{stream}: {row}"
        reject = f"connections/{connection_id}/rejects/{stream}-{row.id}"
        is_rejected = reject in self._store.documents
        if row.now.broken or row.now.unstorable:
            self._is(is_rejected, f"{where} is neither stored nor rejected")
            return
        known = reject not in self._history.people.forgotten
        self._is(not (is_rejected and known), f"{where} is understood, and still rejected")
        value = record["marketplace_status"] if record is not None else None
        self._is(value == row.now.stored_value, f"{where} is stored as {value}")
        if record is not None and stream in history.market.detailed:
            told = number(row.id, row.now.stored_value)
            self._is(record["number"] == told, f"{where} is stored with {record['number']}, not {told}")
        if record is not None and stream != "inventory":
            keeps = record["buyer"] is not None
            self._is(keeps == connection["store_buyer_pii"], f"{where}: a buyer's data is stored: {keeps}")

    def _is(self, holds: bool, message: str) -> None:
        if not holds:
            self._history.violated(message)
