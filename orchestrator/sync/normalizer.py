"""From raw records to the changes they make: normalized, and compared with the digest."""

from __future__ import annotations

import hashlib
import logging
from array import array
from collections.abc import Sequence
from datetime import datetime
from itertools import chain

import msgspec

from orchestrator.errors import MarketplaceError, RecordInvalid, ResponseInvalid, one_line
from orchestrator.marketplaces.scrub import scrub
from orchestrator.marketplaces.spec import AnyStream, Listing, Unshown
from orchestrator.model import ids
from orchestrator.model.connection import Connection
from orchestrator.model.counts import StreamCounts
from orchestrator.model.records.document import Envelope, add_raw, document_of, fit
from orchestrator.model.records.record import Order, Record
from orchestrator.model.state import OpenWindow
from orchestrator.ports import Put
from orchestrator.sync.changes import Change, Incomplete
from orchestrator.sync.digest import Digest, content_of, incomplete, key_of
from orchestrator.sync.rejects import MAX_SEARCHED_BYTES, Rejects, reason_of
from orchestrator.sync.task_context import TaskContext
from orchestrator.sync.windows import Terms, day_of, lists_all, oldest_remembered

log = logging.getLogger(__name__)

#: Records of an unfinished page that the open window keeps, 16 bytes each; a larger page repeats some calls.
MAX_STORED = 4_096

# Equal content has equal bytes, also if a map was filled in another order.
_encode = msgspec.json.Encoder(order="deterministic").encode


class Normalizer:
    """Turns the raw records of one window of a stream into changes."""

    def __init__(
        self,
        task: TaskContext,
        terms: Terms,
        window: OpenWindow,
        counts: StreamCounts,
        suspects: set[int],
        *,
        history: OpenWindow | None = None,
        asks_again: bool = False,
    ) -> None:
        self._stream = stream = terms.stream
        self._connection = task.connection
        self._personal_fields = task.connector.personal_fields
        self._until, self._full, self._counts = window.until, window.full, counts
        self._salt = salt_of(stream, task.connection)
        now = task.services.clock.now()
        self._envelope = Envelope.of(task.holder.connection_id, task.connection, now)
        #: Whether details that could not be read are asked for again.
        self._asks_again = asks_again or window.long or stream.listing is Listing.SNAPSHOT
        #: Records of this page that are stored without their details.
        self.bare: list[Unshown] = []
        #: Records of the unfinished page that are completed and stored, with their content.
        self._stored = _unpacked(window.stored)
        #: The path of the stream's documents.
        self.collection = f"{ids.connection_path(task.holder.connection_id)}/{stream.name}"
        self.rejects = Rejects(task, stream, counts, window.full)
        #: No entries of days before this are made: a later window cannot read their records again.
        self.oldest_day = oldest_remembered(terms, window.until)
        #: Whether records that the window does not show may have vanished.
        self.lists_all = lists_all(stream, window)
        #: Records that an earlier complete listing did not show, and this window has not shown so far.
        self.suspects = suspects
        #: Latest modification time read so far; None if the marketplace's order cannot be trusted.
        self.position = window.position if stream.ordered else None
        #: Known records of this window are left to a migration, which reads it by itself; None if none are.
        self._history = history
        #: Whether some record's id could not be read.
        self.blind = window.blind

    def changes(self, records: Sequence[bytes], digest: Digest) -> list[Change]:
        """The changes that records make, one for each id; the later of two versions of a record wins."""
        changes: dict[int, Change] = {}
        normalize, pii = self._stream.normalize, self._connection.store_buyer_pii
        self._counts.seen += len(records)
        for raw in records:
            try:
                record = normalize(raw, pii)
                ids.escape(record.id)
                encoded = _encode(record)
            except Exception as error:  # noqa: BLE001 - a failing record does not stop the others
                self._reject(raw, error, digest, changes)
                continue
            key = key_of(record.id)
            day = self._observe(record)
            content = content_of(encoded, self._salt)
            known = digest.get(key)
            remembered = known is not None or day >= self.oldest_day
            if remembered:
                self._see(key, digest)
            earlier = changes.get(key)
            if earlier is None and self._is_known(key, content, known):
                self._counts.unchanged += 1
                if known == incomplete(content):
                    self._note_bare(record, "")
                continue
            if self._is_passed_over(record, earlier, known):
                self._counts.unchanged += 1
                continue
            if self.rejects.was_refused(record.id, content, digest):
                continue
            try:
                change = self._change(record, raw, content, known, len(encoded))
            except RecordInvalid as error:
                self._reject(raw, error, digest, changes)
                continue
            if earlier is None:
                self._counts.written += 1
            else:
                self._counts.unchanged += 1  # one document is written, however often the page shows it
            change.entries += [(key, content, day)] if remembered else []
            changes[key] = change
            self.rejects.clear(record.id, digest, change)
            # An earlier row of the page held an unreadable version of the record.
            changes.pop(self.rejects.key(record.id), None)
        return list(changes.values())

    def _change(self, record: Record, raw: bytes, content: int, known: int | None, json_bytes: int) -> Change:
        """The change that stores a record, or has it completed first; raises as `_put` does."""
        if self._stream.complete is None:
            put, size = self._put(record, raw, json_bytes)
            return Change([put], [], size, record.updated_at)
        again = known == incomplete(content)
        return Incomplete(
            [],
            [],
            0,
            record.updated_at,
            record_id=record.id,
            raw=raw,
            record=record,
            content=content,
            json_bytes=json_bytes,
            again=again,
        )

    def _is_passed_over(self, record: Record, earlier: Change | None, known: int | None) -> bool:
        """Whether a record is older than another row of its page, or is left to the migration."""
        if earlier is not None and _is_older(record.updated_at, earlier.updated_at):
            return True
        return known is not None and self._is_left(record)

    def _is_left(self, record: Record) -> bool:
        """Whether a known record is left to the migration."""
        history, moment = self._history, record.updated_at
        return history is not None and moment is not None and history.since <= moment <= history.until

    def completed(self, change: Incomplete, row: bytes | MarketplaceError, digest: Digest) -> Change | None:
        """The change that stores a record with its details, from its completed row.

        A record whose details cannot be read, or make no sense, is stored as it is listed, with a warning.
        It is completed once they can be read. None if it is stored so already, or kept as a reject.
        """
        self._stored[key_of(change.record_id)] = change.content
        if isinstance(row, bytes):
            try:
                # Most rows need no details, and come back as they are.
                if row == change.raw:
                    return self._stored_as(change, change.record, row, change.json_bytes)
                record = self._normalized(row)
                return self._stored_as(change, record, row, len(_encode(record)))
            except Exception as error:  # noqa: BLE001 - details that make no sense cost their record no more
                row = ResponseInvalid(reason_of(error, self._stream.name, change.record_id))
        try:
            if change.again and not self._full:
                self._note_bare(change.record, row.message)
                self._counts.written -= 1
                self._counts.unchanged += 1
                return None
            bare = self._without_details(change, row)
            return self._stored_as(change, bare, change.raw, len(_encode(bare)))
        except Exception as error:  # noqa: BLE001 - nor does a record that cannot be stored stop the others
            self._counts.written -= 1
            return self.rejects.unreadable(change.raw, change.content, change.record_id, error, digest)

    def _stored_as(self, change: Incomplete, record: Record, raw: bytes, json_bytes: int) -> Change:
        """The change that stores this record of a row; raises as `_put` does."""
        if record.id != change.record_id:
            raise RecordInvalid("the completed row is another record's")
        put, size = self._put(record, raw, json_bytes)
        return Change([put, *change.writes], change.entries, size, record.updated_at)

    def _put(self, record: Record, raw: bytes, json_bytes: int) -> tuple[Put, int]:
        """The write of a record's document, and about its size in bytes.

        Raises:
            RecordInvalid: The document is too large, or the record's id cannot name one.
        """
        path = f"{self.collection}/{ids.escape(record.id)}"
        document = document_of(record, self._envelope, signed(key_of(record.id)))
        if self._connection.keep_raw:
            add_raw(document, self._without_personal(raw))
        return Put(path, document), fit(path, document, json_bytes)

    def _normalized(self, raw: bytes) -> Record:
        return self._stream.normalize(raw, self._connection.store_buyer_pii)

    def abandon(self, changes: Sequence[Incomplete]) -> None:
        """Count records as not read: their details are left to a later slice, which lists them again."""
        self._counts.seen -= len(changes)
        self._counts.written -= len(changes)

    def stored(self) -> bytes:
        """The records of the unfinished page that are completed and stored, for the open window."""
        latest = list(self._stored.items())[-MAX_STORED:]
        return array("Q", chain.from_iterable(latest)).tobytes()

    def page_is_stored(self) -> None:
        """Begin another page: no record of it is stored."""
        self._stored.clear()
        self.bare.clear()

    def _is_known(self, key: int, content: int, known: int | None) -> bool:
        """Whether the store has this content; `known` is the content that the digest remembers."""
        is_held = known in {content, incomplete(content)}
        if self._stored.get(key) == content and (is_held or known is None):
            return True
        return is_held and not self._full and (known == content or not self._asks_again)

    def _note_bare(self, record: Record, reason: str) -> None:
        """Note that a record is stored without its details, so that they are asked for again."""
        at = self._moment(record)
        self.bare.append(Unshown(record.id, reason, record.id, at, at))

    def _without_details(self, change: Incomplete, error: MarketplaceError) -> Record:
        """The record as it is listed, with a warning; the digest does not take it for complete."""
        log.warning(
            "%s %s is stored without its details: %s",
            *(self._stream.name, one_line(change.record_id[:200]), error.message),
            extra={
                "action": "details_missing",
                "stream": self._stream.name,
                "record_id": change.record_id,
                "kind": error.kind,
            },
        )
        change.entries[:] = [
            (key, incomplete(content) if content == change.content else content, day)
            for key, content, day in change.entries
        ]
        self._note_bare(change.record, error.message)
        warnings = (*change.record.warnings, *self._stream.detail_fields)
        return msgspec.structs.replace(change.record, warnings=warnings)

    def unshown(self, unshown: Sequence[Unshown], digest: Digest) -> list[Change]:
        """The changes that keep the records of a page that the marketplace cannot show."""
        changes = []
        # A page may name one record twice, and a commit takes each document once.
        for each in {self.rejects.unshown_name(each): each for each in unshown}.values():
            self._counts.seen += 1
            self._see_named(each.record_id, digest)
            change = self.rejects.unshown(each, digest)
            if change is not None:
                changes.append(change)
        return changes

    def _reject(self, raw: bytes, error: Exception, digest: Digest, changes: dict[int, Change]) -> None:
        try:
            record_id = self._stream.record_id(raw)
        except Exception:  # noqa: BLE001 - a record without a readable id is still kept
            record_id = None
        self._see_named(record_id, digest)
        change = self.rejects.unreadable(raw, content_of(raw, self._salt), record_id, error, digest)
        if change is not None:
            changes[change.entries[0][0]] = change
        if record_id is not None and (earlier := changes.get(key_of(record_id))) is not None:
            self.rejects.keep(record_id, earlier)

    def _without_personal(self, raw: bytes) -> bytes | None:
        """A row as compact JSON, without personal data unless they are stored; None if it is too large."""
        if len(raw) > MAX_SEARCHED_BYTES:
            return None
        return scrub(raw, frozenset() if self._connection.store_buyer_pii else self._personal_fields)

    def _see_named(self, record_id: str | None, digest: Digest) -> None:
        """Note that a record was listed that cannot be stored; without its id, none counts as vanished."""
        if record_id is None:
            self.blind = True
        elif digest.get(key_of(record_id)) is not None:
            self._see(key_of(record_id), digest)

    def _see(self, key: int, digest: Digest) -> None:
        if self.lists_all:
            digest.see(key)
        self.suspects.discard(key)

    def _observe(self, record: Record) -> int:
        """Keep the latest position; returns the record's day in the digest."""
        if self._stream.listing is Listing.SNAPSHOT:
            return 0
        moment = self._moment(record)
        if moment is None:
            return self.oldest_day
        # A row that was edited after the window's end does not tell how far the listing has come.
        is_in_order = self._stream.ordered and moment <= self._until
        if is_in_order and (self.position is None or moment > self.position):
            self.position = moment
        return day_of(moment)

    def _moment(self, record: Record) -> datetime | None:
        """The time by which the stream lists a record; None if it has none."""
        if self._stream.listing is Listing.ROLLING:
            return record.created_at if isinstance(record, Order) else None
        return record.updated_at if self._stream.listing is Listing.INCREMENTAL else None


def _unpacked(stored: bytes) -> dict[int, int]:
    """Keys and contents from the bytes that `Normalizer.stored` packed."""
    numbers = array("Q", stored)
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


def signed(key: int) -> int:
    """A 64-bit hash as a store's signed integer: `id_hash` of every record."""
    return key - (1 << 64) if key >= 1 << 63 else key


def salt_of(stream: AnyStream, connection: Connection) -> bytes:
    """Key of the content hashes; another key has every record written once more.

    It depends on everything that a document depends on beside its record. A connection may change hands:
    then its records have to name the new owner. The key is a hash, because it may have 64 bytes at most.
    """
    basis = [
        stream.name,
        stream.version,
        connection.store_buyer_pii,
        connection.keep_raw,
        connection.organization_id,
    ]
    return hashlib.blake2b(_encode(basis), digest_size=32).digest()


def _is_older(mine: datetime | None, other: datetime | None) -> bool:
    return mine is not None and other is not None and mine < other
