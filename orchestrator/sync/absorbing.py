"""From a page's raw records to the documents that have to be written for it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid, SyncError, locate, one_line
from orchestrator.marketplaces.scrub import scrub
from orchestrator.marketplaces.spec import AnyConnector, AnyStream, Listing
from orchestrator.model import ids
from orchestrator.model.connection import Connection
from orchestrator.model.counts import StreamCounts
from orchestrator.model.record import Order, Record
from orchestrator.ports import Delete, Put, Write
from orchestrator.sync.digest import KEPT_DAY, Digest, content_of, key_of
from orchestrator.sync.windows import day_of

log = logging.getLogger(__name__)

#: A record larger than this becomes a reject: a document takes 1 MiB, index and names included.
MAX_RECORD_BYTES = 900_000
#: How much of a reject's raw body is kept.
MAX_RAW_BYTES = 500_000
#: One commit's share of a page; Firestore takes 10 MiB.
PART_BYTES = 3_000_000
PART_DOCUMENTS = 450
#: A page is worked on in portions: as many records and bytes of them at once, whatever was sent.
PORTION_RECORDS, PORTION_BYTES = 2_000, 4_000_000
#: A larger raw record is not searched for personal data: taken apart, JSON takes forty times its length.
MAX_SEARCHED_BYTES = 1_000_000

#: Remembered of a stored record while a later version of it is a reject: whatever is understood or accepted
#: again differs from it, also the version that is stored, and takes the reject away.
_SUPERSEDED = 1

_encoder = msgspec.json.Encoder()
_BUILTIN = (datetime, bytes)


@dataclass(slots=True)
class Change:
    """One record's documents and what the digest is to remember of it."""

    writes: list[Write]
    entries: list[tuple[int, int, int]]
    size: int
    #: When the marketplace last changed it, to tell apart two versions of it on one page.
    updated_at: datetime | None = None
    rejected: bool = False


@dataclass(slots=True)
class Absorber:
    """Turns records of one stream of one connection into changes against its digest."""

    connection_id: str
    connection: Connection
    connector: AnyConnector
    stream: AnyStream
    run_id: str
    now: Callable[[], datetime]
    counts: StreamCounts
    #: The window's end.
    until: datetime
    #: Every record is written, whatever the digest says.
    full: bool = False
    #: Entries of days before this are not made; what a later window cannot read again need not be known.
    oldest_day: int = 0
    #: Whether what the window does not show may have vanished.
    lists_all: bool = False
    #: What an earlier complete listing did not show, and this window has not shown so far.
    suspects: set[int] = field(default_factory=set)
    #: Latest modification time among the records read so far.
    position: datetime | None = None
    #: Whether some record's id could not be read.
    blind: bool = False
    _salt: bytes = field(init=False)
    _collection: str = field(init=False)

    def __post_init__(self) -> None:
        pii = self.connection.store_buyer_pii
        self._salt = f"{self.stream.name}.{self.stream.version}.{'pii' if pii else ''}".encode()
        self._collection = f"{ids.connection_path(self.connection_id)}/{self.stream.name}"

    def page(self, records: Sequence[bytes], digest: Digest) -> list[Change]:
        """The changes a page makes, one a record id; the later version wins where an id stands twice."""
        changes: dict[int, Change] = {}
        normalize, pii = self.stream.normalize, self.connection.store_buyer_pii
        self.counts.seen += len(records)
        for raw in records:
            try:
                record = normalize(raw, pii)
                document_id = ids.escape(record.id)
                encoded = _encoder.encode(record)
                if len(encoded) > MAX_RECORD_BYTES:
                    self._refuse_size(len(encoded))
            except Exception as error:  # noqa: BLE001 - whatever one record does, the others go on
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
            if known == content and not self.full and earlier is None:
                self.counts.unchanged += 1
                continue
            if self._was_refused(record.id, content, digest):
                continue
            if earlier is not None and _is_older(record.updated_at, earlier.updated_at):
                self.counts.unchanged += 1
                continue
            self.counts.written += 1
            writes: list[Write] = [Put(f"{self._collection}/{document_id}", self._document(record, key))]
            entries = [(key, content, day)] if remembered else []
            change = Change(writes, entries, len(encoded), record.updated_at)
            self._forget_reject(record.id, digest, change)
            changes[key] = change
        return list(changes.values())

    def _see(self, key: int, digest: Digest) -> None:
        if self.lists_all:
            digest.see(key)
        self.suspects.discard(key)

    def _document(self, record: Record, key: int) -> dict[str, Any]:
        document: dict[str, Any] = msgspec.to_builtins(record, builtin_types=_BUILTIN)
        document["deleted_at"] = None
        document["id_hash"] = signed(key)
        return document

    def _observe(self, record: Record) -> int:
        """Keep the latest position; returns the record's day in the digest."""
        if self.stream.listing is Listing.SNAPSHOT:
            return 0
        if self.stream.listing is Listing.ROLLING:
            moment = record.created_at if isinstance(record, Order) else None
        else:
            moment = record.updated_at
        if moment is None:
            return 0 if not self.oldest_day else self.oldest_day
        # A row that was edited after it was found tells nothing of how far the listing has come.
        if moment <= self.until and (self.position is None or moment > self.position):
            self.position = moment
        return day_of(moment)

    def _refuse_size(self, size: int) -> None:
        message = f"the normalized record is {size} bytes; a document takes {MAX_RECORD_BYTES}"
        raise RecordInvalid(message)

    def refused(self, change: Change, why: str, digest: Digest) -> Change:
        """A normalized record that the store will not have, as a reject that is remembered by its content."""
        self.counts.written -= 1
        self.counts.rejected += 1
        first = change.writes[0]
        record = first.data if isinstance(first, Put) else {}
        reason = f"the store refuses it: {why}"
        name, put = self._reject_of(_encoder.encode(record), reason, record.get("id"))
        key = _reject_key(name)
        entries = [(key, content, KEPT_DAY) for _, content, _ in change.entries[:1]]
        entries += [(known, _SUPERSEDED, day) for known, _, day in change.entries[:1] if digest.get(known)]
        return Change([put], entries, len(put.data["raw"]), rejected=True)

    def _was_refused(self, record_id: str, content: int, digest: Digest) -> bool:
        """Whether the store has refused just this before: then it is not asked again."""
        if digest.get(_reject_key(f"{self.stream.name}-{record_id}")) != content or self.full:
            return False
        self.counts.rejected += 1
        return True

    def _reject_of(self, raw: bytes, reason: str, record_id: str | None) -> tuple[str, Put]:
        """The reject document for a raw record, and the id it is remembered by."""
        if record_id is None:
            self.blind = True
        digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
        name = f"{self.stream.name}-{record_id if record_id is not None else digest}"
        document = {
            "stream": self.stream.name,
            "record_id": record_id if len((record_id or "").encode()) <= ids.MAX_ID_BYTES else None,
            "reason": reason,
            "run_id": self.run_id,
            "rejected_at": self.now(),
            "raw": self._kept(raw),
            "raw_bytes": len(raw),
            "raw_hash": digest,
        }
        return name, Put(self._reject_path(name), document)

    def _reject_path(self, name: str) -> str:
        try:
            escaped = ids.escape(name)
        except RecordInvalid:
            escaped = f"{self.stream.name}-{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}"
        return f"{ids.connection_path(self.connection_id)}/rejects/{escaped}"

    def _reject(self, raw: bytes, error: Exception, digest: Digest, changes: dict[int, Change]) -> None:
        self.counts.rejected += 1
        is_defect = not isinstance(error, (SyncError, *UNREADABLE))
        reason = f"the connector failed with {type(error).__name__}" if is_defect else one_line(str(error))
        name, put = self._reject_of(raw, reason, self._identify(raw))
        if is_defect:
            log.error("connector defect: %s", locate(error), extra={"action": "record_failed"})
        record_id = put.data["record_id"]
        stored = key_of(record_id) if record_id is not None else None
        if stored is not None and digest.get(stored) is not None:
            self._see(stored, digest)
        key = _reject_key(name)
        content = content_of(raw, self._salt)
        if digest.get(key) == content and not self.full:
            return
        log.warning(
            "record rejected: %s",
            reason,
            extra={"action": "record_rejected", "stream": self.stream.name},
        )
        entries = [(key, content, KEPT_DAY)]
        if stored is not None and digest.get(stored) is not None:
            entries.append((stored, _SUPERSEDED, digest.day(stored)))
        changes[key] = Change([put], entries, len(put.data["raw"]), rejected=True)

    def _forget_reject(self, record_id: str, digest: Digest, change: Change) -> None:
        """A record that is understood again has no reject."""
        name = f"{self.stream.name}-{record_id}"
        key = _reject_key(name)
        if digest.get(key) is None:
            return
        change.writes.append(Delete(self._reject_path(name)))
        change.entries.append((key, 0, 0))

    def _kept(self, raw: bytes) -> str:
        """What a document keeps of a raw record: without personal data, and cut."""
        if self.connection.store_buyer_pii:
            kept = raw
        elif len(raw) > MAX_SEARCHED_BYTES:
            kept = _encoder.encode({"unsearched_bytes": len(raw)})
        else:
            kept = scrub(raw, self.connector.personal_fields)
        # Once more after decoding: what stands for a bad byte takes three.
        text = kept[:MAX_RAW_BYTES].decode(errors="replace")
        return text.encode()[:MAX_RAW_BYTES].decode(errors="ignore")

    def _identify(self, raw: bytes) -> str | None:
        try:
            return self.stream.record_id(raw)
        except Exception:  # noqa: BLE001 - a record that cannot even be named is still kept
            return None


def portions(records: Sequence[bytes]) -> list[Sequence[bytes]]:
    """A page's records in portions, the last of which may be empty."""
    edges, size = [0], 0
    for number, record in enumerate(records):
        if number > edges[-1] and (
            number - edges[-1] >= PORTION_RECORDS or size + len(record) > PORTION_BYTES
        ):
            edges.append(number)
            size = 0
        size += len(record)
    return [records[start:stop] for start, stop in zip(edges, [*edges[1:], len(records)], strict=True)]


def parts(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """The changes in commits of bounded size."""
    part: list[Change] = []
    size = 0
    for change in changes:
        if part and (len(part) >= PART_DOCUMENTS or size + change.size > PART_BYTES):
            yield part
            part, size = [], 0
        part.append(change)
        size += change.size
    if part:
        yield part


def signed(key: int) -> int:
    """A 64-bit hash as a store's signed integer: `id_hash` of every record."""
    return key - (1 << 64) if key >= 1 << 63 else key


def _reject_key(name: str) -> int:
    return key_of(f"\0reject/{name}")


def _is_older(mine: datetime | None, other: datetime | None) -> bool:
    return mine is not None and other is not None and mine < other
