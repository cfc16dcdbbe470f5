"""`audit/{ulid}`: who asked for an action, and through which face."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Face(StrEnum):
    """Where a person acts."""

    HTTP = "http"
    COMMAND_LINE = "command_line"
    PAGE = "page"


class Action(StrEnum):
    """What a person can do."""

    TRIGGER = "trigger"
    RETRY = "retry"
    CANCEL = "cancel"
    ADD = "add"
    SET = "set"
    CHECK = "check"
    MAKE_KEYS = "make_keys"
    ROTATE_KEYS = "rotate_keys"
    PAUSE = "pause"
    RESUME = "resume"
    REMOVE = "remove"
    COMPLETE_ENVELOPES = "complete_envelopes"
    REPLAY = "replay"
    FORGET = "forget"


class Actor(msgspec.Struct, frozen=True):
    """A person, or a program on a person's behalf."""

    #: The e-mail of the credentials in use.
    name: str
    face: Face


class AuditEntry(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One action of a person."""

    at: datetime
    actor: str
    face: Face
    action: Action
    #: None if the action is about no single connection.
    connection_id: str | None = None
    #: None if the action is about no run.
    run_id: str | None = None
    #: The action's options, for people.
    details: str = ""
    #: When the store may delete it.
    expires_at: datetime
