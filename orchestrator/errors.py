"""All expected errors, named by the reaction to them.

    SyncError                      one clear line: the fault, its place, its remedy
    ├─ SettingsInvalid             the process does not start
    ├─ MessageInvalid              acknowledged and kept as a dead letter: it can never succeed
    ├─ ConnectionInvalid           the task fails, the operator corrects the document
    ├─ RecordInvalid               the record becomes a reject
    ├─ StoreError
    │  ├─ Conflict                 read again, decide again
    │  ├─ StoreUnavailable         outcome unknown: settle by reading, else redeliver
    │  └─ WriteRejected            the store will never accept this data: bisect
    ├─ QueueUnavailable            redeliver
    ├─ LogUnavailable              the command line says so
    ├─ ChangesUnavailable          the task is closed all the same, and its changes are told later
    ├─ SecretError
    │  ├─ SecretMissing            like rejected credentials: the operator acts
    │  │  └─ SecretAbsent          there is none yet
    │  └─ SecretUnavailable        redeliver
    ├─ MarketplaceError            the task's stream fails, the next tick is the retry
    │  ├─ RateLimited              wait, or defer
    │  ├─ MarketplaceUnavailable   retried inside the slice a bounded number of times
    │  ├─ CredentialsRejected      the connection needs attention
    │  ├─ PermissionDenied         the connection needs attention
    │  ├─ RequestRejected          failing, and retried at the next tick
    │  ├─ ResponseInvalid          the answer cannot be understood
    │  └─ PageTokenExpired         the window starts again from its last sure position
    └─ RequestError                the caller of the HTTP interface or the command line can act on it
       ├─ NotFound
       └─ NotPossible

A message never holds a token, a body, a query string or anything about a buyer.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import ClassVar

#: Characters of a message or a remedy; they quote marketplaces and documents.
_LONGEST = 2_000


class SyncError(Exception):
    """Base of all expected errors.

    Args:
        message: One line with the fault and its place.
        action: One line with the remedy; empty if nobody can act.
    """

    #: The word for it in documents and logs; a connector's own subclass keeps that of its base.
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, action: str = "") -> None:
        self.message = one_line(message)
        self.action = one_line(action)
        super().__init__(self.message)


def one_line(text: str) -> str:
    """The text in one line, cut in the middle if it is very long."""
    if len(text) > _LONGEST:
        # The end names the place of a fault in a document.
        text = f"{text[: _LONGEST - 500]} … {len(text)} characters … {text[-500:]}"
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


def locate(error: BaseException) -> str:
    """An unexpected exception's type and place, without its text, which may hold private data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{place}"


class SettingsInvalid(SyncError):
    """An environment variable is missing or wrong."""

    kind = "settings_invalid"


class MessageInvalid(SyncError):
    """A queue message that cannot be understood, now or ever."""

    kind = "message_invalid"


class ConnectionInvalid(SyncError):
    """A connection document, its settings or its credential's content is malformed."""

    kind = "connection_invalid"


class RecordInvalid(SyncError):
    """A marketplace's record that cannot be normalized."""

    kind = "record_invalid"


class StoreError(SyncError):
    """Base of the document store's errors."""

    kind = "store_error"


class Conflict(StoreError):
    """A precondition did not hold; nothing of the commit was applied."""

    kind = "conflict"


class StoreUnavailable(StoreError):
    """The store did not answer; a commit may or may not have been applied."""

    kind = "store_unavailable"


class WriteRejected(StoreError):
    """The store refuses the data itself (too large, malformed); nothing was applied."""

    kind = "write_rejected"


class QueueUnavailable(SyncError):
    """Not every message was accepted; publishing again is safe."""

    kind = "queue_unavailable"


class LogUnavailable(SyncError):
    """The log cannot be read back now, or not by this account."""

    kind = "log_unavailable"


class ChangesUnavailable(SyncError):
    """Not every event was accepted; publishing again is safe."""

    kind = "changes_unavailable"


class SecretError(SyncError):
    """Base of the secret store's errors."""

    kind = "secret_error"


class SecretMissing(SecretError):
    """The reference names no secret, or none for this identity."""

    kind = "secret_missing"


class SecretAbsent(SecretMissing):
    """There is no such secret, or it has no version yet; nobody is refused."""


class SecretUnavailable(SecretError):
    """The secret store did not answer."""

    kind = "secret_unavailable"


class MarketplaceError(SyncError):
    """Base of a marketplace's errors."""

    kind = "marketplace_error"


#: The longest wait that a marketplace may ask for: a day.
MAX_WAIT_S = 86_400.0


class RateLimited(MarketplaceError):
    """The marketplace asks for a wait beyond this slice's end.

    Args:
        wait_s: Seconds from now until the next call may be made; a day if it is more, or not a number.
    """

    kind = "rate_limited"

    def __init__(self, message: str, *, wait_s: float, action: str = "") -> None:
        super().__init__(message, action=action)
        self.wait_s = max(0.0, wait_s) if wait_s < MAX_WAIT_S else MAX_WAIT_S


class MarketplaceUnavailable(MarketplaceError):
    """No usable answer after bounded retries: 5xx, timeout, reset, truncated body."""

    kind = "marketplace_unavailable"


class CredentialsRejected(MarketplaceError):
    """The marketplace refuses the credentials, also after one refresh."""

    kind = "credentials_rejected"


class PermissionDenied(MarketplaceError):
    """The credentials are good but lack a permission (scope, role) for this call."""

    kind = "permission_denied"


class RequestRejected(MarketplaceError):
    """The marketplace refuses the request itself (400, 404, 422)."""

    kind = "request_rejected"


class ResponseInvalid(MarketplaceError):
    """The answer breaks the API's promise: not JSON, missing fields, repeated page token."""

    kind = "response_invalid"


class PageTokenExpired(MarketplaceError):
    """The page token is no longer accepted; the window continues without it."""

    kind = "page_token_expired"


class RequestError(SyncError):
    """Base of errors that are told to the person who made the request."""

    kind = "request_error"


class NotFound(RequestError):
    """The named run or connections do not exist."""

    kind = "not_found"


class NotPossible(RequestError):
    """The request contradicts the current state (409)."""

    kind = "not_possible"
