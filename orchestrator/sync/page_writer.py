"""Writing a stream's pages: each commit holds documents, digest entries and the cursor together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from datetime import datetime, timedelta

import msgspec

from orchestrator.errors import WriteRejected
from orchestrator.marketplaces.spec import AnyStream
from orchestrator.model.change_event import StreamChanges
from orchestrator.model.records.document import SYNCED_AT
from orchestrator.model.state import Cursor, StreamState
from orchestrator.ports import DocumentStore, Put, Update, Write
from orchestrator.sync import vanished
from orchestrator.sync.changes import Change
from orchestrator.sync.digest import Digest
from orchestrator.sync.normalizer import Normalizer
from orchestrator.sync.task_context import TaskContext

log = logging.getLogger(__name__)

#: A live holder writes its state at least this often, so that nobody takes it for dead (90 s).
SIGN_OF_LIFE_S = 45.0


class PageWriter:
    """Commits a stream's changes, one commit at a time; the caller may prepare the next one meanwhile."""

    def __init__(
        self, task: TaskContext, stream: AnyStream, normalizer: Normalizer, state: StreamState
    ) -> None:
        self._task, self._stream, self._normalizer = task, stream, normalizer
        #: As last committed, with the changes that `keep` leaves to the next commit.
        self.state = state
        self._digests = DigestStore(task.store, f"{task.holder.path}/digests/{stream.name}")
        self._digest: Digest | None = None
        #: The commit under way: its changes, its cursor, and the stream's state once it is made.
        self._under_way: tuple[Future[None], list[Change], Cursor, StreamState] | None = None
        #: When reading the open window would have begun, had all of it been in this slice; monotonic.
        self._began = task.services.clock.monotonic() - state.took_s
        self._slept_before_s = task.session.client.slept_s

    @property
    def digest(self) -> Digest:
        """The digest, read when it is first needed."""
        if self._digest is None:
            self._digest = self._digests.load(self.state)
        return self._digest

    @property
    def cursor(self) -> Cursor:
        """The cursor that the pages move, as last committed."""
        return self.state.cursor

    @property
    def took(self) -> timedelta:
        """How long reading the open window has taken so far, in all slices; sleeping for limits aside."""
        slept_s = self._task.session.client.slept_s - self._slept_before_s
        took_s = self._task.services.clock.monotonic() - self._began - slept_s
        return timedelta(seconds=max(0.0, round(took_s, 3)))

    def write(self, changes: list[Change], cursor: Cursor) -> None:
        """Commit changes with their digest entries and the cursor."""
        self.begin(changes, cursor)
        self.settle()

    def begin(self, changes: list[Change], cursor: Cursor) -> None:
        """Begin to commit changes, while no other commit is under way; `settle` waits for it."""
        digest = self.digest
        for change in changes:
            for entry in change.entries:
                digest.put(*entry)
        inline, documents = digest.stage(oldest_day=self._normalizer.oldest_day)
        now = self._task.store.now() or self._task.services.clock.now()
        records = stamped([write for change in changes for write in change.writes], now)
        writes = [*records, *self._digests.writes(documents)]
        state = self._next_state(inline, cursor)
        # In a copy of this context, so that the thread's log lines carry its fields.
        written = sum(not change.rejected for change in changes)
        done = self._task.services.executor.submit(copy_context().run, self._store, writes, state, written)
        self._under_way = done, changes, cursor, state

    def settle(self) -> None:
        """Wait for the commit under way, if there is one; a refused commit is bisected.

        Raises:
            WriteRejected: The store refuses even the reject that replaces a refused record.
            Lost, Stopped, StoreUnavailable: See Holder.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return
        done, changes, cursor, state = under_way
        try:
            done.result()
        except WriteRejected as error:
            self._bisect(changes, cursor, error)
        else:
            self.state = state

    def make_room(self) -> None:
        """Lay out the digest's documents anew if one of them has grown too full."""
        if self.digest.is_outgrown:
            self.settle()
            self._commit((), b"", self.digest.regrow(oldest_day=self._normalizer.oldest_day))

    def forget(self, keys: Sequence[int], writes: Sequence[Write]) -> None:
        """Commit writes, and remove their records' keys from the digest."""
        for key in keys:
            self.digest.remove(key)
        self._commit(writes, *self.digest.stage(), deleted=len(writes))

    def keep(self, **changes: object) -> None:
        """Leave changes of the stream's state to the next commit."""
        self.state = msgspec.structs.replace(self.state, **changes)
        self._task.holder.set_stream(self._stream.name, self.state)

    def keep_progress(self, cursor: Cursor) -> None:
        """Leave the progress to the next commit: records may have been read, and none of them written."""
        self.keep(**self._progress(cursor))

    def sign_of_life(self, cursor: Cursor) -> None:
        """Commit the progress if there was no commit for so long that the holder might seem dead."""
        if self._task.services.clock.monotonic() - self._task.holder.written_at > SIGN_OF_LIFE_S:
            self.keep_progress(cursor)
            self._task.holder.commit()

    def start_again(self, cursor: Cursor) -> None:
        """Leave the cursor of a window's new start to the next commit; no record counts as seen any more."""
        self.keep(**self.at(cursor))
        self._digest = None

    def _bisect(self, changes: list[Change], cursor: Cursor, error: WriteRejected) -> None:
        """Commit the halves of refused changes; a single refused record becomes a reject."""
        # The digest in memory is ahead of the store now; the records that the scan has shown stay seen.
        seen = self.digest.seen_keys()
        self._digest = None
        for key in seen:
            self.digest.see(key)
        if len(changes) > 1:
            middle = len(changes) // 2
            self.write(changes[:middle], self.cursor)
            self.write(changes[middle:], cursor)
        elif changes[0].rejected:
            raise error
        else:
            reject = self._normalizer.rejects.refused(changes[0], error.message, self.digest)
            self.write([reject], cursor)

    def _commit(
        self, writes: Sequence[Write], inline: bytes, documents: dict[int, bytes], *, deleted: int = 0
    ) -> None:
        """Commit at once, with the cursor as it is."""
        state = self._next_state(inline, self.cursor)
        self._store([*writes, *self._digests.writes(documents)], state, deleted=deleted)
        self.state = state

    def _store(
        self, writes: Sequence[Write], state: StreamState, written: int = 0, *, deleted: int = 0
    ) -> None:
        holder = self._task.holder
        changed: dict[str, object] = {}
        if self._task.services.changes is not None and (written or deleted):
            changes = StreamChanges(written=written, deleted=deleted, since=self._earliest(writes))
            organization_id = self._task.connection.organization_id
            changed["open"] = holder.open.with_changes(organization_id, self._stream.name, changes)
        holder.commit(writes, streams={**holder.state.streams, self._stream.name: state}, **changed)

    def _earliest(self, writes: Sequence[Write]) -> datetime:
        """The earliest `synced_at` of these writes; now, if none of them has one."""
        fields = [
            write.fields if isinstance(write, Update) else write.data
            for write in writes
            if isinstance(write, Update | Put)
        ]
        stamps = (each.get("synced_at") for each in fields)
        found = [stamp for stamp in stamps if isinstance(stamp, datetime)]
        return min([self._task.services.clock.now(), *found])

    def _next_state(self, inline: bytes, cursor: Cursor) -> StreamState:
        buckets = self.digest.bucket_count
        return msgspec.structs.replace(
            self.state, digest=inline, digest_buckets=buckets, **self._progress(cursor)
        )

    def _progress(self, cursor: Cursor) -> dict[str, object]:
        """The fields of the stream's state that tell how far the window has been read."""
        return {**self.at(self._with_seen(cursor)), "suspects": vanished.pack(self._normalizer.suspects)}

    def at(self, cursor: Cursor) -> dict[str, object]:
        """The fields of the stream's state that hold the cursor."""
        return {"cursor": cursor, "took_s": self.took.total_seconds()}

    def _with_seen(self, cursor: Cursor) -> Cursor:
        """The cursor with the marks of an unfinished listing: bits that fit the entries as they are now."""
        window, normalizer = cursor.window, self._normalizer
        if window is None or window.token is None or not normalizer.lists_all:
            return cursor
        window = msgspec.structs.replace(window, seen=self.digest.seen_bits(), blind=normalizer.blind)
        return msgspec.structs.replace(cursor, window=window)


def stamped(writes: Iterable[Write], now: datetime) -> list[Write]:
    """The writes with the time of their commit in each record's document.

    The documents may have been made minutes ago, while earlier commits of a large page were retried. A reader
    who asks for all that was synced since its last question would miss such documents.
    """
    return [
        Put(write.path, {**write.data, SYNCED_AT: now})
        if isinstance(write, Put) and SYNCED_AT in write.data
        else write
        for write in writes
    ]


class DigestStore:
    """Loads the digest of one stream, and makes the writes that store it.

    Args:
        store: The store of the documents.
        path: The documents' path without their number.
    """

    def __init__(self, store: DocumentStore, path: str) -> None:
        self._store, self._path = store, path

    def load(self, state: StreamState) -> Digest:
        """The digest that was committed with a stream's state; missing documents count as empty."""
        paths = [self._document(number) for number in range(state.digest_buckets)]
        found = self._store.get_many(paths) if paths else []
        if any(snapshot is None for snapshot in found):
            # Somebody removed digest documents: everything read is written again, nothing is lost.
            missing = found.count(None)
            log.warning(
                "%d of %d digest documents at %s-NN are missing: all that is listed is written again",
                *(missing, len(found), self._path),
                extra={"action": "digest_missing", "missing": missing, "documents": len(found)},
            )
        buckets = [snapshot.data["entries"] if snapshot is not None else b"" for snapshot in found]
        digest = Digest(state.digest, buckets)
        window = state.cursor.window
        if window is not None and window.token is not None:
            digest.restore_seen(window.seen)
        return digest

    def writes(self, documents: dict[int, bytes]) -> list[Write]:
        """The writes of digest documents, by number."""
        return [Put(self._document(number), {"entries": packed}) for number, packed in documents.items()]

    def _document(self, number: int) -> str:
        return f"{self._path}-{number:02d}"
