"""The change feed of every test that needs no real one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from orchestrator.errors import ChangesUnavailable
from orchestrator.model.change_event import Changed, ChangeEvent, Purged


class ListFeed:
    """A feed that keeps its events as they would travel."""

    def __init__(self) -> None:
        self.events: list[ChangeEvent] = []
        #: Whether it takes nothing.
        self.is_away = False
        #: Raised by every call.
        self.error: Exception | None = None
        #: Calls of `publish`, those that failed included.
        self.calls = 0

    def publish(self, events: Sequence[ChangeEvent]) -> None:
        """Keep copies."""
        self.calls += 1
        if self.error is not None:
            raise self.error
        if self.is_away:
            raise ChangesUnavailable("no answer")
        self.events += [msgspec.json.decode(event.encoded(), type=ChangeEvent) for event in events]

    def changed(self) -> list[Changed]:
        """The data of all events of changes."""
        return [
            msgspec.json.decode(event.data, type=Changed) for event in self.events if "changed" in event.type
        ]

    def purged(self) -> list[Purged]:
        """The data of all events of purges."""
        return [
            msgspec.json.decode(event.data, type=Purged) for event in self.events if "purged" in event.type
        ]

    def counted(self) -> list[dict[str, Any]]:
        """By event: written and deleted records, by stream."""
        return [
            {name: (each.written, each.deleted) for name, each in data.streams.items()}
            for data in self.changed()
        ]
