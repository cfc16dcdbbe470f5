"""Releases during a history: every stream gets another version, in all processes or for a while in some."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orchestrator.marketplaces.spec import AnyConnector, Listing
from orchestrator.model import ids
from orchestrator.model.state import SyncState
from orchestrator.ports import Document
from orchestrator.sync.migration import turns
from tests.system.simulation.loop import START, chance
from tests.system.simulation.market import AGE, LONG_SPAN
from tests.system.simulation.rows import UNDETAILED, Row, has_no_details

if TYPE_CHECKING:
    from tests.system.simulation.history import History
    from tests.system.simulation.process import Process

#: For so long after a release some new processes still run the one before, in seconds.
ROLL_OUT_S = 300.0
#: When orders are made before a quiet tick, and when the release follows them, in seconds before it.
MADE_S, RELEASED_S = 400.0, 60.0
#: While history is slow: how long a page of it takes, and how soon after a tick all changes are stored.
SLOW_PAGE_S, PROMPT_S = 200.0, 250.0
#: When history is quick again, in seconds after the tick.
QUICK_S = 700.0


class Releases:
    """The release that each process runs, and the promises that releases must keep."""

    def __init__(self, history: History) -> None:
        self._history = history
        # Apart from the history's own, so that a history without a release is the one it was.
        self._rng = random.Random(f"releases of {history.seed}")
        #: A release when nothing goes wrong any more makes up for all that the others have spoilt.
        self._are_stormy, self.is_quiet = chance(self._rng, 0.5), chance(self._rng, 0.4)
        #: The release in force, and the version of its streams.
        self.version = 1
        self._rolled_out_s = 0.0
        self._connectors: dict[int, Mapping[str, AnyConnector]] = {}
        self._made: list[tuple[str, Row]] = []
        #: Connections that are late before the last tick.
        self._late: set[str] = set()
        #: The window over old orders of each connection whose turn it is, if its first page is being read.
        self._turns: dict[str, datetime] = {}
        # Quiet ticks are few, and not all an odd number of minutes apart.
        history.knobs.values.append((turns, "TURNS", self._rng.choice([1, 2])))

    def of_new_process(self) -> int:
        """The release that a new process runs."""
        is_rolling_out = self._history.loop.now_s < self._rolled_out_s
        return self.version - (is_rolling_out and chance(self._rng, 0.5))

    def connectors(self, process: Process) -> Mapping[str, AnyConnector]:
        """The connectors of a process's release."""
        market, version = self._history.market, process.version
        if version not in self._connectors:
            self._connectors[version] = {name: market.connector(name, version) for name in market.listings}
        return self._connectors[version]

    def plan_stormy(self, seconds: float) -> None:
        """Some releases while things go wrong."""
        if self._are_stormy:
            for _ in range(self._rng.randint(1, 2)):
                self._history.loop.at(self._rng.uniform(0, seconds), self._release)

    def plan_quiet(self, tick_s: float, last_tick_s: float) -> None:
        """A release before a tick at which nothing goes wrong, and the last tick; in seconds from now."""
        loop = self._history.loop
        loop.at(last_tick_s - 1, self._note_late)
        loop.at(last_tick_s + PROMPT_S, self._look_idle)
        if self.is_quiet:
            loop.at(tick_s - MADE_S, self._make_orders)
            loop.at(tick_s - RELEASED_S, self._release_slowly)
            loop.at(tick_s + PROMPT_S, self._look)
            loop.at(tick_s + QUICK_S, self._be_quick)

    def _release(self) -> None:
        self._history.seen["released"] += 1
        self.version += 1
        self._history.say(f"release {self.version}")
        self._rolled_out_s = self._history.loop.now_s + ROLL_OUT_S

    def _make_orders(self) -> None:
        """New orders of everybody who is well."""
        history = self._history
        for connection_id in history.connections:
            if connection_id != history.apple.connection_id:
                history.market.add(connection_id, "orders")
                row = list(history.market.rows(connection_id, "orders").values())[-1]
                self._made.append((connection_id, row))

    def _release_slowly(self) -> None:
        """A release in all processes at once; pages of long ago are slow."""
        self._release()
        self._rolled_out_s = 0.0
        self._history.market.slow_page_s = SLOW_PAGE_S

    def _be_quick(self) -> None:
        """A turn has brought each history on, although its page takes longer than a first slice."""
        for connection_id, until in self._turns.items():
            if self._unread(connection_id) == until:
                self._history.violated(f"{connection_id}: its old orders before {until} have had no turn")
        self._history.market.slow_page_s = 0.0

    def _note_turns(self, run_id: str) -> None:
        history = self._history
        run = history.store.documents[ids.run_path(run_id)][1]
        settings = history.knobs.settings
        started_at = run["deadline_at"] - timedelta(seconds=settings.run_seconds)
        if settings.slice_seconds <= SLOW_PAGE_S or not history.market.durable or history.market.detailed:
            return
        for connection_id in history.connections:
            has_turn = turns.is_turn(connection_id, started_at) and not history.slots.has_own(connection_id)
            until = self._unread(connection_id)
            if has_turn and until is not None and connection_id != history.apple.connection_id:
                history.seen["turn of a slow history"] += 1
                self._turns[connection_id] = until

    def _unread(self, connection_id: str) -> datetime | None:
        """The end of the window over old orders, if nothing of it is read."""
        connection = self._history.store.documents.get(ids.connection_path(connection_id))
        if connection is None or "orders" not in connection[1]["streams"]:
            return None
        state = SyncState.of(self._history.store.get(ids.state_path(connection_id)))
        known = state.streams.get("orders")
        window = known.migration[0] if known is not None and known.migration else None
        is_slow = window is not None and window.since < START - LONG_SPAN
        return window.until if window is not None and is_slow and not window.read else None

    def _look(self) -> None:
        """The orders are stored as soon as without a release."""
        history = self._history
        self._note_turns(ids.tick_run_id(history.moment(max(history.ticks)), "sync"))
        tick = history.loop.now - timedelta(seconds=PROMPT_S)
        until = min(tick, tick + history.market.offset) - AGE - timedelta(seconds=5)
        for connection_id, row in self._made:
            connection = history.store.documents[ids.connection_path(connection_id)][1]
            region = connection["settings"].get("region", "all")
            if "orders" not in connection["streams"] or not row.is_in(region) or row.created_at > until:
                continue
            run_id = ids.tick_run_id(history.moment(max(history.ticks)), "sync")
            task = history.store.documents.get(ids.task_path(run_id, connection_id))
            if task is None and history.slots.has_own(connection_id):
                continue
            if history.market.detailed and task is not None and task[1]["reason"] == UNDETAILED:
                continue
            state = history.store.documents[ids.state_path(connection_id)][1]
            since = state["streams"]["orders"]["cursor"].get("since")
            if history.market.detailed and since is not None and since < row.created_at:
                continue  # the tick has read the window that failed at the tick before it
            history.seen["looked for after a release"] += 1
            if f"{ids.connection_path(connection_id)}/orders/{row.id}" not in history.store.documents:
                history.violated(f"{connection_id}: {row} is held up by release {self.version}")

    def _note_late(self) -> None:
        """The tick before read no more of some connections than a window from before their outage."""
        history = self._history
        for connection_id in history.connections:
            found = history.store.documents.get(ids.state_path(connection_id))
            late_at = found[1].get("late_at") if found is not None else None
            if late_at is not None and late_at <= history.loop.now:
                self._late.add(connection_id)

    def _look_idle(self) -> None:
        """Nothing has changed for a day, and nothing is left to be rewritten: nothing is written."""
        history = self._history
        run_id = ids.tick_run_id(history.moment(max(history.ticks)), "sync")
        for connection_id in history.connections:
            found = history.store.documents.get(ids.task_path(run_id, connection_id))
            if connection_id in {history.apple.connection_id, *self._late} or found is None:
                continue
            for stream, counts in found[1]["streams"].items():
                rows = history.market.rows(connection_id, stream).values()
                if stream in history.market.detailed and any(
                    has_no_details(row.id, row.now.stored_value) for row in rows
                ):
                    continue  # its page failed once, so it is rewritten a tick later
                if counts.get("written"):
                    history.violated(f"{connection_id}/{stream}: {counts} although nothing has changed")

    def turns_owed(self) -> int:
        """The most turns that a migration may take longer: a page with a row without details fails once."""
        history = self._history
        rests = any(history.slots.has_own(connection_id) for connection_id in history.connections)
        return 2 * rests + sum(
            has_no_details(row.id, row.now.stored_value)
            for connection_id in history.connections
            for stream in history.market.detailed
            for row in history.market.rows(connection_id, stream).values()
        )

    def held_up(self) -> list[str]:
        """Connections whose last turn ended at such a page, or whose next slot is in hours.

        A run that a person asks for is a turn.
        """
        history = self._history
        return [
            connection_id
            for connection_id in history.connections
            for stream, known in SyncState.of(
                history.store.get(ids.state_path(connection_id))
            ).streams.items()
            if known.migration
            and (
                (stream in history.market.detailed and known.migration[0].failures)
                or history.slots.has_own(connection_id)
            )
        ]

    # The verdict

    def check_state(self, connection_id: str, state: SyncState, stream: str) -> None:
        """The whole history is rewritten."""
        known = state.streams.get(stream)
        if known is not None and (known.migration or known.version != self.version):
            self._history.violated(
                f"{connection_id}/{stream}: the migration has not ended: {known.migration}"
            )

    def check_record(self, where: str, row: Row, record: Document, listing: Listing, since: datetime) -> None:
        """A stored record that is still listed was written in the last version."""
        moment = row.created_at if listing is Listing.ROLLING else row.now.changed_at
        is_listed = listing is Listing.SNAPSHOT or moment >= since
        if is_listed and record["sales_channel"] != f"version {self.version}":
            self._history.violated(
                f"{where} is stored in {record['sales_channel']}, not in version {self.version}"
            )
