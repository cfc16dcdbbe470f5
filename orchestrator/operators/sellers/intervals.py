"""A connection's own interval: as people give it, and its first effect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from orchestrator.errors import RequestError
from orchestrator.model import paces
from orchestrator.model.connection import Connection
from orchestrator.model.freshness import Pace, resumed
from orchestrator.model.state import Lease, SyncState
from orchestrator.operators.health.verdict import duration
from orchestrator.services import Services


def interval_of(services: Services, text: str) -> int | None:
    """An interval as people write it: minutes, or `tick` for none of its own.

    Raises:
        RequestError: It is none of the known ones, or no multiple of the time between two ticks.
    """
    tick = timedelta(seconds=services.settings.tick_seconds)
    possible = [str(each) for each in paces.INTERVALS if not timedelta(minutes=each) % tick]
    if text != paces.EVERY_TICK and text not in possible:
        words = [*possible, "or tick (every tick)"] if possible else ["tick (every tick)"]
        raise RequestError(
            f"interval {text[:40]!r}: write {', '.join(words)}; ticks are {duration(tick)} apart"
        )
    return None if text == paces.EVERY_TICK else int(text)


def check_interval(services: Services, minutes: object) -> None:
    """Refuse an interval like `interval_of`; None is none of its own.

    Raises:
        RequestError: See there.
    """
    if minutes is not None:
        interval_of(services, str(minutes))


def wanted(state: SyncState, connection: Mapping[str, Any], pace: Pace) -> SyncState:
    """The state of an active connection, so that the next tick covers it, whatever its slot."""
    own = connection.get("marketplace")
    if not pace.is_own or not isinstance(own, str):
        return state
    # Ticks find it by its marketplace.
    return msgspec.structs.replace(state, wanted=True, marketplace=state.marketplace or own)


def first_state(connection: Connection, pace: Pace, before: SyncState) -> SyncState:
    """The state of a connection that no run has met: the next tick covers it, whatever its slot.

    Args:
        connection: The connection.
        pace: Its pace.
        before: The state that a removed connection of its id has left; the initial one without it.
    """
    state = SyncState(
        seq=before.seq + 1,
        lease=Lease(fence=before.lease.fence, quiet_from=before.lease.quiet_from),
        last_run=before.last_run,
        unread_order=before.unread_order,
        organization_id=connection.organization_id,
    )
    return wanted(resumed(state, pace, connection.updated_at), {"marketplace": connection.marketplace}, pace)
