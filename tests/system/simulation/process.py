"""What dies, freezes and stops together: one invocation of a function, or one person's command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.model.messages import Message
from orchestrator.settings import Settings

#: A frozen process goes on after so many seconds at most: longer than a lease.
MOST_FROZEN_S = 1500.0


class Killed(BaseException):
    """The process is gone: nothing of it runs on."""


@dataclass(eq=False)
class Process:
    """One invocation with its read-ahead, and what the checks have to know of it."""

    name: str = "harness"
    #: The environment that it was started with; None if it is the history's first one.
    settings: Settings | None = None
    #: How far its clock is off.
    skew_s: float = 0.0
    #: Whether it is an invocation of a function, which may be frozen and told to stop.
    is_function: bool = False
    began_s: float = 0.0
    #: The version of its streams.
    version: int = 1
    is_dead: bool = False
    has_ended: bool = False
    #: When it last wrote to the store.
    wrote_s: float = 0.0
    #: SIGTERM: it was told to end.
    is_stopping: bool = False
    #: SIGSTOP: nothing of it runs before then.
    thaws_at_s: float = 0.0
    #: Its lease on a connection, once it has claimed one, and when it did.
    owner: str | None = None
    claimed_s: float = 0.0
    #: The message that it was started for.
    message: Message | None = None
    #: The connection whose task it was started for.
    connection_id: str | None = None
    #: Whether the connections it has read let buyers' data be stored.
    consents: dict[str, bool] = field(default_factory=dict)
    #: The region that its session lists.
    region: str = "all"
    #: What it has done so far: calls of the store and messages published.
    calls: int = 0
    published: int = 0
    #: Whether our own side has failed it: it may be slow then.
    is_troubled: bool = False
    #: A person's command stalls after so many calls (a laptop is closed), for so many seconds.
    stalls_after: int = -1
    stalls_s: float = 0.0
    when_dead: list[Callable[[], None]] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        """Whether anything of it may still run."""
        return not self.is_dead and not self.has_ended

    def stop(self) -> None:
        """Send SIGTERM."""
        self.is_stopping = True

    def kill(self) -> None:
        """Send SIGKILL."""
        if not self.is_dead:
            self.is_dead = True
            for tell in self.when_dead:
                tell()
