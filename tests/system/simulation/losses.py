"""Nothing is lost: looked at whenever a stream's `since` moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.marketplaces.spec import Listing
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS
from orchestrator.ports import Delete, Document, Write
from tests.system.simulation.market import LONG_SPAN, SHORT_SPAN
from tests.system.simulation.rows import Row

if TYPE_CHECKING:
    from tests.system.simulation.history import History


class Losses:
    """What a stream claims to be complete is in the store."""

    def __init__(self, history: History) -> None:
        self._history = history
        history.store.watchers.append(self.look)

    def look(self, writes: Sequence[Write], before: Mapping[str, Document | None]) -> None:
        """When `since` moves to `until`, what was true then, or later, is stored."""
        for write in writes:
            match write.path.split("/"):
                case ["sync_state", connection_id] if not isinstance(write, Delete):
                    old = before[write.path] or {"streams": {}}
                    new = self._history.store.documents[write.path][1]
                    for stream in STREAMS:
                        is_left = bool(new["streams"].get(stream, {}).get("migration"))
                        before_it, after = _cursor(old, stream), _cursor(new, stream)
                        self._stream(connection_id, stream, before_it, after, is_left=is_left)

    def _stream(
        self, connection_id: str, stream: str, old: Document, new: Document, *, is_left: bool
    ) -> None:
        """Look at one stream; a reconcile leaves changes without a new time to a migration (`is_left`)."""
        until = new.get("since")
        connection = self._history.store.documents.get(ids.connection_path(connection_id))
        if until is None or until == old.get("since") or connection is None:
            return
        market = self._history.market
        listing = market.listings[connection[1]["marketplace"]].get(stream)
        differs = len({listings.get(stream) for listings in market.listings.values()}) > 1
        if differs and connection_id in self._history.people.moved:
            return  # this may still be a listing of the marketplace before
        if listing is None or (listing is Listing.SNAPSHOT and market.by_offset):
            return  # a row can slip past between two pages of positions; the next listing shows it
        is_long = listing is Listing.SNAPSHOT or new.get("long_read_at") != old.get("long_read_at")
        is_all = is_long and not (is_left and listing is Listing.INCREMENTAL)
        since = self._history.people.beginning(connection_id)
        if listing is Listing.ROLLING:
            since = max(since, until - (LONG_SPAN if is_long else SHORT_SPAN))
        for row in market.rows(connection_id, stream).values():
            if row.is_in(self._history.running.region) and self._is_covered(row, listing, since, until):
                self._is_stored(
                    connection_id, stream, row, until, is_long=is_all or listing is Listing.ROLLING
                )

    @staticmethod
    def _is_covered(row: Row, listing: Listing, since: datetime, until: datetime) -> bool:
        if listing is Listing.ROLLING:
            return since <= row.created_at < until
        shown = row.shown(until)
        if shown is None:
            return False
        # Whoever is edited during the scan may leave it before it is read.
        return listing is Listing.SNAPSHOT or (
            since <= shown.changed_at < until and row.now.changed_at <= until
        )

    def _is_stored(
        self, connection_id: str, stream: str, row: Row, until: datetime, *, is_long: bool
    ) -> None:
        versions = row.since(until, everything=is_long)
        if any(version.broken or version.unstorable for version in versions):
            return
        found = self._history.store.documents.get(f"connections/{connection_id}/{stream}/{row.id}")
        value = found[1]["marketplace_status"] if found is not None else None
        if value not in {version.stored_value for version in versions}:
            self._history.violated(f"{connection_id}: {row} is stored as {value}, and since is {until}")


def _cursor(state: Document, stream: str) -> Document:
    cursor: Document = state["streams"].get(stream, {}).get("cursor", {})
    return cursor
