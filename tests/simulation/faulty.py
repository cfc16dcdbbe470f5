"""Store, queue and secrets as one simulated process reaches them: with faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.errors import Conflict, QueueUnavailable, StoreUnavailable
from orchestrator.messages import Message, decode, encode
from orchestrator.ports import Filter, Snapshot, Write, Written
from tests.simulation.loop import Process

T = TypeVar("T")

if TYPE_CHECKING:
    from tests.simulation.history import History


@dataclass
class Faults:
    """How often our own side goes wrong, chosen by the seed; nothing does once they are over."""

    killed: float = 0.0
    unavailable: float = 0.0
    #: Applied, and the answer lost.
    ambiguous: float = 0.0
    #: Applied, and refused when the client library sends it again.
    resent: float = 0.0
    unpublished: float = 0.0
    duplicated: float = 0.0
    delayed: float = 0.0
    lost: float = 0.0
    skew_s: float = 0.0


class SimStore:
    """The store as one process reaches it."""

    def __init__(self, history: History, process: Process) -> None:
        self._history, self._process = history, process

    def get(self, path: str) -> Snapshot | None:
        """See DocumentStore."""
        return self._reading(lambda: self._history.store.get(path))

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """See DocumentStore."""
        return self._reading(lambda: self._history.store.get_many(paths))

    def query(self, collection: str, **options: Any) -> list[Snapshot]:
        """See DocumentStore."""
        return self._reading(lambda: self._history.store.query(collection, **options))

    def count(self, collection: str, where: Sequence[Filter] = ()) -> int:
        """See DocumentStore."""
        return self._reading(lambda: self._history.store.count(collection, where))

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """See DocumentStore; everything that can become of a commit does, now and then."""
        history, faults = self._history, self._history.faults
        history.loop.pause()
        history.perhaps_die(self._process)
        if history.happens(faults.unavailable):
            raise StoreUnavailable("the store did not answer")
        written = history.store.commit(writes)
        history.perhaps_die(self._process)
        if history.happens(faults.ambiguous):
            raise StoreUnavailable("the answer was lost")
        if history.happens(faults.resent):
            with suppress(Conflict):
                return history.store.commit(writes)
            raise Conflict("sent again, and refused by what it did itself")
        return written

    def _reading(self, read: Callable[[], T]) -> T:
        history = self._history
        history.loop.pause()
        if history.happens(history.faults.unavailable / 3):
            raise StoreUnavailable("the store did not answer")
        return read()


class SimQueue:
    """The queue as one process reaches it, and its deliveries."""

    def __init__(self, history: History, process: Process) -> None:
        self._history, self._process = history, process

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """See TaskQueue; it cannot delay, as Pub/Sub cannot."""
        history, faults = self._history, self._history.faults
        for message in messages:
            history.loop.pause()
            history.perhaps_die(self._process)
            if history.happens(faults.unpublished):
                raise QueueUnavailable("not all accepted")
            if not_before is None:
                history.enqueue(decode(encode(message)))
        if history.happens(faults.unpublished):
            raise QueueUnavailable("all accepted, and nobody knows")

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Every message here can be read."""
        raise AssertionError(reason)


class NoSecrets:
    """Nothing is secret here."""

    def get(self, reference: str, *, fresh: bool = False) -> str:
        """Nothing."""
        return "{}"

    def previous(self, reference: str) -> str | None:
        """Nothing."""
        return None

    def add_version(self, reference: str, content: str) -> None:
        """Nothing."""
