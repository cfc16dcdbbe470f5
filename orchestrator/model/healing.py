"""The record of the last heal: at most one heal a minute, and the place at which the next one continues."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

#: The one document of this kind.
HEALING_PATH = "healing/heal"
#: Two heals are at least this far apart, for all deliveries together.
APART = timedelta(seconds=60)
#: A record from further in the future was written by a clock that is wrong, and is ignored.
AHEAD = timedelta(minutes=30)


class Walk(msgspec.Struct, kw_only=True, frozen=True):
    """How far the current round has come in one list."""

    #: The sort field and the id of the last document looked at; None at the beginning.
    after: tuple[Any, str] | None = None
    #: Whether the round has reached the list's end.
    ended: bool = False


class Healing(msgspec.Struct, kw_only=True, frozen=True):
    """`healing/heal`."""

    #: Grows in every commit, because a write that changes nothing keeps the old version.
    seq: int = 0
    #: When the last heal began, and for which run's message.
    at: datetime
    run: str
    #: Whether everything is published. A message whose worker died before that heals again.
    done: bool = False
    #: When the current round through both lists began.
    round_at: datetime
    runs: Walk = Walk()
    leases: Walk = Walk()

    def allows(self, run_id: str, now: datetime) -> bool:
        """Whether a message of this run may heal now."""
        age = now - self.at
        if age >= APART or age <= -AHEAD:
            return True
        return self.run == run_id and not self.done
