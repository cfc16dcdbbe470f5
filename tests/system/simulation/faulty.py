"""Store and queue as one simulated process reaches them: with faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from orchestrator.errors import Conflict, QueueUnavailable, StoreUnavailable, WriteRejected
from orchestrator.model.messages import Message, decode, encode
from orchestrator.ports import Create, Filter, Put, Query, Snapshot, Write, Written
from tests.system.simulation.process import Process
from tests.system.simulation.rows import UNSTORABLE

T = TypeVar("T")

if TYPE_CHECKING:
    from tests.system.simulation.history import History
    from tests.system.simulation.subscription import Subscription


@dataclass
class Faults:
    """How often our own side goes wrong, chosen by the seed; nothing does once they are over."""

    killed: float = 0.0
    #: SIGSTOP, longer than a lease; SIGTERM.
    frozen: float = 0.0
    stopped: float = 0.0
    unavailable: float = 0.0
    #: Applied, and the answer lost.
    ambiguous: float = 0.0
    #: Applied, and refused when the client library sends it again.
    resent: float = 0.0
    unpublished: float = 0.0
    duplicated: float = 0.0
    #: By minutes; by hours.
    delayed: float = 0.0
    very_late: float = 0.0
    lost: float = 0.0
    no_secrets: float = 0.0
    stale_secret: float = 0.0
    #: Of a row's versions, those that the store will not have.
    unstorable: float = 0.0
    skew_s: float = 0.0


@dataclass
class Apple:
    """A connection of which everything fails, and how."""

    connection_id: str = ""
    kind: str = ""


APPLES = ("slow", "unavailable", "limited", "refused", "defect", "secretless", "malformed")


class SimStore:
    """The store as one process reaches it."""

    def __init__(self, history: History, process: Process) -> None:
        self._history, self._process = history, process

    def get(self, path: str) -> Snapshot | None:
        """See DocumentStore."""
        return self._reading(f"reads {path}", lambda: self._history.store.get(path))

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """See DocumentStore."""
        found = self._reading(f"reads {', '.join(paths)}", lambda: self._history.store.get_many(paths))
        for snapshot in found:
            if snapshot is not None and snapshot.path.startswith("connections/"):
                self._process.consents[snapshot.id] = snapshot.data.get("store_buyer_pii") is True
        return found

    def query(self, query: Query) -> list[Snapshot]:
        """See DocumentStore."""
        return self._reading(f"queries {query.collection}", lambda: self._history.store.query(query))

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """See DocumentStore."""
        return self._reading(
            f"counts {collection}", lambda: self._history.store.count(collection, where, group=group)
        )

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """See DocumentStore."""
        return self._reading(f"sums {collection}", lambda: self._history.store.sum(collection, field, where))

    def now(self) -> datetime | None:
        """See DocumentStore; its clock is right, whatever the process takes the time to be."""
        return self._history.loop.now

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """See DocumentStore; everything that can become of a commit does, now and then."""
        history, faults = self._history, self._history.faults
        history.step(self._process, writes=True)
        if history.happens(faults.unavailable):
            raise self._away("the store did not answer")
        self._refuse(writes)
        try:
            written = history.store.commit(writes)
        except Conflict as error:
            history.say(f"is refused: {error}")
            raise
        self._process.wrote_s = history.loop.now_s
        history.say(lambda: f"commits {', '.join(_named(write) for write in writes)}")
        history.perhaps_die(self._process)
        if history.happens(faults.ambiguous):
            raise self._away("the answer was lost")
        if history.happens(faults.resent):
            with suppress(Conflict):
                return history.store.commit(writes)
            history.seen["re-sent commit refused"] += 1
            raise Conflict("sent again, and refused by what it did itself")
        return written

    def _refuse(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, Put | Create) and UNSTORABLE in str(write.data.get("marketplace_status")):
                self._history.seen["store refuses a record"] += 1
                raise WriteRejected(f"{write.path}: cannot be stored")

    def _reading(self, what: str, read: Callable[[], T]) -> T:
        history = self._history
        history.step(self._process, writes=False)
        if history.happens(history.faults.unavailable / 3):
            raise self._away("the store did not answer")
        history.say(what)
        return read()

    def _away(self, how: str) -> StoreUnavailable:
        self._process.is_troubled = True
        self._history.say(f"fails: {how}")
        return StoreUnavailable(how)


class SimQueue:
    """One lane of the queue as one process reaches it."""

    def __init__(self, history: History, process: Process, lane: Subscription) -> None:
        self._history, self._process, self._lane = history, process, lane

    def close(self) -> None:
        """Nothing is open."""

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """See TaskQueue; Pub/Sub cannot delay, the embedded queue can."""
        history, faults = self._history, self._history.faults
        for message in messages:
            history.step(self._process, writes=True)
            if history.happens(faults.unpublished):
                raise self._away("not all accepted")
            self._process.published += 1
            if not_before is None:
                self._lane.enqueue(decode(encode(message)))
            elif history.knobs.queue_holds:
                history.seen["held until due"] += 1
                wait_s = (not_before - history.loop.now).total_seconds()
                self._lane.enqueue(decode(encode(message)), after_s=max(0.0, wait_s))
        if history.happens(faults.unpublished):
            raise self._away("all accepted, and nobody knows")

    def _away(self, how: str) -> QueueUnavailable:
        self._process.is_troubled = True
        self._history.say(f"fails to publish: {how}")
        return QueueUnavailable(how)

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Every message here can be read."""
        raise AssertionError(reason)


def _named(write: Write) -> str:
    return f"{type(write).__name__.lower()} {write.path}"
