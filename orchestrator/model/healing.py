"""The record of the last heal: at most one heal a minute, and the place at which the next one continues."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

#: The one document of this kind.
HEALING_PATH = "healing/heal"
#: Two heals are at least this far apart, for all deliveries together.
APART = timedelta(seconds=60)
#: A record from further in the future was written by a clock that is wrong, and is ignored. Two clocks of
#: which each is within 20 minutes of the true time are at most 40 minutes apart.
AHEAD = timedelta(minutes=45)


class Walk(msgspec.Struct, kw_only=True, frozen=True):
    """How far the current round through one list has come; one list's round does not wait for another's."""

    #: When the round began.
    began_at: datetime
    #: The sort field and the id of the last document looked at; None at the beginning.
    after: tuple[Any, str] | None = None
    #: Whether the round has reached the list's end.
    ended: bool = False

    def following(self, now: datetime, round_length: timedelta) -> Walk:
        """This round, or the next one if this one has ended and it is time."""
        is_due = self.ended and abs(now - self.began_at) >= round_length
        return Walk(began_at=now) if is_due else self


class Healing(msgspec.Struct, kw_only=True, frozen=True):
    """`healing/heal`."""

    #: Grows in every commit, because a write that changes nothing keeps the old version.
    seq: int = 0
    #: When the last heal began, and for which run's message.
    at: datetime
    run: str
    #: Whether everything is published. A message whose worker died before that heals again.
    done: bool = False
    #: Open runs, and leases that are over.
    runs: Walk
    leases: Walk

    def allows(self, run_id: str, now: datetime) -> bool:
        """Whether a message of this run may heal now."""
        age = now - self.at
        if age >= APART or age <= -AHEAD:
            return True
        return self.run == run_id and not self.done
