"""Rejects: records that could not be normalized or stored, kept raw under `rejects/`."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid, SyncError, locate, one_line
from orchestrator.marketplaces.scrub import scrub
from orchestrator.marketplaces.spec import AnyStream, Unshown
from orchestrator.model import ids
from orchestrator.model.counts import StreamCounts
from orchestrator.model.state import Hidden
from orchestrator.ports import Delete, Put
from orchestrator.sync.changes import Change
from orchestrator.sync.digest import KEPT_DAY, Digest, key_of
from orchestrator.sync.task_context import TaskContext

log = logging.getLogger(__name__)

#: At most this much of a reject's raw body is kept.
MAX_RAW_BYTES = 500_000
#: A larger raw record is not searched for personal data: parsed JSON takes forty times its length in memory.
MAX_SEARCHED_BYTES = 1_000_000

#: Hash of a stored record whose latest version was rejected. Any valid version differs from it, the stored
#: one too, and clears the reject.
_SUPERSEDED = 1
#: Hash of a record that the marketplace cannot show: its content is not known.
_UNSHOWN = 2

#: Characters of an id in a message; a longer one is no id that a person could search for.
_TOLD_ID = 200

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Rejects:
    """Makes and removes the rejects of one stream; the digest remembers the content of each."""

    task: TaskContext
    stream: AnyStream
    counts: StreamCounts
    #: Every reject is written, even if the digest knows its content.
    full: bool

    def unreadable(
        self, raw: bytes, content: int, record_id: str | None, error: Exception, digest: Digest
    ) -> Change | None:
        """The change that keeps a raw record that could not be normalized; None if it is kept already.

        `content` is the hash of `raw`; `record_id` is None if it cannot be read.
        """
        self.counts.rejected += 1
        reason = reason_of(error, self.stream.name, record_id)
        name = self._name(record_id, raw)
        if digest.get(_key(name)) == content and not self.full:
            return None
        self._log(name, record_id, reason)
        change = self._change(name, raw, reason, record_id)
        change.entries += [(_key(name), content, KEPT_DAY), *_superseded(record_id, digest)]
        return change

    def unshown(self, unshown: Unshown, digest: Digest) -> Change | None:
        """The change that keeps a record that the marketplace cannot show; None if it is kept already."""
        self.counts.rejected += 1
        name = self.unshown_name(unshown)
        if digest.get(_key(name)) == _UNSHOWN and not self.full:
            return None
        place = "" if unshown.record_id is not None else f" ({unshown.name})"
        reason = one_line(f"the marketplace cannot show it{place}: {unshown.reason}")
        self._log(name, unshown.record_id, reason)
        change = self._change(name, b"", reason, unshown.record_id)
        change.entries += [(_key(name), _UNSHOWN, KEPT_DAY), *_superseded(unshown.record_id, digest)]
        return change

    def shown(self, hidden: Hidden, digest: Digest) -> Change | None:
        """The change that removes the reject of a record that is no longer unshown; None if it has none."""
        name = self.unshown_name(hidden)
        if digest.get(_key(name)) != _UNSHOWN:
            return None
        return Change([Delete(self._path(name))], [(_key(name), 0, 0)], 0, rejected=True)

    def refused(self, change: Change, why: str, digest: Digest) -> Change:
        """The change that keeps a normalized record which the store refused, instead of storing it."""
        self.counts.written -= 1
        self.counts.rejected += 1
        first = change.writes[0]
        # Its row is left out: it could be as large as all that is kept here.
        record = {k: v for k, v in first.data.items() if k != "raw"} if isinstance(first, Put) else {}
        raw = _encode(record)
        name = self._name(record.get("id"), raw)
        reason = f"the store refuses it: {why}"
        self._log(name, record.get("id"), reason)
        kept = self._change(name, raw, reason, record.get("id"))
        for stored, content, day in change.entries[:1]:
            kept.entries.append((_key(name), content, KEPT_DAY))
            if digest.get(stored):
                kept.entries.append((stored, _SUPERSEDED, day))
        return kept

    def was_refused(self, record_id: str, content: int, digest: Digest) -> bool:
        """Whether the store has refused exactly this content before: then it is not asked again."""
        if digest.get(_key(self._name(record_id))) != content or self.full:
            return False
        self.counts.rejected += 1
        return True

    def clear(self, record_id: str, digest: Digest, change: Change) -> None:
        """Add the removal of the record's reject, if it has one, to the change that stores the record."""
        name = self._name(record_id)
        if digest.get(_key(name)) is not None:
            change.writes.append(Delete(self._path(name)))
            change.entries.append((_key(name), 0, 0))

    def keep(self, record_id: str, change: Change) -> None:
        """Keep the record's reject beside a change that stores the record: a later row is unreadable."""
        name, stored = self._name(record_id), key_of(record_id)
        change.writes = [write for write in change.writes if write.path != self._path(name)]
        change.entries = [(stored, _SUPERSEDED, day) for key, _, day in change.entries if key == stored]

    def key(self, record_id: str) -> int:
        """The digest's key of a record's reject."""
        return _key(self._name(record_id))

    def unshown_name(self, unshown: Unshown | Hidden) -> str:
        """The reject's name: by the record's id if that is known, else by its place."""
        record_id = unshown.record_id
        return self._name(record_id if record_id is not None else f"at {unshown.name}")

    def _log(self, name: str, record_id: str | None, reason: str) -> None:
        """Log a new reject; one that is met again is not new."""
        fields = {
            "action": "record_rejected",
            "stream": self.stream.name,
            "record_id": record_id,
            "reject": self._path(name).rpartition("/")[2],
            "reason": reason,
        }
        log.warning(
            "record rejected: %s %s: %s",
            *(self.stream.name, _told(record_id), reason),
            extra=fields,
        )

    def _change(self, name: str, raw: bytes, reason: str, record_id: str | None) -> Change:
        kept = self._kept(raw)
        document = {
            "connection_id": self.task.holder.connection_id,
            "stream": self.stream.name,
            "record_id": record_id if len((record_id or "").encode()) <= ids.MAX_ID_BYTES else None,
            "reason": reason,
            "run_id": self.task.run_id,
            "rejected_at": self.task.services.clock.now(),
            "raw": kept,
            "raw_bytes": len(raw),
            "raw_hash": _hash(raw),
        }
        return Change([Put(self._path(name), document)], [], len(kept), rejected=True)

    def _name(self, record_id: str | None, raw: bytes = b"") -> str:
        return f"{self.stream.name}-{_hash(raw) if record_id is None else record_id}"

    def _path(self, name: str) -> str:
        try:
            escaped = ids.escape(name)
        except RecordInvalid:
            escaped = f"{self.stream.name}-{_hash(name.encode())}"
        return f"{ids.connection_path(self.task.holder.connection_id)}/rejects/{escaped}"

    def _kept(self, raw: bytes) -> str:
        """The part of a raw record that a document keeps: without personal data, and cut."""
        if self.task.connection.store_buyer_pii:
            kept = raw
        elif len(raw) > MAX_SEARCHED_BYTES:
            kept = _encode({"unsearched_bytes": len(raw)})
        else:
            kept = scrub(raw, self.task.connector.personal_fields)
        # Cut once more after decoding: the replacement of a bad byte takes three bytes.
        text = kept[:MAX_RAW_BYTES].decode(errors="replace")
        return text.encode()[:MAX_RAW_BYTES].decode(errors="ignore")


def reason_of(error: Exception, stream: str, record_id: str | None) -> str:
    """The reason why a row cannot be read, in one line; an exception of the connector itself is logged."""
    if isinstance(error, (SyncError, *UNREADABLE)):
        return one_line(str(error))
    log.error(
        "connector defect at %s %s: %s",
        *(stream, _told(record_id), locate(error)),
        extra={"action": "record_failed", "stream": stream, "record_id": record_id},
    )
    return f"the connector failed with {type(error).__name__}"


def _told(record_id: str | None) -> str:
    """A record's id for a log line."""
    if record_id is None:
        return "without a readable id"
    return one_line(record_id) if len(record_id) <= _TOLD_ID else f"{one_line(record_id[:_TOLD_ID])}…"


def _superseded(record_id: str | None, digest: Digest) -> list[tuple[int, int, int]]:
    """The entry for a stored record whose latest version is rejected; none if no version is stored."""
    stored = key_of(record_id) if record_id is not None else None
    if stored is None or digest.get(stored) is None:
        return []
    return [(stored, _SUPERSEDED, digest.day(stored))]


def _key(name: str) -> int:
    return key_of(f"\0reject/{name}")


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
