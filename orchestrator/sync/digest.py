"""Digests: what is remembered of each record, so that an unchanged one costs no write.

An entry is 18 bytes: 8 of the record id's hash, 8 of its content's hash, 2 of its day (days since
1970-01-01 of the time its stream reads by; 0 where the stream lists everything). Entries are kept
sorted by id in three packed columns, so that a million of them take 18 MB and a look-up is a binary
search.

Up to `INLINE_ENTRIES` live inside `sync_state` itself and cost neither a read nor a write of their
own. Beyond that they are spread by the id's leading bits over 1, 4, 16 or 64 documents
`sync_state/{connection}/digests/{stream}-{n}`, and only what changed since a document was last
written stays inline. An entry is always committed together with its record: one committed before it
would hide a change, one committed much later could hide a change back.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

#: About 72 KiB of a state document for each stream.
INLINE_ENTRIES = 4096
#: About 530 KiB a document; Firestore takes 1 MiB.
BUCKET_ENTRIES = 30_000
MAX_BUCKETS = 64
#: About 2.9 million records of one stream of one connection.
CAPACITY = MAX_BUCKETS * BUCKET_ENTRIES * 3 // 2
#: Documents rewritten with one page's commit at most, about 2 MiB of the 10 MiB a commit may have.
FOLDS_PER_COMMIT = 4
#: Changes are merged into the sorted columns when there are this many.
_MERGE_AT = 20_000
_ENTRY_BYTES = 18
#: An entry of this day (no record's) stays until it is removed: a listing neither shows it nor misses it.
KEPT_DAY = 65_535
_TO_DIGITS = bytes.maketrans(b"\0\1", b"01")
_FROM_DIGITS = bytes.maketrans(b"01", b"\0\1")
_REMOVED = 0


def key_of(record_id: str) -> int:
    """The 64-bit hash a record is remembered by."""
    return int.from_bytes(hashlib.blake2b(record_id.encode(), digest_size=8).digest(), "big")


def content_of(encoded: bytes, salt: bytes) -> int:
    """The 64-bit hash of a normalized record under a normalizer version; never 0."""
    digest = hashlib.blake2b(encoded, digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "big") or 1


class Columns:
    """Entries sorted by id."""

    __slots__ = ("contents", "days", "ids")

    def __init__(self, ids: array[int], contents: array[int], days: array[int]) -> None:
        self.ids, self.contents, self.days = ids, contents, days

    @classmethod
    def of(cls, entries: Mapping[int, tuple[int, int]]) -> Columns:
        """Sort a mapping of id to (content, day)."""
        ids = sorted(entries)
        return cls(
            array("Q", ids),
            array("Q", [entries[key][0] for key in ids]),
            array("H", [entries[key][1] for key in ids]),
        )

    @classmethod
    def unpack(cls, packed: bytes) -> Columns:
        """Read what `pack` made."""
        count = len(packed) // _ENTRY_BYTES
        ids, contents, days = array("Q"), array("Q"), array("H")
        ids.frombytes(packed[: 8 * count])
        contents.frombytes(packed[8 * count : 16 * count])
        days.frombytes(packed[16 * count : 18 * count])
        return cls(ids, contents, days)

    def pack(self, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes of the entries from `start` to `stop`; little-endian, as all our machines are."""
        columns = (self.ids, self.contents, self.days)
        return b"".join(column[start:stop].tobytes() for column in columns)

    def part(self, start: int, stop: int) -> Columns:
        """The entries from `start` to `stop`."""
        return Columns(self.ids[start:stop], self.contents[start:stop], self.days[start:stop])

    def since(self, oldest_day: int) -> Columns:
        """The entries of `oldest_day` and later."""
        keep = [index for index, day in enumerate(self.days) if day >= oldest_day]
        if len(keep) == len(self.days):
            return self
        return Columns(
            array("Q", [self.ids[index] for index in keep]),
            array("Q", [self.contents[index] for index in keep]),
            array("H", [self.days[index] for index in keep]),
        )

    def append(self, key: int, content: int, day: int) -> None:
        """Add an entry behind the last."""
        self.ids.append(key)
        self.contents.append(content)
        self.days.append(day)

    def extend(self, other: Columns) -> None:
        """Add entries behind the last."""
        self.ids.extend(other.ids)
        self.contents.extend(other.contents)
        self.days.extend(other.days)

    def find(self, key: int) -> int:
        """The entry's index, or -1."""
        index = bisect_left(self.ids, key)
        return index if index < len(self.ids) and self.ids[index] == key else -1

    def items(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Entries in id order."""
        for index, key in enumerate(self.ids):
            yield key, (self.contents[index], self.days[index])


class Digest:
    """A stream's entries, and what of them is not stored yet."""

    def __init__(self, inline: bytes = b"", buckets: Sequence[bytes] = ()) -> None:
        """Put together what `sync_state` (`inline`) and the digest documents (`buckets`) hold."""
        self._buckets = len(buckets)
        self._overlay = dict(Columns.unpack(inline).items())
        #: Changed since the digest documents were written; unused while there are none.
        self._pending = dict(self._overlay) if buckets else {}
        base = Columns(array("Q"), array("Q"), array("H"))
        for packed in buckets:
            base.extend(Columns.unpack(packed))
        self._columns = base
        self._seen = bytearray(len(base.ids))
        self._seen_new: set[int] = set()
        self._merge()

    def __len__(self) -> int:
        """How many records are remembered."""
        self._merge()
        return len(self._columns.ids)

    @property
    def bucket_count(self) -> int:
        """How many digest documents there are."""
        return self._buckets

    def get(self, key: int) -> int | None:
        """The content remembered for an id, or None."""
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
        """Remember a record's content; stored with the next `stage`.

        Beyond `CAPACITY` new records are not remembered: they are written each time they are read.
        """
        if len(self._columns.ids) >= CAPACITY and self.get(key) is None:
            return
        self._change(key, content, day)
        if len(self._overlay) >= _MERGE_AT:
            self._merge()

    def remove(self, key: int) -> None:
        """Forget a record."""
        self._change(key, _REMOVED, 0)

    def see(self, key: int) -> None:
        """Note that the scan that is going on has listed this record."""
        index = self._columns.find(key)
        if index >= 0:
            self._seen[index] = 1
        else:
            self._seen_new.add(key)

    def unseen(self, *, oldest_day: int = 0) -> list[int]:
        """The ids of `oldest_day` and later that the scan has not listed, kept ones aside."""
        self._merge()
        entries = zip(self._columns.ids, self._columns.days, self._seen, strict=True)
        return [key for key, day, seen in entries if not seen and oldest_day <= day < KEPT_DAY]

    def shown(self) -> list[int]:
        """The ids that the scan has listed so far."""
        self._merge()
        return [key for key, seen in zip(self._columns.ids, self._seen, strict=True) if seen] + [
            *self._seen_new
        ]

    def seen_bits(self) -> bytes:
        """Which entries were seen, one bit each in id order, to go on in another invocation."""
        self._merge()
        digits = self._seen[::-1].translate(_TO_DIGITS)
        return int(digits or b"0", 2).to_bytes((len(self._seen) + 7) // 8, "little")

    def restore_seen(self, bits: bytes) -> None:
        """Take up what `seen_bits` gave; the entries must be those stored with it."""
        digits = f"{int.from_bytes(bits, 'little'):0{len(self._seen)}b}".encode()[::-1]
        self._seen = bytearray(digits[: len(self._seen)].translate(_FROM_DIGITS))

    def stage(self, *, oldest_day: int = 0) -> tuple[bytes, dict[int, bytes]]:
        """What to store now: the inline bytes, and the digest documents to write with them.

        Entries of days before `oldest_day` are forgotten; nothing will read them again.
        """
        if not self._buckets:
            self._merge(oldest_day)
            return (self._columns.pack(), {}) if len(self) <= INLINE_ENTRIES else (b"", self._spread(1))
        if len(self._pending) <= INLINE_ENTRIES:
            return Columns.of(self._pending).pack(), {}
        self._merge()
        dirt = [0] * self._buckets
        for key in self._pending:
            dirt[self._bucket(key)] += 1
        fold = set(sorted(range(self._buckets), key=lambda n: -dirt[n])[:FOLDS_PER_COMMIT])
        self._pending = {key: entry for key, entry in self._pending.items() if self._bucket(key) not in fold}
        self._forget(fold, oldest_day)
        ranges = self._ranges()
        return Columns.of(self._pending).pack(), {n: self._columns.pack(*ranges[n]) for n in sorted(fold)}

    @property
    def is_outgrown(self) -> bool:
        """Whether a digest document has grown too full: then `regrow` it, once every entry is stored."""
        if not self._buckets or self._buckets >= MAX_BUCKETS:
            return False
        self._merge()
        return max(stop - start for start, stop in self._ranges()) > BUCKET_ENTRIES

    def regrow(self, *, oldest_day: int = 0) -> dict[int, bytes]:
        """All digest documents anew; they are a commit of their own (up to 9 MiB)."""
        self._merge(oldest_day)
        return self._spread(self._buckets)

    def _forget(self, buckets: set[int], oldest_day: int) -> None:
        """Leave out of some buckets what is too old; memory and documents have to hold the same."""
        kept, marks = Columns(array("Q"), array("Q"), array("H")), bytearray()
        for n, (start, stop) in enumerate(self._ranges()):
            part, seen = self._columns.part(start, stop), self._seen[start:stop]
            if n in buckets:
                seen = bytearray(m for m, day in zip(seen, part.days, strict=True) if day >= oldest_day)
                part = part.since(oldest_day)
            kept.extend(part)
            marks.extend(seen)
        self._columns, self._seen = kept, marks

    def _change(self, key: int, content: int, day: int) -> None:
        self._overlay[key] = (content, day)
        if self._buckets:
            self._pending[key] = (content, day)

    def _spread(self, buckets: int) -> dict[int, bytes]:
        """Lay all entries out over so many documents (more, if these would be too full)."""
        self._buckets = buckets
        while self._buckets < MAX_BUCKETS and len(self._columns.ids) > self._buckets * BUCKET_ENTRIES * 0.9:
            self._buckets *= 4
        self._pending = {}
        return {n: self._columns.pack(*bounds) for n, bounds in enumerate(self._ranges())}

    def _bucket(self, key: int) -> int:
        return key * self._buckets >> 64

    def _ranges(self) -> list[tuple[int, int]]:
        edges = [bisect_left(self._columns.ids, (n << 64) // self._buckets) for n in range(self._buckets)]
        return list(zip(edges, [*edges[1:], len(self._columns.ids)], strict=True))

    def _merge(self, oldest_day: int = 0) -> None:
        """Bring the changes into the sorted columns, and leave out what is removed or too old."""
        if not self._overlay and not oldest_day:
            return
        old = self._columns
        merged = Columns(array("Q"), array("Q"), array("H"))
        marks = bytearray()
        at = 0
        for key, (content, day) in Columns.of(self._overlay).items():
            upto = bisect_left(old.ids, key, at)
            merged.extend(old.part(at, upto))
            marks.extend(self._seen[at:upto])
            known = upto < len(old.ids) and old.ids[upto] == key
            if content != _REMOVED:
                merged.append(key, content, day)
                marks.append(key in self._seen_new or (known and self._seen[upto] == 1))
            at = upto + known
        merged.extend(old.part(at, len(old.ids)))
        marks.extend(self._seen[at:])
        if oldest_day:
            kept = merged.since(oldest_day)
            if kept is not merged:
                marks = bytearray(
                    mark for mark, day in zip(marks, merged.days, strict=True) if day >= oldest_day
                )
            merged = kept
        self._columns, self._seen = merged, marks
        # A record may be seen long before it is put: its page is written in parts.
        self._seen_new.difference_update(self._overlay)
        self._overlay = {}
