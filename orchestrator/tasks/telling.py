"""Telling consumers that a task has changed records: before the commit that closes it, at least once.

The closing commit is refused if a record was written since the event was published. If the event cannot be
published, the task is closed all the same: the commit keeps its changes in `sync_state` as `untold`. The
connection's next task tells them, or a heal, whichever comes first.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import msgspec

from orchestrator.errors import ChangesUnavailable, locate
from orchestrator.model.change_event import Changes, changed_event
from orchestrator.model.state import SyncState
from orchestrator.services import Services

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Teller:
    """Tells consumers in one delivery; after a failure it does not try again, to not hold up the others."""

    services: Services
    has_failed: bool = False

    def tell(self, connection_id: str, state: SyncState, changes: Changes | None) -> bool:
        """Publish the changes; whether nobody needs to be told of them any more."""
        feed = self.services.changes
        if changes is None or feed is None:
            return True
        if self.has_failed:
            return False
        event = changed_event(connection_id, state.marketplace, changes, self.services.clock.now())
        try:
            feed.publish([event])
        except ChangesUnavailable as error:
            self._failed(f"{error.message} {error.action}")
        except Exception as error:  # noqa: BLE001 - a defect stops no sync either
            self._failed(f"defect: {locate(error)}")
        return not self.has_failed

    def _failed(self, why: str) -> None:
        self.has_failed = True
        log.error(
            "consumers are told of the changed records later: %s",
            why.strip(),
            extra={"action": "changes_untold", "kind": ChangesUnavailable.kind},
        )

    def told(self, connection_id: str, state: SyncState) -> SyncState:
        """The state after its untold changes were told; the state itself if they could not be."""
        if state.untold is None or not self.tell(connection_id, state, state.untold):
            return state
        return without_debt(state)


def without_debt(state: SyncState) -> SyncState:
    """The state without untold changes; without an open task there is nothing left to heal."""
    lease = state.lease
    if state.open is None:
        lease = msgspec.structs.replace(lease, expires_at=None)
    return msgspec.structs.replace(state, untold=None, lease=lease)
