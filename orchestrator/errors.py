"""Everything that can go wrong, named by what happens next.

    SyncError                      one clear line: what is wrong, where, what to do
    ├─ SettingsInvalid             the process does not start
    ├─ MessageInvalid              acknowledged and dead-lettered: it can never succeed
    ├─ ConnectionInvalid           the task fails, the operator corrects the document
    ├─ RecordInvalid               the record becomes a reject
    ├─ StoreError
    │  ├─ Conflict                 read again, decide again
    │  ├─ StoreUnavailable         outcome unknown: settle by reading, else redeliver
    │  └─ WriteRejected            the store will never accept this data: bisect
    ├─ QueueUnavailable            redeliver
    ├─ SecretError
    │  ├─ SecretMissing            like rejected credentials: the operator acts
    │  └─ SecretUnavailable        redeliver
    ├─ MarketplaceError            the task's stream fails, the next tick is the retry
    │  ├─ RateLimited              wait, or defer
    │  ├─ MarketplaceUnavailable   retried inside the slice a bounded number of times
    │  ├─ CredentialsRejected      the connection needs attention
    │  ├─ PermissionDenied         the connection needs attention
    │  ├─ RequestRejected          failing, and retried at the next tick
    │  ├─ ResponseInvalid          the answer could not be understood
    │  └─ PageTokenExpired         the window starts again from its last sure position
    └─ RequestError                the caller of the HTTP interface or the command line can act on it
       ├─ NotFound
       └─ NotPossible

A message never holds a token, a body, a query string or anything about a buyer.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import ClassVar

#: Characters of a message or of what to do; marketplaces and documents are quoted in them.
_LONGEST = 2_000


class SyncError(Exception):
    """Base of all expected errors.

    Args:
        message: One line that says what is wrong and where.
        action: One line that says what to do about it; may be empty where nobody can act.
    """

    #: The class's name in lower snake case. Documents and logs hold it: renaming a class changes them.
    kind: ClassVar[str] = "error"

    def __init_subclass__(cls) -> None:
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, message: str, *, action: str = "") -> None:
        self.message = one_line(message)
        self.action = one_line(action)
        super().__init__(self.message)


def one_line(text: str) -> str:
    """The text in one line of bearable length."""
    if len(text) > _LONGEST:
        # Where in a document something is wrong stands at the end.
        text = f"{text[: _LONGEST - 500]} … {len(text)} characters … {text[-500:]}"
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


def locate(error: BaseException) -> str:
    """An unexpected exception's type and place, without its text, which may hold what nobody may see."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{place}"


class SettingsInvalid(SyncError):
    """An environment variable is missing or wrong."""


class MessageInvalid(SyncError):
    """A queue message that cannot be understood, now or ever."""


class ConnectionInvalid(SyncError):
    """A connection document, its settings or its credential's content is malformed."""


class RecordInvalid(SyncError):
    """A marketplace's record that cannot be normalized."""


class StoreError(SyncError):
    """Base of what the document store reports."""


class Conflict(StoreError):
    """A precondition did not hold; nothing of the commit was applied."""


class StoreUnavailable(StoreError):
    """The store did not answer; a commit may or may not have been applied."""


class WriteRejected(StoreError):
    """The store refuses the data itself (too large, malformed); nothing was applied."""


class QueueUnavailable(SyncError):
    """Not every message was accepted; publishing again is safe."""


class SecretError(SyncError):
    """Base of what the secret store reports."""


class SecretMissing(SecretError):
    """The reference names nothing, or nothing this identity may read."""


class SecretUnavailable(SecretError):
    """The secret store did not answer."""


class MarketplaceError(SyncError):
    """Base of what a marketplace reports."""


#: No marketplace is left alone for longer, whatever it says: a day.
MAX_WAIT_S = 86_400.0


class RateLimited(MarketplaceError):
    """The marketplace says wait, longer than this slice can.

    Args:
        wait_s: Seconds from now until the next call may be made; a day where it is more or no number.
    """

    def __init__(self, message: str, *, wait_s: float, action: str = "") -> None:
        super().__init__(message, action=action)
        self.wait_s = max(0.0, wait_s) if wait_s < MAX_WAIT_S else MAX_WAIT_S


class MarketplaceUnavailable(MarketplaceError):
    """No usable answer after bounded retries: 5xx, time-out, reset, truncated body."""


class CredentialsRejected(MarketplaceError):
    """The marketplace refuses the credentials, also after one refresh."""


class PermissionDenied(MarketplaceError):
    """The credentials are good but lack a permission (scope, role) for this call."""


class RequestRejected(MarketplaceError):
    """The marketplace refuses the request itself (400, 404, 422)."""


class ResponseInvalid(MarketplaceError):
    """The answer is not what the API promises: not JSON, missing fields, repeated page token."""


class PageTokenExpired(MarketplaceError):
    """The page token is no longer accepted; the window goes on without it."""


class RequestError(SyncError):
    """Base of what a person who asked for something is told."""


class NotFound(RequestError):
    """The named run or connections do not exist."""


class NotPossible(RequestError):
    """The request contradicts the state things are in (409)."""
