"""The vault's keys, and its documents: a credential, a question to the worker, the state of the keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from orchestrator.model.audit import Face

#: The document with the state of the vault's keys.
KEYS_PATH = "vault/keys"


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted text."""

    #: Bytes of the vault's own form.
    content: bytes
    #: The key that it was encrypted with.
    key_id: int


@dataclass(frozen=True, slots=True)
class KeyIds:
    """The keys of a keyset, by id."""

    #: The one that encrypts.
    primary: int
    #: All of them.
    ids: frozenset[int]


class StoredCredential(msgspec.Struct, kw_only=True, frozen=True):
    """`credentials/{connection_id}`: written by people; by the worker if a token or the keys rotate."""

    #: The ciphertext of the secret's JSON.
    sealed: bytes
    #: The key that `sealed`, and `previous` too, was encrypted with.
    key_id: int
    #: The ciphertext before a marketplace rotated a token in it; None after a person has set it.
    previous: bytes | None = None
    #: When a person set it.
    set_at: datetime
    updated_at: datetime


class CheckError(msgspec.Struct, kw_only=True, frozen=True):
    """How a check failed."""

    kind: str
    message: str
    action: str = ""


class CheckRequest(msgspec.Struct, kw_only=True, frozen=True):
    """`checks/{ulid}`: a person asks the worker to try a connection's credential, and reads the answer."""

    connection_id: str
    requested_by: str
    face: Face
    requested_at: datetime
    #: None until it is answered.
    answered_at: datetime | None = None
    #: The line that names the seller's account.
    account: str = ""
    error: CheckError | None = None
    expires_at: datetime


class KeysAction(StrEnum):
    """What the worker is asked to do with the vault's keys."""

    INIT = "init"
    ROTATE = "rotate"


class KeysStatus(StrEnum):
    """The progress of what was asked for last."""

    #: The worker has not begun, or has been interrupted.
    REQUESTED = "requested"
    #: The new key encrypts; credentials are being encrypted again.
    RESEALING = "resealing"
    #: Some credentials cannot be read, so the old keys stay.
    BLOCKED = "blocked"
    DONE = "done"
    #: Nothing was done, for the reason in `error`.
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether something else may be asked for."""
        return self in {KeysStatus.DONE, KeysStatus.FAILED}


class KeysState(msgspec.Struct, kw_only=True, frozen=True):
    """`vault/keys`: the state of the vault's keys; no key is in it."""

    action: KeysAction
    status: KeysStatus
    requested_by: str
    requested_at: datetime
    #: The invocation that works on it, and until when nobody else may.
    owner: str | None = None
    expires_at: datetime | None = None
    #: The key that encrypted when a rotation began.
    from_key: int | None = None
    #: The key that encrypts now.
    key: int | None = None
    #: When everybody could read the new key.
    published_at: datetime | None = None
    #: The last connection whose credential this pass has looked at; empty at a pass's beginning.
    after: str = ""
    #: Whether this is the pass after all have let go of the old keyset.
    is_last_pass: bool = False
    #: Credentials encrypted again.
    resealed: int = 0
    #: Connections whose credential could not be read in this pass: the first of them, and their number.
    unreadable: tuple[str, ...] = ()
    unreadable_count: int = 0
    finished_at: datetime | None = None
    error: str = ""

    def is_held(self, now: datetime) -> bool:
        """Whether a worker is at it."""
        return self.owner is not None and self.expires_at is not None and self.expires_at > now
