"""One stream's share of a task: window, pages, checkpoints.

Each page's records, rejects and digest entries are one commit with the cursor; `since` moves only in
the commit that completes the window. While a page is being written, the next one is read and normalized;
its own commit waits for the one under way.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from orchestrator.errors import MarketplaceError, PageTokenExpired, WriteRejected
from orchestrator.marketplaces.spec import AnyStream, Listing, Page
from orchestrator.model import ids
from orchestrator.model.counts import StreamCounts
from orchestrator.model.state import Cursor, OpenWindow, StreamState
from orchestrator.ports import Put, Write
from orchestrator.sync import absorbing, windows
from orchestrator.sync import vanished as vanishing
from orchestrator.sync.absorbing import Absorber, Change
from orchestrator.sync.digest import Digest
from orchestrator.sync.pages import Pages, SliceOver
from orchestrator.sync.work import Work

log = logging.getLogger(__name__)

#: A holder that is alive writes its state at least this often, so that nobody takes it for dead (90 s).
SIGN_OF_LIFE_S = 45.0
#: A window is started again this often because of a token, then it has failed.
RESTARTS = 3


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A commit that is being made, and what is done in parts where the store refuses it."""

    done: Future[None]
    changes: list[Change]
    cursor: Cursor
    #: The stream's state once it is made.
    state: StreamState


class StreamSync:
    """Brings one stream up to date, as far as the slice's time goes."""

    def __init__(self, work: Work, stream: AnyStream, counts: StreamCounts) -> None:
        self._work, self._stream, self._counts = work, stream, counts
        self._terms = windows.terms(
            stream,
            work.connection,
            work.connector.epoch,
            timedelta(seconds=work.services.settings.lookback_seconds),
        )
        self._state = self._current_state()
        self._digest: Digest | None = None
        self._total: int | None = None
        self._pages = Pages(work.services, work.session, stream, work.time_left)
        #: Made when the window is known.
        self._absorber: Absorber
        self._under_way: _UnderWay | None = None
        #: When reading the open window would have begun, had it all been in this slice; monotonic.
        self._began = work.services.clock.monotonic() - self._state.took_s

    def run(self) -> None:
        """Read pages until the window is complete.

        Raises:
            SliceOver: Time is up; the holder has the progress, the caller stores it.
            MarketplaceError: This stream cannot go on now; what was read is kept.
            Lost, Stopped: See Holder.
            StoreUnavailable: Deliver again.
        """
        now = self._work.services.clock.now()
        window = windows.open_window(self._terms, self._state.cursor, now)
        if window is None:
            self._keep(last_success_at=now)
            return
        self._absorber = self._new_absorber(window)
        restarts = 0
        try:
            while True:
                try:
                    page = self._pages.take(windows.asked(window), window.token)
                except PageTokenExpired:
                    restarts += 1
                    if restarts > RESTARTS:
                        raise
                    window = self._start_again(window)
                    continue
                server_time = self._work.session.client.server_time
                shorter = windows.shortened(window, server_time, self._stream.age)
                if shorter is not None:
                    window = shorter
                    if window.since >= window.until:
                        break
                    continue
                window = self._take(window, page)
                if page.next_token is None:
                    break
                if self._work.time_left() <= 0 and not self._pages.is_ready:
                    raise SliceOver
        except (SliceOver, MarketplaceError):
            # What was read stays read, also where no commit of its own was worth it.
            self._settle()
            self._keep_progress(self._inside(window))
            raise
        finally:
            self._pages.drain()
            self._settle()

    def _current_state(self) -> StreamState:
        """The stored state; another scope starts again, but what is remembered of records stays true."""
        state = self._work.holder.state.streams.get(self._stream.name)
        scope = windows.scope_of(self._stream, self._work.connection)
        if state is None:
            return StreamState(scope=scope)
        if state.scope != scope:
            state = msgspec.structs.replace(state, scope=scope, cursor=Cursor(full=state.cursor.full))
        return state if state.cursor.window is not None else msgspec.structs.replace(state, took_s=0.0)

    def _new_absorber(self, window: OpenWindow) -> Absorber:
        work = self._work
        return Absorber(
            connection_id=work.holder.connection_id,
            connection=work.connection,
            connector=work.connector,
            stream=self._stream,
            run_id=work.run_id,
            now=work.services.clock.now,
            counts=self._counts,
            until=window.until,
            full=window.full,
            lists_all=windows.lists_all(self._stream, window),
            suspects=vanishing.unpack(self._state.suspects),
            oldest_day=windows.oldest_remembered(self._terms, window.until),
            position=window.position,
            blind=window.blind,
        )

    # Reading

    def _start_again(self, window: OpenWindow) -> OpenWindow:
        self._settle()
        position = self._absorber.position if self._stream.ordered else None
        window = windows.without_token(self._terms, msgspec.structs.replace(window, position=position))
        # From a later position on, what was seen before is not seen again: nothing can be told missing.
        self._absorber.blind = position is not None
        self._keep(cursor=msgspec.structs.replace(self._state.cursor, window=window))
        self._digest = None
        return window

    def _took(self) -> timedelta:
        return timedelta(seconds=round(self._work.services.clock.monotonic() - self._began, 3))

    # Writing

    def _take(self, window: OpenWindow, page: Page) -> OpenWindow:
        """Begin to write one page; returns the window behind it, without a token when it is complete."""
        going_on = page.next_token is not None and self._work.time_left() > 0
        if going_on:
            self._pages.read_ahead(windows.asked(window), page.next_token)
        absorber = self._absorber
        *earlier, records = absorbing.portions(page.records)
        for portion in earlier:
            groups = list(absorbing.parts(self._changes(portion)))
            self._settle()
            for group in groups:
                self._write(group, self._state.cursor)
        groups = list(absorbing.parts(self._changes(records)))
        if page.total is not None:
            # A count that changes while it is read: a row may have slipped past between two pages.
            absorber.blind = absorber.blind or self._total not in {None, page.total}
            self._total = page.total
        self._settle()
        window = msgspec.structs.replace(
            window,
            token=page.next_token,
            read=window.read + (page.listed or 0),
            position=absorber.position if self._stream.ordered else None,
            blind=absorber.blind,
        )
        is_last = page.next_token is None
        cursor = self._behind(window) if is_last else self._inside(window)
        for group in groups[:-1]:
            self._write(group, self._state.cursor)
        if is_last:
            if groups:
                self._write(groups[-1], self._state.cursor if absorber.lists_all else cursor)
            self._complete(window, cursor)
        elif groups:
            self._begin_write(groups[-1], cursor)
        elif self._work.services.clock.monotonic() - self._work.holder.written_at > SIGN_OF_LIFE_S:
            self._keep_progress(cursor)
            self._work.holder.commit()
        return window

    def _changes(self, records: Sequence[bytes]) -> list[Change]:
        if not records:
            return []
        if self._loaded().is_outgrown:
            self._settle()
            regrown = self._loaded().regrow(oldest_day=self._absorber.oldest_day)
            self._commit(self._digest_writes(regrown), b"", self._state.cursor)
        return self._absorber.page(records, self._loaded())

    def _behind(self, window: OpenWindow) -> Cursor:
        """The cursor once the window's last page is stored; only here does `since` move."""
        return windows.completed(self._terms, self._state.cursor, window, self._took())

    def _inside(self, window: OpenWindow) -> Cursor:
        """The cursor while the window is open; a token that dies with the invocation is not kept."""
        if not self._stream.durable_token:
            window = msgspec.structs.replace(window, token=None, read=0)
        return msgspec.structs.replace(self._state.cursor, window=window)

    def _write(self, changes: list[Change], cursor: Cursor) -> None:
        """Commit changes with their digest entries and the cursor."""
        self._begin_write(changes, cursor)
        self._settle()

    def _begin_write(self, changes: list[Change], cursor: Cursor) -> None:
        """Begin to commit them, while no other commit is under way; `_settle` waits for it."""
        digest = self._loaded()
        for change in changes:
            for key, content, day in change.entries:
                if content:
                    digest.put(key, content, day)
                else:
                    digest.remove(key)
        inline, documents = digest.stage(oldest_day=self._absorber.oldest_day)
        writes = [*(write for change in changes for write in change.writes), *self._digest_writes(documents)]
        state = self._next_state(inline, cursor)
        # In a copy of this context, so that the thread's log lines carry what they belong to.
        done = self._work.services.executor.submit(copy_context().run, self._store, writes, state)
        self._under_way = _UnderWay(done, changes, cursor, state)

    def _settle(self) -> None:
        """Wait for the commit under way, if there is one; what the store refuses is bisected."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return
        try:
            under_way.done.result()
        except WriteRejected as error:
            self._bisect(under_way, error)
        else:
            self._state = under_way.state

    def _bisect(self, refused: _UnderWay, error: WriteRejected) -> None:
        """Commit the halves of what the store refuses; a single record that it refuses becomes a reject."""
        # The digest in memory is ahead of the store now; what the scan has shown stays true.
        shown = self._loaded().shown()
        self._digest = None
        for key in shown:
            self._loaded().see(key)
        changes = refused.changes
        if len(changes) > 1:
            middle = len(changes) // 2
            self._write(changes[:middle], self._state.cursor)
            self._write(changes[middle:], refused.cursor)
        elif changes[0].rejected:
            raise error
        else:
            self._write([self._absorber.refused(changes[0], error.message, self._loaded())], refused.cursor)

    def _commit(self, writes: list[Write], inline: bytes, cursor: Cursor) -> None:
        """Commit, and wait for it."""
        state = self._next_state(inline, cursor)
        self._store(writes, state)
        self._state = state

    def _next_state(self, inline: bytes, cursor: Cursor) -> StreamState:
        digest = self._digest
        return msgspec.structs.replace(
            self._state,
            cursor=self._with_seen(cursor),
            digest=inline,
            digest_buckets=digest.bucket_count if digest is not None else self._state.digest_buckets,
            suspects=vanishing.pack(self._absorber.suspects),
            took_s=self._took().total_seconds(),
        )

    def _store(self, writes: list[Write], state: StreamState) -> None:
        holder = self._work.holder
        holder.commit(writes, streams={**holder.state.streams, self._stream.name: state})

    def _keep(self, **changes: object) -> None:
        """Leave the stream's state to the next commit."""
        self._state = msgspec.structs.replace(self._state, **changes)
        self._work.holder.set_stream(self._stream.name, self._state)

    def _keep_progress(self, cursor: Cursor) -> None:
        """Leave what was read, also where nothing of it had to be written, to the next commit."""
        suspects = vanishing.pack(self._absorber.suspects)
        self._keep(cursor=self._with_seen(cursor), suspects=suspects, took_s=self._took().total_seconds())

    def _with_seen(self, cursor: Cursor) -> Cursor:
        """The cursor with what an unfinished listing has shown: bits of the entries as they are now."""
        window = cursor.window
        if window is None or window.token is None or not self._absorber.lists_all:
            return cursor
        window = msgspec.structs.replace(window, seen=self._loaded().seen_bits(), blind=self._absorber.blind)
        return msgspec.structs.replace(cursor, window=window)

    # Ending

    def _complete(self, window: OpenWindow, cursor: Cursor) -> None:
        """Mark what has vanished, and leave the moved `since` to the next commit."""
        absorber = self._absorber
        missing = self._missing(window) if absorber.lists_all and not absorber.blind else []
        if self._stream.listing is Listing.SNAPSHOT:
            vanished, suspects = missing, b""
        else:
            # What changed after this window's end may be missing from it: one more window has to miss it too.
            vanished = sorted(absorber.suspects)
            suspects = vanishing.pack(set(missing) - absorber.suspects)
        absorber.suspects = set()
        self._mark_vanished(vanished)
        now = self._work.services.clock.now()
        self._keep(
            cursor=cursor,
            suspects=suspects,
            not_before=None,
            rests_until=windows.rest(self._stream, self._took(), now),
            last_success_at=now,
        )

    def _missing(self, window: OpenWindow) -> list[int]:
        """Known records of the window's span that its complete listing did not show."""
        if self._total is not None and self._total != window.read:
            log.warning(
                "%s listed %d of the %d it counts: nothing is taken as vanished",
                self._stream.name,
                window.read,
                self._total,
                extra={"action": "listing_incomplete", "stream": self._stream.name},
            )
            return []
        if not self._state.digest and not self._state.digest_buckets:
            return []
        return self._loaded().unseen(oldest_day=windows.oldest_listed(self._terms, window))

    def _mark_vanished(self, vanished: list[int]) -> None:
        """Give `deleted_at` to records that are listed no longer, and forget them."""
        work = self._work
        for start in range(0, len(vanished), absorbing.PART_DOCUMENTS):
            part = vanished[start : start + absorbing.PART_DOCUMENTS]
            collection = f"{ids.connection_path(work.holder.connection_id)}/{self._stream.name}"
            writes = vanishing.deletions(work.store, collection, part, work.services.clock.now())
            digest = self._loaded()
            for key in part:
                digest.remove(key)
            inline, documents = digest.stage()
            self._commit([*writes, *self._digest_writes(documents)], inline, self._state.cursor)
            self._counts.deleted += len(writes)

    # Digest

    def _loaded(self) -> Digest:
        """The digest, read when it is first needed."""
        if self._digest is None:
            count = self._state.digest_buckets
            found = self._work.store.get_many([self._digest_path(n) for n in range(count)]) if count else []
            if any(snapshot is None for snapshot in found):
                # Somebody removed digest documents: everything read is written again, nothing is lost.
                log.warning("digest documents are missing", extra={"action": "digest_missing"})
            buckets = [snapshot.data["entries"] if snapshot is not None else b"" for snapshot in found]
            self._digest = Digest(self._state.digest, buckets)
            window = self._state.cursor.window
            if window is not None and window.token is not None:
                self._digest.restore_seen(window.seen)
        return self._digest

    def _digest_path(self, number: int) -> str:
        return f"{self._work.holder.path}/digests/{self._stream.name}-{number:02d}"

    def _digest_writes(self, documents: dict[int, bytes]) -> list[Write]:
        return [Put(self._digest_path(number), {"entries": packed}) for number, packed in documents.items()]
