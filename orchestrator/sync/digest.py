"""Digests: a hash remembered of each record, so that an unchanged record costs no write.

An entry is 18 bytes: 8 of the record id's hash, 8 of its content's hash, 2 of its day (days since
1970-01-01 of the time its stream reads by; 0 if the stream lists everything). Entries are kept
sorted by id in three packed columns, so that a million of them take 18 MB and a look-up is a binary
search.

Up to `INLINE_ENTRIES` live inside `sync_state` itself and cost neither a read nor a write of their
own. More entries are spread by the id's leading bits over 1, 4, 16 or 64 documents
`sync_state/{connection}/digests/{stream}-{n}`; entries that changed since their document was last
written stay inline. An entry is always committed together with its record: one committed before it
would hide a change, one committed much later could hide a change back.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress

#: About 72 KiB of a state document for each stream.
INLINE_ENTRIES = 4096
#: About 530 KiB a document; Firestore takes 1 MiB.
BUCKET_ENTRIES = 30_000
MAX_BUCKETS = 64
#: About 2.9 million records of one stream of one connection.
CAPACITY = MAX_BUCKETS * BUCKET_ENTRIES * 3 // 2
#: Documents rewritten with one page's commit at most, about 2 MiB of the 10 MiB a commit may have.
FOLDS_PER_COMMIT = 4
#: This many changes are merged into the sorted columns.
_MERGE_AT = 20_000
_ENTRY_BYTES = 18
#: An entry of this day (no record's) stays until it is removed: a listing neither shows it nor misses it.
KEPT_DAY = 65_535
_TO_DIGITS = bytes.maketrans(b"\0\1", b"01")
_FROM_DIGITS = bytes.maketrans(b"01", b"\0\1")
_REMOVED = 0
#: The most characters of an id whose hash a process remembers.
_SHORT_ID = 200
#: Turns the hash of a record's content into the hash remembered if the record is stored without its details.
_INCOMPLETE = 0x5A5A_5A5A_5A5A_5A5A


def key_of(record_id: str) -> int:
    """The 64-bit hash of a record's id."""
    return _short_key(record_id) if len(record_id) <= _SHORT_ID else _key(record_id)


def _key(record_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(record_id.encode(), digest_size=8).digest(), "big")


# A record's key is asked for six times while its page is worked on. Long ids would stay in memory.
_short_key = lru_cache(maxsize=4_096)(_key)


def content_of(encoded: bytes, salt: bytes) -> int:
    """The 64-bit hash of a normalized record under a normalizer version; never 0."""
    digest = hashlib.blake2b(encoded, digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "big") or 1


def incomplete(content: int) -> int:
    """The hash to remember for a record of this content that is stored without its details."""
    return content ^ _INCOMPLETE or _INCOMPLETE


@dataclass(slots=True)
class Columns:
    """Entries sorted by id, each with a mark: whether the scan in progress has listed its record."""

    ids: array[int] = field(default_factory=lambda: array("Q"))
    contents: array[int] = field(default_factory=lambda: array("Q"))
    days: array[int] = field(default_factory=lambda: array("H"))
    seen: bytearray = field(default_factory=bytearray)

    @classmethod
    def unpack(cls, packed: bytes) -> Columns:
        """Read the bytes that `pack` made."""
        count = len(packed) // _ENTRY_BYTES
        columns = cls(seen=bytearray(count))
        columns.ids.frombytes(packed[: 8 * count])
        columns.contents.frombytes(packed[8 * count : 16 * count])
        columns.days.frombytes(packed[16 * count : 18 * count])
        return columns

    def pack(self, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes of the entries from `start` to `stop`, without marks; little-endian, as all machines."""
        columns = (self.ids, self.contents, self.days)
        return b"".join(column[start:stop].tobytes() for column in columns)

    def part(self, start: int, stop: int) -> Columns:
        """The entries from `start` to `stop`."""
        span = slice(start, stop)
        return Columns(self.ids[span], self.contents[span], self.days[span], self.seen[span])

    def since(self, oldest_day: int) -> Columns:
        """The entries of `oldest_day` and later, and those that the scan in progress has listed.

        A listed record may be put only in a later commit. Without its mark it would count as vanished.
        """
        keep = [day >= oldest_day or mark for day, mark in zip(self.days, self.seen, strict=True)]
        if all(keep):
            return self
        return Columns(
            array("Q", compress(self.ids, keep)),
            array("Q", compress(self.contents, keep)),
            array("H", compress(self.days, keep)),
            bytearray(compress(self.seen, keep)),
        )

    def extend(self, other: Columns) -> None:
        """Add entries behind the last."""
        self.ids.extend(other.ids)
        self.contents.extend(other.contents)
        self.days.extend(other.days)
        self.seen.extend(other.seen)

    def find(self, key: int) -> int:
        """The entry's index, or -1."""
        index = bisect_left(self.ids, key)
        return index if index < len(self.ids) and self.ids[index] == key else -1


class Digest:
    """A stream's entries, and the changes of them that are not stored yet."""

    def __init__(self, inline: bytes = b"", buckets: Sequence[bytes] = ()) -> None:
        """Put together the entries in `sync_state` (`inline`) and in the digest documents (`buckets`)."""
        #: How many digest documents there are.
        self.bucket_count = len(buckets)
        changed = Columns.unpack(inline)
        self._overlay = dict(zip(changed.ids, zip(changed.contents, changed.days, strict=True), strict=True))
        #: Changed since the digest documents were written; unused while there are none.
        self._pending = dict(self._overlay) if buckets else {}
        self._columns = Columns()
        for packed in buckets:
            self._columns.extend(Columns.unpack(packed))
        #: Listed by the scan in progress, and not yet put: a page is written in parts.
        self._seen_new: set[int] = set()
        self._merge()

    def __len__(self) -> int:
        """How many records are remembered."""
        self._merge()
        return len(self._columns.ids)

    def get(self, key: int) -> int | None:
        """The hash of the content remembered for an id, or None."""
        entry = self._overlay.get(key)
        if entry is not None:
            return entry[0] or None
        index = self._columns.find(key)
        return self._columns.contents[index] if index >= 0 else None

    def day(self, key: int) -> int:
        """The day remembered for a known id."""
        entry = self._overlay.get(key)
        return entry[1] if entry is not None else self._columns.days[self._columns.find(key)]

    def put(self, key: int, content: int, day: int) -> None:
        """Remember a record's content, or forget the record if that is 0; stored with the next `stage`.

        Beyond `CAPACITY` new records are not remembered: they are written each time they are read.
        """
        if len(self._columns.ids) >= CAPACITY and self.get(key) is None:
            return
        self._overlay[key] = (content, day)
        if self.bucket_count:
            self._pending[key] = (content, day)
        if len(self._overlay) >= _MERGE_AT:
            self._merge()

    def remove(self, key: int) -> None:
        """Forget a record."""
        self.put(key, _REMOVED, 0)

    def see(self, key: int) -> None:
        """Note that the scan in progress has listed this record."""
        index = self._columns.find(key)
        if index >= 0:
            self._columns.seen[index] = True
        else:
            self._seen_new.add(key)

    def unseen(self, *, oldest_day: int = 0) -> list[int]:
        """The ids of `oldest_day` and later that the scan has not listed, without entries of `KEPT_DAY`."""
        self._merge()
        entries = zip(self._columns.ids, self._columns.days, self._columns.seen, strict=True)
        return [key for key, day, seen in entries if not seen and oldest_day <= day < KEPT_DAY]

    def seen_keys(self) -> list[int]:
        """The ids that the scan has listed so far."""
        self._merge()
        return [*compress(self._columns.ids, self._columns.seen), *self._seen_new]

    def seen_bits(self) -> bytes:
        """The marks, one bit each in id order, so that another invocation continues the scan."""
        self._merge()
        digits = self._columns.seen[::-1].translate(_TO_DIGITS)
        return int(digits or b"0", 2).to_bytes((len(digits) + 7) // 8, "little")

    def restore_seen(self, bits: bytes) -> None:
        """Take the marks from `seen_bits`; the entries must be those stored with it."""
        count = len(self._columns.ids)
        digits = f"{int.from_bytes(bits, 'little'):0{count}b}".encode()[::-1]
        self._columns.seen = bytearray(digits[:count].translate(_FROM_DIGITS))

    def stage(self, *, oldest_day: int = 0) -> tuple[bytes, dict[int, bytes]]:
        """The inline bytes to store now, and the digest documents to write with them, by number.

        Entries of days before `oldest_day` are forgotten: no later window reads their records.
        """
        if not self.bucket_count:
            self._merge(oldest_day)
            return (self._columns.pack(), {}) if len(self) <= INLINE_ENTRIES else (b"", self.regrow())
        if len(self._pending) <= INLINE_ENTRIES:
            return _packed(self._pending), {}
        self._merge()
        dirt = Counter(map(self._bucket, self._pending))
        fold = set(sorted(range(self.bucket_count), key=lambda n: -dirt[n])[:FOLDS_PER_COMMIT])
        self._pending = {key: entry for key, entry in self._pending.items() if self._bucket(key) not in fold}
        self._forget(fold, oldest_day)
        ranges = self._ranges()
        return _packed(self._pending), {n: self._columns.pack(*ranges[n]) for n in sorted(fold)}

    @property
    def is_outgrown(self) -> bool:
        """Whether a digest document is too full; `regrow` once every entry is stored."""
        if not self.bucket_count or self.bucket_count >= MAX_BUCKETS:
            return False
        self._merge()
        return max(stop - start for start, stop in self._ranges()) > BUCKET_ENTRIES

    def regrow(self, *, oldest_day: int = 0) -> dict[int, bytes]:
        """Lay out all entries in digest documents of a fitting number: a commit of its own (up to 9 MiB)."""
        self._merge(oldest_day)
        count, self._pending = len(self._columns.ids), {}
        self.bucket_count = self.bucket_count or 1
        while self.bucket_count < MAX_BUCKETS and count > self.bucket_count * BUCKET_ENTRIES * 0.9:
            self.bucket_count *= 4
        return {n: self._columns.pack(*bounds) for n, bounds in enumerate(self._ranges())}

    def _forget(self, buckets: set[int], oldest_day: int) -> None:
        """Forget the old entries of some buckets; memory and documents must hold the same entries."""
        kept = Columns()
        for n, bounds in enumerate(self._ranges()):
            part = self._columns.part(*bounds)
            kept.extend(part.since(oldest_day) if n in buckets else part)
        self._columns = kept

    def _bucket(self, key: int) -> int:
        return key * self.bucket_count >> 64

    def _ranges(self) -> list[tuple[int, int]]:
        edges = [
            bisect_left(self._columns.ids, (n << 64) // self.bucket_count) for n in range(self.bucket_count)
        ]
        return list(zip(edges, [*edges[1:], len(self._columns.ids)], strict=True))

    def _merge(self, oldest_day: int = 0) -> None:
        """Merge the changes into the sorted columns, and drop removed and old entries."""
        if not self._overlay and not oldest_day:
            return
        old, merged, at = self._columns, Columns(), 0
        for key in sorted(self._overlay):
            content, day = self._overlay[key]
            upto = bisect_left(old.ids, key, at)
            merged.extend(old.part(at, upto))
            known = upto < len(old.ids) and old.ids[upto] == key
            if content != _REMOVED:
                merged.ids.append(key)
                merged.contents.append(content)
                merged.days.append(day)
                merged.seen.append(key in self._seen_new or (known and old.seen[upto] == 1))
            at = upto + known
        merged.extend(old.part(at, len(old.ids)))
        self._columns = merged.since(oldest_day) if oldest_day else merged
        self._seen_new.difference_update(self._overlay)
        self._overlay = {}


def _packed(entries: Mapping[int, tuple[int, int]]) -> bytes:
    """Entries (id: content, day) in the form of `Columns.pack`."""
    keys = sorted(entries)
    contents, days = [entries[key][0] for key in keys], [entries[key][1] for key in keys]
    return Columns(array("Q", keys), array("Q", contents), array("H", days)).pack()
