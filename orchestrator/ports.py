"""The ports and the clock: everything that `orchestrator` knows of the world.

Paths are slash-separated and alternate collection and document id
(`runs/t-1/tasks/c-7`). Documents are plain data: None, bool, int, float, str, bytes,
aware UTC `datetime` (microseconds), lists and string-keyed dicts of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from orchestrator.model.change_event import ChangeEvent
from orchestrator.model.messages import Message
from orchestrator.model.vault import KeyIds, Sealed

Document = dict[str, Any]
#: A store compares it in a precondition. Opaque outside its own adapter.
Version = object


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document as it was read."""

    path: str
    data: Document
    version: Version

    @property
    def id(self) -> str:
        """The document's id: the last part of its path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Create:
    """Write a document that must be absent."""

    path: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole document, over any former one."""

    path: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Update:
    """Change a document that must exist.

    `fields` replaces each named top-level field as a whole and keeps the others.
    `increments` adds to numbers at dotted paths (a missing one counts as 0). With `version`
    the document must be unchanged since it was read.
    """

    path: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    version: Version | None = None
    increments: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document; removing an absent one is fine."""

    path: str


Write = Create | Put | Update | Delete


@dataclass(frozen=True, slots=True)
class Written:
    """The result of one write of a commit."""

    #: The document's version now; None after a Delete.
    version: Version | None
    #: The value after each increment, by its dotted path.
    increments: Mapping[str, int]


class Filter(NamedTuple):
    """One condition on a (dotted) field; all conditions of a query must hold."""

    field: str
    op: Literal["==", "<", "<=", ">", ">=", "in"]
    value: Any


@dataclass(frozen=True, slots=True)
class Query:
    """At most `limit` documents of one collection, in order.

    Order is by document id, or by the (dotted) field `order_by` and then by id; documents
    without that field are skipped. A range condition without `order_by` orders by its own
    field. `descending` needs a field: Firestore cannot list ids backwards. `after` resumes
    behind a document: `(id,)`, or `(field value, id)` with a field.

    A `group` query reads all collections of this id, below whatever document (a collection group). It needs
    an `order_by`, orders equal values by path, and resumes behind `(field value, path)`.
    """

    collection: str
    limit: int = field(kw_only=True)
    where: Sequence[Filter] = field(default=(), kw_only=True)
    order_by: str | None = field(default=None, kw_only=True)
    descending: bool = field(default=False, kw_only=True)
    after: tuple[Any, ...] | None = field(default=None, kw_only=True)
    group: bool = field(default=False, kw_only=True)

    @property
    def sort_field(self) -> str | None:
        """The field documents are ordered by before their id; None for the id alone.

        Raises:
            ValueError: `descending` without a field.
        """
        ranged = (each.field for each in self.where if each.op not in {"==", "in"})
        name = self.order_by if self.order_by is not None else next(ranged, None)
        if name is None and self.descending:
            raise ValueError("documents are listed backwards by a field only")
        return name


class DocumentStore(Protocol):
    """Documents with versions and atomic commits.

    All methods raise StoreUnavailable when the store cannot be reached in bounded time.
    """

    def get(self, path: str) -> Snapshot | None:
        """Read one document; None if it is absent."""

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """Read several documents in one round trip, in the order asked for."""

    def query(self, query: Query) -> list[Snapshot]:
        """Read the documents that a query selects, in its order."""

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """Count documents without reading them; with `group` those of all collections of this id."""

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """Add up a number at a (dotted) field without reading the documents.

        Documents without the field, or with something else there, count as 0.
        """

    def now(self) -> datetime | None:
        """The store's own time: never ahead of it, and never a read.

        It is the time of the last answer, plus this process's monotonic time since. None if the store has
        no clock but this machine's, or has not answered yet: then the machine's clock has to do.
        """

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Apply all writes or none; one result a write, in order. A path occurs at most once.

        Raises:
            Conflict: A precondition did not hold. Also if this commit was applied, its answer was
                lost and it was sent again: settle by reading.
            StoreUnavailable: The outcome is unknown: settle by reading.
            WriteRejected: The data is refused (a document over 1 MiB, a commit over 10 MiB).
        """


class TaskQueue(Protocol):
    """At-least-once delivery of messages to the worker."""

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Return when every message is accepted.

        With `not_before` the embedded queue holds the messages until then; a queue that cannot
        delay publishes nothing (the next run or a heal continues, see the protocol's Deferral).

        Raises:
            QueueUnavailable: Some were not accepted; publishing all of them again is safe.
        """

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Make a dead letter of a message that can never be understood.

        Args:
            body: Unchanged.
            reason: Why it cannot be worked on.
            attributes: Unchanged.

        Raises:
            QueueUnavailable: It may be missing there; let it be redelivered.
        """


class ChangeFeed(Protocol):
    """At-least-once events for consumers of the records, in no order."""

    def publish(self, events: Sequence[ChangeEvent]) -> None:
        """Return when every event is accepted; it takes few seconds, also when it fails.

        Raises:
            ChangesUnavailable: Some were not accepted; publishing all of them again is safe.
        """


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A dead letter."""

    #: Its id among the dead letters.
    id: str
    body: bytes
    attributes: Mapping[str, str]
    #: When it was first published; if the worker buried it, when that happened.
    published_at: datetime
    died_at: datetime
    #: Its failed deliveries.
    deliveries: int
    #: Gives it back or removes it. Opaque outside its own adapter.
    handle: object

    @property
    def reason(self) -> str:
        """Why the worker buried it; empty if its deliveries failed."""
        return self.attributes.get("reason", "")


class Counter(Protocol):
    """Counts something."""

    def count(self) -> int | None:
        """The number; None if it cannot be told."""


class DeadLetters(Protocol):
    """The operators' side of the queue: messages given up, until a person decides about them.

    All methods raise QueueUnavailable when the queue cannot be reached in bounded time.
    """

    def count(self) -> int | None:
        """Their number; None if it cannot be told cheaply by this identity."""

    def take(self, limit: int) -> list[DeadMessage]:
        """Take up to `limit` of them, oldest first; Pub/Sub withholds them from others for ten minutes."""

    def give_back(self, messages: Sequence[DeadMessage]) -> None:
        """Make them available again."""

    def remove(self, messages: Sequence[DeadMessage]) -> None:
        """Delete them; deleting an absent one is fine."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the functions' log."""

    #: When it was written, in RFC 3339 with nanoseconds, as the log keeps it.
    at: str
    #: Orders lines of one time; unique among them.
    id: str
    severity: str
    message: str
    #: All other fields, `action` among them.
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Lines of a run, of a connection, or of both, the oldest first."""

    run_id: str | None = field(default=None, kw_only=True)
    connection_id: str | None = field(default=None, kw_only=True)
    #: The least severity.
    severity: str | None = field(default=None, kw_only=True)
    since: datetime = field(kw_only=True)
    until: datetime = field(kw_only=True)
    #: Resumes behind a line: its `at` and `id`.
    after: tuple[str, str] | None = field(default=None, kw_only=True)
    limit: int = field(kw_only=True)


class LogReader(Protocol):
    """The functions' log, read back for operators."""

    def read(self, query: LogQuery) -> list[LogLine]:
        """At most `limit` lines; fewer only if there are no more.

        Raises:
            LogUnavailable: The log did not answer, or refuses this account.
        """


class SecretStore(Protocol):
    """Secrets by reference; values never appear in documents, logs or errors."""

    def get(self, reference: str, *, fresh: bool = False) -> str:
        """The secret's content: the version named, or the latest.

        It may be some minutes old, unless `fresh` reads past the memory, which is for content that was
        refused.

        Raises:
            SecretMissing: No such secret, version or permission; the message names the reference.
            SecretUnavailable: The store did not answer.
        """

    def previous(self, reference: str) -> str | None:
        """The content of the version before the latest, while it is enabled; else None."""

    def add_version(self, reference: str, content: str) -> None:
        """Store a new latest version (a rotated refresh token) before it is used.

        Raises:
            SecretMissing: The reference cannot be written to.
            SecretUnavailable: The store did not answer.
        """

    def create(self, reference: str) -> None:
        """Make a place for the versions of a secret, if there is none; it has no version yet.

        Raises:
            SecretMissing: It cannot be made; the message says why.
            SecretUnavailable: The store did not answer.
        """


class Vault(Protocol):
    """Encryption that everybody can do who has the public keyset, and only the worker can undo.

    A context is authenticated with the text: the same bytes have to be given again to decrypt. All methods
    raise SecretMissing if a keyset is absent, damaged or may not be read, and SecretUnavailable if the secret
    store does not answer; no message holds a text or a key.
    """

    def seal(self, content: str, context: bytes) -> Sealed:
        """Encrypt with the public keyset: for people."""

    def seal_own(self, content: str, context: bytes) -> Sealed:
        """Encrypt with the public half of the private keyset: for the worker, who trusts no other."""

    def unseal(self, sealed: bytes, context: bytes) -> str:
        """Decrypt; an unknown key has the keyset read again, once.

        Raises:
            SecretMissing: Its key is unknown, the context is another one, or a byte has changed.
        """

    def held(self) -> KeyIds | None:
        """The private keyset as it is now, not from memory; None if there is none yet."""

    def published(self) -> KeyIds | None:
        """The public keyset as it is now, not from memory; None if there is none yet."""

    def has_foreign_keys(self) -> bool:
        """Whether the public keyset has a key that is not of the private keyset: it may be a stranger's."""

    def add_key(self) -> KeyIds:
        """Add a key that encrypts from now on, to the private keyset; makes the keyset if there is none."""

    def drop_others(self, key_id: int) -> KeyIds:
        """Keep one key: first in the public keyset, then in the private one."""

    def publish(self) -> None:
        """Make the public keyset the public half of the private one, if it is not."""


class Clock(Protocol):
    """Time, so that tests and the simulation own it."""

    def now(self) -> datetime:
        """The wall clock: aware UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back, for durations and budgets."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
