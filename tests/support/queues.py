"""The queue of every test that needs no real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestrator.model.messages import Message, decode, encode


class ListQueue:
    """A queue that delivers nothing: its messages wait in a list until a test takes them.

    Args:
        buries: Whether a message may become a dead letter; otherwise the test fails at one.
    """

    def __init__(self, *, buries: bool = False) -> None:
        self._buries = buries
        self.messages: list[Message] = []
        #: Messages published with `not_before`, each with that time.
        self.held: list[tuple[datetime, Message]] = []
        #: Dead letters: body, reason, attributes.
        self.buried: list[tuple[bytes, str, dict[str, str]]] = []
        #: Raised by every call.
        self.error: Exception | None = None

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Keep copies as they would travel."""
        if self.error is not None:
            raise self.error
        copies = [decode(encode(message)) for message in messages]
        if not_before is None:
            self.messages += copies
        else:
            self.held += [(not_before, message) for message in copies]

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Keep a dead letter."""
        if self.error is not None:
            raise self.error
        assert self._buries, reason
        self.buried.append((body, reason, dict(attributes)))
