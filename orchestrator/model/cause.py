"""Why a connection's data is not up to date: one cause, which stays in `sync_state` until a task works."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from orchestrator.errors import (
    ConnectionInvalid,
    CredentialsRejected,
    MarketplaceUnavailable,
    PermissionDenied,
    RateLimited,
    ResponseInvalid,
    SecretMissing,
)
from orchestrator.model.counts import ErrorInfo

#: The kinds that are no error's.
INCOMPLETE = "incomplete"
THROTTLED = RateLimited.kind

#: A person has to act before a task with one of these can succeed.
NEEDS_ATTENTION = frozenset(
    error.kind for error in (CredentialsRejected, PermissionDenied, ConnectionInvalid, SecretMissing)
)
#: The marketplace's own trouble: nobody can correct it at the connection.
OF_THE_MARKETPLACE = frozenset({MarketplaceUnavailable.kind, ResponseInvalid.kind})
#: The sync itself continues by the next run; no error has happened.
_WAITS = frozenset({INCOMPLETE, THROTTLED})


class Blame(StrEnum):
    """Whose a cause is, the one that needs a person first."""

    CONNECTION = "connection"
    MARKETPLACE = "marketplace"
    #: The marketplace asked to wait.
    THROTTLED = "throttled"
    #: More is left to read than one run can.
    BACKLOG = "backlog"
    #: Ours: a worker, a limit, a defect.
    SYNC = "sync"


class Cause(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Why a connection's data is not up to date, for the person who has to act."""

    #: An error's kind, `incomplete`, or `rate_limited`.
    kind: str
    message: str
    #: The remedy; empty if nobody can act.
    action: str = ""
    #: When tasks began to end with this kind.
    since: datetime
    #: The marketplace asked to wait until then; None unless it is throttled.
    until: datetime | None = None
    #: None if it is the whole connection's.
    stream: str | None = None

    @property
    def blame(self) -> Blame:
        """Whose it is."""
        return blame_of(self.kind)

    @property
    def is_wait(self) -> bool:
        """Whether the next runs continue without anybody's help, as far as is known."""
        return self.kind in _WAITS

    @property
    def error(self) -> ErrorInfo:
        """The cause as a task's record shows it."""
        return ErrorInfo(kind=self.kind, message=self.message, action=self.action, stream=self.stream)

    @classmethod
    def of(cls, error: ErrorInfo, now: datetime) -> Cause:
        """The cause that an error is from now on."""
        return cls(
            kind=error.kind, message=error.message, action=error.action, since=now, stream=error.stream
        )


def blame_of(kind: str) -> Blame:
    """Whose a cause of this kind is."""
    if kind in NEEDS_ATTENTION:
        return Blame.CONNECTION
    if kind in OF_THE_MARKETPLACE:
        return Blame.MARKETPLACE
    if kind == THROTTLED:
        return Blame.THROTTLED
    return Blame.BACKLOG if kind in {INCOMPLETE, "late"} else Blame.SYNC
