"""Waiting for the parts of a new deployment: with bounds, and with a line for the person who waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.errors import SyncError
from orchestrator.ports import Clock
from terraform.cloud import CommandFailed

T = TypeVar("T")

#: Changes of permissions usually act within 2 minutes, and may need 7 or more
#: (cloud.google.com/iam/docs/access-change-propagation).
ARRIVING = "new permissions take minutes to arrive"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """The bounds of the waits, in seconds."""

    #: For a permission that a tool or the database lacks, and for a tick to become a run.
    permission_s: float = 480.0
    #: For the worker's first sign of life. The run's deadline is a second bound.
    worker_s: float = 600.0
    #: Between two looks.
    poll_s: float = 2.0
    #: Between two lines, and between two calls of gcloud that only tell why.
    line_s: float = 20.0


#: The bounds for Google Cloud.
USUAL = Patience()


@dataclass(slots=True)
class Wait:
    """One wait: it ends, and it tells a line now and then."""

    clock: Clock
    say: Callable[[str], None]
    patience: Patience
    limit_s: float
    began: float = field(init=False)
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self._told = self.clock.monotonic()

    @property
    def waited_s(self) -> float:
        """How long it has lasted."""
        return self.clock.monotonic() - self.began

    def line_due(self) -> bool:
        """Whether it is time for another line; if so, the next one is due a while later."""
        if self.clock.monotonic() - self._told < self.patience.line_s:
            return False
        self._told = self.clock.monotonic()
        return True

    def again(self) -> bool:
        """Sleep until the next look; False if the wait is over."""
        left = self.limit_s - self.waited_s
        if left <= 0:
            return False
        self.clock.sleep(min(self.patience.poll_s, left))
        return True


def until_permitted(wait: Wait, call: Callable[[], T]) -> T:
    """Repeat a call for as long as only a permission seems to be missing, and say so.

    Raises:
        CommandFailed: It fails for another reason, or still fails at the end of the wait.
        SyncError: The same of the database.
    """
    told = ""
    while True:
        try:
            return call()
        except (CommandFailed, SyncError) as error:
            may_pass = error.may_pass if isinstance(error, CommandFailed) else _lacks_permission(error)
            if not may_pass or wait.waited_s >= wait.limit_s:
                raise
            if str(error) != told or wait.line_due():
                told = str(error)
                wait.say(f"Refused: {told}")
                wait.say(f"Trying again for up to {wait.limit_s / 60:.0f} minutes: {ARRIVING}.")
            wait.again()


def _lacks_permission(error: SyncError) -> bool:
    """Whether Google refused a call of ours; the adapter keeps the name of the client library's error."""
    return any(name in str(error) for name in ("PermissionDenied", "Unauthenticated", "NotFound"))
