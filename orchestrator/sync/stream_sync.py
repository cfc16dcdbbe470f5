"""One stream's share of a task: its window is read page by page, with a checkpoint for each page.

Each page's records, rejects and digest entries are one commit with the cursor; `since` moves only in
the commit that completes the window. While a page is being written, the next one is read and normalized;
its own commit waits for the one under way.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from orchestrator.errors import MarketplaceError, PageTokenExpired
from orchestrator.marketplaces.spec import AnyStream, Listing, Page
from orchestrator.model.counts import StreamCounts
from orchestrator.model.state import Cursor, OpenWindow, StreamState
from orchestrator.sync import vanished, windows
from orchestrator.sync.changes import Change, parts, portions
from orchestrator.sync.normalizer import Normalizer
from orchestrator.sync.page_writer import PageWriter
from orchestrator.sync.pages import Pages, SliceOver
from orchestrator.sync.task_context import TaskContext
from orchestrator.sync.windows import Terms

#: A live holder writes its state at least this often, so that nobody takes it for dead (90 s).
SIGN_OF_LIFE_S = 45.0
#: A window is started again this often because of its page token, then it has failed.
RESTARTS = 3


def sync_stream(task: TaskContext, stream: AnyStream, counts: StreamCounts) -> None:
    """Bring one stream up to date, as far as the slice's time allows.

    Raises:
        SliceOver: Time is up; the holder has the progress, the caller stores it.
        MarketplaceError: This stream cannot continue now; its progress is kept.
        Lost, Stopped: See Holder.
        StoreUnavailable: Deliver again.
    """
    lookback = timedelta(seconds=task.services.settings.lookback_seconds)
    terms = windows.terms(stream, task.connection, task.connector.epoch, lookback)
    state = _current_state(task, stream)
    now = task.services.clock.now()
    window = windows.open_window(terms, state.cursor, now, task.store.now())
    if window is None:
        task.holder.set_stream(stream.name, msgspec.structs.replace(state, last_success_at=now))
    else:
        StreamSync(task, terms, state, window, counts).run(window)


def _current_state(task: TaskContext, stream: AnyStream) -> StreamState:
    """The stored state; another scope starts again, but the digest of the stored records stays true."""
    state = task.holder.state.streams.get(stream.name)
    scope = windows.scope_of(stream, task.connection)
    if state is None:
        return StreamState(scope=scope)
    if state.scope != scope:
        state = msgspec.structs.replace(state, scope=scope, cursor=Cursor(full=state.cursor.full))
    return state if state.cursor.window is not None else msgspec.structs.replace(state, took_s=0.0)


class StreamSync:
    """Reads one window of one stream to its end, or until the slice is over."""

    def __init__(
        self, task: TaskContext, terms: Terms, state: StreamState, window: OpenWindow, counts: StreamCounts
    ) -> None:
        self._task, self._terms, self._stream, self._counts = task, terms, terms.stream, counts
        self._total: int | None = None
        self._pages = Pages(task, self._stream)
        self._normalizer = Normalizer(task, terms, window, counts, vanished.unpack(state.suspects))
        self._writer = PageWriter(task, self._stream, self._normalizer, state)

    def run(self, window: OpenWindow) -> None:
        """Read and write pages until the window is complete; raises as `sync_stream` does."""
        restarts = 0
        try:
            while True:
                try:
                    page = self._pages.take(window)
                except PageTokenExpired:
                    restarts += 1
                    if restarts > RESTARTS:
                        raise
                    window = self._start_again(window)
                    continue
                server_time = self._task.session.client.server_time
                shorter = windows.shortened(window, server_time, self._stream.age)
                if shorter is not None:
                    window = shorter
                    if window.since >= window.until:
                        break
                    continue
                window = self._take(window, page)
                if page.next_token is None:
                    break
                if self._task.time_left() <= 0 and not self._pages.is_ready:
                    raise SliceOver
        except (SliceOver, MarketplaceError):
            # Pages that were read stay read, even if none of them was worth a commit of its own.
            self._writer.settle()
            self._writer.keep_progress(self._inside(window))
            raise
        finally:
            self._pages.drain()
            self._writer.settle()

    def _start_again(self, window: OpenWindow) -> OpenWindow:
        self._writer.settle()
        position = self._normalizer.position
        window = windows.without_token(self._terms, msgspec.structs.replace(window, position=position))
        # From a later position on, earlier records are not listed again: none can be told missing.
        self._normalizer.blind = position is not None
        self._writer.start_again(msgspec.structs.replace(self._cursor, window=window))
        return window

    def _take(self, window: OpenWindow, page: Page) -> OpenWindow:
        """Begin to write one page; returns the window after it, without a token if the page is the last."""
        if page.next_token is not None and self._task.time_left() > 0:
            self._pages.read_ahead(window, page.next_token)
        normalizer, writer = self._normalizer, self._writer
        groups: list[list[Change]] = []
        for portion in portions(page.records):
            if groups:
                writer.settle()
                for group in groups:
                    writer.write(group, self._cursor)
            writer.make_room()
            groups = list(parts(normalizer.changes(portion, writer.digest)))
        if page.total is not None:
            # A count that changes during the listing: a row may have slipped past between two pages.
            normalizer.blind = normalizer.blind or self._total not in {None, page.total}
            self._total = page.total
        writer.settle()
        window = msgspec.structs.replace(
            window,
            token=page.next_token,
            read=window.read + (page.listed or 0),
            position=normalizer.position,
            blind=normalizer.blind,
        )
        is_last = page.next_token is None
        cursor = self._behind(window) if is_last else self._inside(window)
        for group in groups[:-1]:
            writer.write(group, self._cursor)
        if is_last:
            if groups:
                writer.write(groups[-1], self._cursor if normalizer.lists_all else cursor)
            self._complete(window, cursor)
        elif groups:
            writer.begin(groups[-1], cursor)
        elif self._task.services.clock.monotonic() - self._task.holder.written_at > SIGN_OF_LIFE_S:
            writer.keep_progress(cursor)
            self._task.holder.commit()
        return window

    def _complete(self, window: OpenWindow, cursor: Cursor) -> None:
        """Mark the vanished records, and leave the moved `since` to the next commit."""
        normalizer, writer, clock = self._normalizer, self._writer, self._task.services.clock
        gone: list[int] = []
        if normalizer.lists_all and not normalizer.blind:
            oldest_day = windows.oldest_listed(self._terms, window)
            gone = vanished.missing(window, self._total, writer.digest, oldest_day)
        suspects: set[int] = set()
        if self._stream.listing is not Listing.SNAPSHOT:
            # A record changed after this window's end may be missing from it: the next has to miss it too.
            suspects = set(gone) - normalizer.suspects
            gone = sorted(normalizer.suspects)
        normalizer.suspects = set()
        for keys, writes in vanished.deletions(self._task.store, normalizer.collection, gone, clock.now):
            writer.forget(keys, writes)
            self._counts.deleted += len(writes)
        now = clock.now()
        writer.keep(
            cursor=cursor,
            suspects=vanished.pack(suspects),
            not_before=None,
            rests_until=windows.rest(self._stream, writer.took, now),
            last_success_at=now,
        )

    @property
    def _cursor(self) -> Cursor:
        """The cursor as it is stored."""
        return self._writer.state.cursor

    def _behind(self, window: OpenWindow) -> Cursor:
        """The cursor once the window's last page is stored; only here does `since` move."""
        return windows.completed(self._terms, self._cursor, window, self._writer.took)

    def _inside(self, window: OpenWindow) -> Cursor:
        """The cursor while the window is open; a token that dies with the invocation is not kept."""
        if not self._stream.durable_token:
            window = msgspec.structs.replace(window, token=None, read=0)
        return msgspec.structs.replace(self._cursor, window=window)
