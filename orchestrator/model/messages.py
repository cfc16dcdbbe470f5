"""The messages between the HTTP function, the queue and the worker.

No message carries a cursor, an option or a setting: they are read from documents, so a message
that is late, repeated or reordered holds nothing stale.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import MessageInvalid
from orchestrator.model import ids

Kind = Literal["dispatch", "task", "sweep", "cancel", "heal", "check", "vault"]
_Text = Annotated[str, msgspec.Meta(max_length=1_500)]
#: Bounds of a deadline: times computed from it have to stay inside the calendar.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="v", tag="1"):
    """One piece of work. Which fields are set depends on `kind`.

    `dispatch`: run_id, order, deadline_at, marketplace. `task`: also shard, connection_id, slice.
    `sweep`, `cancel`: run_id, marketplace, shard, and last_shard for a range of shards. `heal`: run_id, if a
    run was started with it. `check`: connection_id, check_id. `vault`: nothing more; its document tells.
    """

    kind: Kind
    run_id: _Text = ""
    order: _Text = ""
    deadline_at: datetime | None = None
    marketplace: _Text = ""
    shard: _Text = ""
    #: The last shard of a range that begins with `shard`; empty for one shard. A release that does not know
    #: this field works on the first shard, and its next heal publishes the others again.
    last_shard: _Text = ""
    connection_id: _Text = ""
    #: The document that asks for a check, and takes its answer.
    check_id: _Text = ""
    #: A hint only: how often the task had been continued when this was published.
    slice: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    #: Sent by heal: a task is handled even long past its deadline, and a dispatch never heals again.
    heal: bool = False
    #: Set by the worker's edge if this is not the first delivery; never published.
    redelivered: bool = False

    @property
    def is_continuation(self) -> bool:
        """Whether it continues a task that an earlier slice has handed over."""
        return self.kind == "task" and self.slice > 0


_REQUIRED: dict[str, tuple[str, ...]] = {
    "dispatch": ("run_id", "order", "deadline_at", "marketplace"),
    "task": ("run_id", "order", "deadline_at", "marketplace", "shard", "connection_id"),
    "sweep": ("run_id", "shard"),
    "cancel": ("run_id", "shard"),
    "heal": (),
    "check": ("connection_id", "check_id"),
    "vault": (),
}
#: Fields that become part of a document's path.
_IDS = ("run_id", "shard", "last_shard", "connection_id", "check_id")
_decoder = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """The message as bytes."""
    return msgspec.json.encode(message)


def decode(body: bytes) -> Message:
    """Read a message back.

    Raises:
        MessageInvalid: Not JSON, not this version, a field is missing or of the wrong type, or no document
            can have one of the ids. The error quotes nothing of the body.
    """
    try:
        message = _decoder.decode(body)
    except UNREADABLE as error:
        reason = str(error).partition(" '")[0]  # some errors quote the value, of any length
        raise MessageInvalid(f"queue message of {len(body)} bytes is not understood: {reason}") from error
    missing = [name for name in _REQUIRED[message.kind] if not getattr(message, name)]
    if missing:
        raise MessageInvalid(f"queue message of kind {message.kind!r} lacks {', '.join(missing)}")
    odd = [name for name in _IDS if (id_ := getattr(message, name)) and not ids.is_document_id(id_)]
    if odd:
        raise MessageInvalid(f"queue message of kind {message.kind!r} has no possible id in {', '.join(odd)}")
    if message.deadline_at is not None and message.deadline_at.tzinfo is None:
        raise MessageInvalid(f"queue message of kind {message.kind!r}: deadline_at has no time zone")
    if message.deadline_at is not None and not _EARLIEST < message.deadline_at < _LATEST:
        raise MessageInvalid(f"queue message of kind {message.kind!r}: deadline_at is out of range")
    return message
