"""Two lanes of one task queue: first slices beside all short messages, and continuations on their own.

A continuation is a message like any other: whichever worker receives it can work on it. So the lanes may be
joined or separated while messages wait in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from orchestrator.model.messages import Message
from orchestrator.ports import DeadLetters, DeadMessage, TaskQueue


class _Queue(TaskQueue, Protocol):
    def close(self) -> None:
        """End its connections."""


class _Letters(DeadLetters, Protocol):
    def close(self) -> None:
        """End its connections."""


class Lanes:
    """The TaskQueue port on two queues.

    Args:
        first: Takes all messages that a worker handles soon: a task's first slice is one of them.
        backfill: Takes the continuations of tasks, which take a whole slice.
    """

    def __init__(self, first: _Queue, backfill: _Queue) -> None:
        self._first, self._backfill = first, backfill

    def close(self) -> None:
        """Close both."""
        self._first.close()
        self._backfill.close()

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Publish each message to its lane."""
        short = [message for message in messages if not message.is_continuation]
        long = [message for message in messages if message.is_continuation]
        for lane, its in ((self._first, short), (self._backfill, long)):
            if its:
                lane.publish(its, not_before=not_before)

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Make a dead letter of the first lane: the lane of an unreadable message is unknown."""
        self._first.bury(body, reason=reason, attributes=attributes)


class DeadLanes:
    """The DeadLetters port on the dead letters of both lanes.

    Args:
        first: Those of the first lane.
        backfill: Those of the continuations; their ids begin with `backfill-`, because the lanes number
            their messages independently.
    """

    def __init__(self, first: _Letters, backfill: _Letters) -> None:
        self._first, self._backfill = first, backfill

    def close(self) -> None:
        """Close both."""
        self._first.close()
        self._backfill.close()

    def count(self) -> int | None:
        """The number of both lanes; None if one cannot be told."""
        first, backfill = self._first.count(), self._backfill.count()
        return None if first is None or backfill is None else first + backfill

    def take(self, limit: int) -> list[DeadMessage]:
        """Take from the first lane, and the rest from the other one; oldest first."""
        taken = [replace(each, handle=(self._first, each)) for each in self._first.take(limit)]
        try:
            found = self._backfill.take(limit - len(taken))
        except (
            Exception
        ):  # of any kind: nobody gets these messages now, and taken ones are hidden from others
            self.give_back(taken)
            raise
        taken += [replace(each, id=f"backfill-{each.id}", handle=(self._backfill, each)) for each in found]
        return sorted(taken, key=lambda message: (message.died_at, message.id))

    def give_back(self, messages: Sequence[DeadMessage]) -> None:
        """Make them available again, each in its lane."""
        for lane in (self._first, self._backfill):
            if its := _of(lane, messages):
                lane.give_back(its)

    def remove(self, messages: Sequence[DeadMessage]) -> None:
        """Delete each from its lane."""
        for lane in (self._first, self._backfill):
            if its := _of(lane, messages):
                lane.remove(its)


def _of(lane: _Letters, messages: Sequence[DeadMessage]) -> list[DeadMessage]:
    """The lane's own messages among these, as it gave them."""
    handles = [message.handle for message in messages]
    return [handle[1] for handle in handles if isinstance(handle, tuple) and handle[0] is lane]
