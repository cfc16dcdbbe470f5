"""One stream's share of a task: its window is read page by page, with a checkpoint for each page.

Each page's records, rejects and digest entries are one commit with the cursor; `since` moves only in
the commit that completes the window. While a page is being written, the next one is read and normalized;
its own commit waits for the one under way.
"""

from __future__ import annotations

import logging
from datetime import timedelta

import msgspec

from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    PageTokenExpired,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.spec import AnyStream, Listing, Page
from orchestrator.model.counts import StreamCounts
from orchestrator.model.state import Cursor, OpenWindow, StreamState
from orchestrator.sync import hidden, vanished, windows
from orchestrator.sync.changes import Change, parts, portions
from orchestrator.sync.details import Details
from orchestrator.sync.migration import versions
from orchestrator.sync.normalizer import Normalizer
from orchestrator.sync.page_writer import PageWriter
from orchestrator.sync.pages import Pages, Repeats, SliceOver, is_progress
from orchestrator.sync.task_context import TaskContext
from orchestrator.sync.windows import Terms

log = logging.getLogger(__name__)

#: A window is started again this often because of its page token, then it has failed.
RESTARTS = 3
#: A listing that repeats itself is started again once this number of ticks in a row failed because of it.
REPEATED = 4


def sync_stream(task: TaskContext, stream: AnyStream, counts: StreamCounts) -> MarketplaceError | None:
    """Bring one stream up to date, as far as the slice's time allows.

    Returns the error of a part of the listing that could not be read; the rest of it is stored.

    Raises:
        SliceOver: Time is up; the holder has the progress, the caller stores it.
        MarketplaceError: This stream cannot continue now; its progress is kept.
        Lost, Stopped: See Holder.
        StoreUnavailable: Deliver again.
    """
    lookback = timedelta(seconds=task.services.settings.lookback_seconds)
    terms = windows.terms(stream, task.connection, task.connector.epoch, lookback)
    known = task.holder.state.streams.get(stream.name)
    state = versions.current(terms, known, task.connection)
    if state.migration and known is not None and known.version != state.version:
        log.info(
            "the history of %s will be rewritten in version %d",
            *(stream.name, state.version),
            extra={"action": "migration_begun", "stream": stream.name, "version": state.version},
        )
    now = task.services.clock.now()
    window = windows.open_window(terms, state.cursor, now, task.store.now())
    failure: MarketplaceError | None = None
    if window is None:
        task.holder.set_stream(stream.name, msgspec.structs.replace(state, last_success_at=now))
    else:
        failure = StreamSync(task, terms, state, window, counts).run(window)
    if state.hidden:
        hidden.reread(task, terms, counts)
    return failure


class ListingShort(ResponseInvalid):
    """A listing ended before it showed as many records as the marketplace counts, twice in a row."""


def _failed(window: OpenWindow, error: Exception) -> OpenWindow:
    """The window with the failure counted, if it is one that a smaller page may avoid."""
    if not isinstance(error, (MarketplaceUnavailable, RequestRejected, ResponseInvalid)):
        return window
    if window.stale and window.failures + 1 >= REPEATED:
        return windows.from_start(window)
    return msgspec.structs.replace(window, failures=window.failures + 1)


class StreamSync:
    """Reads one window of one stream to its end, or until the slice is over."""

    writer = PageWriter

    def __init__(
        self, task: TaskContext, terms: Terms, state: StreamState, window: OpenWindow, counts: StreamCounts
    ) -> None:
        self._task, self._terms, self._stream, self._counts = task, terms, terms.stream, counts
        self._total: int | None = None
        #: Whether the marketplace's count has changed during the listing.
        self._is_recounted = False
        self._repeats = Repeats(self._stream.name)
        self._pages = Pages(task, self._stream, self._show_life)
        suspects, history = vanished.unpack(state.suspects), versions.left_to_history(terms, state, window)
        self._normalizer = Normalizer(task, terms, window, counts, suspects, history=history)
        self._writer = self.writer(task, self._stream, self._normalizer, state)
        self._details = Details(task, self._stream, self._normalizer, self._writer, self._pages)

    def run(self, window: OpenWindow) -> MarketplaceError | None:
        """Read and write pages until the window is complete; returns and raises as `sync_stream` does."""
        restarts = 0
        failure: MarketplaceError | None = None
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
                shorter = self._shortened(window)
                if shorter is not None:
                    window = shorter
                    del page
                    if window.since >= window.until:
                        break
                    continue
                window = self._take(window, page)
                if page.next_token is None:
                    if not self._is_short(window):
                        failure = page.failure
                        break
                    window = self._listed_again(window)
                    del page
                    continue
                # It may be large, and the next one is read now.
                del page
                self._repeats.refuse(window)
                if self._is_over:
                    raise SliceOver
        except ListingShort:
            self._writer.settle()
            self._give_up(window)
            raise
        except (SliceOver, MarketplaceError) as error:
            # Pages that were read stay read, even if none of them was worth a commit of its own.
            self._writer.settle()
            window = _failed(window, error)
            self._writer.keep_progress(self._inside(window))
            raise
        finally:
            self._pages.drain()
            self._writer.settle()
        return failure

    @property
    def _reads_on(self) -> bool:
        """Whether another page may be asked for."""
        return self._task.time_left() > 0

    @property
    def _is_over(self) -> bool:
        """Whether the next page is left to another slice."""
        return self._task.time_left() <= 0 and not self._pages.is_ready

    def _shortened(self, window: OpenWindow) -> OpenWindow | None:
        """The window with an end before the marketplace's own clock; None if it has such an end already."""
        return windows.shortened(window, self._task.session.client.server_time, self._stream.age)

    def _give_up(self, window: OpenWindow) -> None:
        """Leave a window whose listing ended early."""
        rests_until = windows.rest(self._stream, self._writer.took, self._task.services.clock.now())
        given_up = windows.given_up(self._terms, self._cursor, window)
        self._writer.keep(cursor=given_up, rests_until=rests_until)

    def _start_again(self, window: OpenWindow) -> OpenWindow:
        self._writer.settle()
        position = self._normalizer.position
        window = windows.without_token(self._terms, msgspec.structs.replace(window, position=position))
        # From a later position on, earlier records are not listed again: none can be told missing.
        self._normalizer.blind = position is not None
        return self._begin(window)

    def _begin(self, window: OpenWindow) -> OpenWindow:
        """Begin a window again that has no token."""
        self._total, self._is_recounted = None, False
        self._repeats.forget()
        self._normalizer.page_is_stored()
        self._writer.start_again(msgspec.structs.replace(self._cursor, window=window))
        return window

    def _is_short(self, window: OpenWindow) -> bool:
        """Whether the window ended before it showed as many records as the marketplace counts.

        A count that changed while it was read proves nothing.
        """
        return self._total is not None and not self._is_recounted and window.read < self._total

    def _listed_again(self, window: OpenWindow) -> OpenWindow:
        """Begin a window again whose listing ended early; it may have been changed while it was read.

        Raises:
            ListingShort: The listing before this one ended early too.
        """
        self._writer.settle()
        if self._writer.state.short:
            shown = f"{window.read:,} of {self._total:,}"
            raise ListingShort(f"{self._stream.name}: listed {shown} records that the marketplace counts")
        self._writer.keep(short=True)
        self._normalizer.blind, self._normalizer.position = False, None
        return self._begin(windows.from_start(window))

    def _take(self, window: OpenWindow, page: Page) -> OpenWindow:
        """Begin to write one page; returns the window after it, without a token if the page is the last."""
        writer = self._writer
        # Details are read in the thread that reads ahead: before the next page.
        if self._stream.complete is None:
            self._read_ahead(window, page)
            groups = self._groups(window, page)
        else:
            groups = self._groups(window, page)
            self._read_ahead(window, page)
        if page.total is not None:
            # A count that changes during the listing: a row may have slipped past between two pages.
            self._is_recounted = self._is_recounted or self._total not in {None, page.total}
            self._normalizer.blind = self._normalizer.blind or self._is_recounted
            self._total = page.total
        writer.settle()
        window = self._noted(window, page)
        is_last = page.next_token is None and not self._is_short(window)
        cursor = self._behind(window) if is_last else self._inside(window)
        for group in groups[:-1]:
            writer.write(group, self._cursor)
        if is_last:
            if groups:
                writer.write(groups[-1], self._cursor if self._normalizer.lists_all else cursor)
            self._complete(window, cursor, page)
        elif groups:
            writer.begin(groups[-1], cursor)
        else:
            writer.sign_of_life(cursor)
        if self._pages.is_large:
            # Others may wait for its place, which the next page gives back.
            writer.settle()
        return window

    def _show_life(self) -> None:
        """Tell other workers, while a page waits for its turn, that this one is alive."""
        self._writer.settle()
        self._writer.sign_of_life(self._cursor)

    def _read_ahead(self, window: OpenWindow, page: Page) -> None:
        if page.next_token is not None and self._reads_on and not self._pages.is_large:
            self._pages.read_ahead(window, page.next_token)

    def _groups(self, window: OpenWindow, page: Page) -> list[list[Change]]:
        """A page's changes in commits; those of a large page are made here, except for the last ones."""
        normalizer, writer = self._normalizer, self._writer
        groups: list[list[Change]] = []
        for portion in portions(page.records):
            if groups:
                writer.settle()
                for group in groups:
                    writer.write(group, self._cursor)
            writer.make_room()
            changes = normalizer.changes(portion, writer.digest)
            changes = self._details.complete(changes, window.failures + 1, lambda: self._inside(window))
            groups = list(parts(changes))
        return [*groups, *parts(normalizer.unshown(page.unshown, writer.digest))]

    def _noted(self, window: OpenWindow, page: Page) -> OpenWindow:
        """The window after a page, with all that it tells beside its records; no commit is under way."""
        normalizer, writer = self._normalizer, self._writer
        if page.outside:
            log.warning(
                "%d rows of %s are outside of the window and stored all the same",
                *(page.outside, self._stream.name),
                extra={"action": "rows_outside_window", "stream": self._stream.name, "rows": page.outside},
            )
        if page.unshown or normalizer.bare:
            now, found = self._task.services.clock.now(), [*page.unshown, *normalizer.bare]
            writer.keep(hidden=hidden.met(writer.state.hidden, found, window, now))
        window = self._repeats.noted(window, page.records)
        if writer.state.stuck and is_progress(window, page.records):
            writer.keep(stuck=0)
        normalizer.page_is_stored()
        return msgspec.structs.replace(
            window,
            stored=b"",
            # The token dies with the invocation: then the next one has to come to the failing page again.
            failures=0 if self._stream.durable_token and not window.stale else window.failures,
            token=page.next_token,
            read=window.read + (page.listed or 0),
            total=self._total if self._total is not None else window.total,
            position=normalizer.position,
            blind=normalizer.blind,
        )

    def _complete(self, window: OpenWindow, cursor: Cursor, page: Page) -> None:
        """Mark the vanished records, and leave the moved `since` to the next commit."""
        normalizer, writer, clock = self._normalizer, self._writer, self._task.services.clock
        gone, suspects = self._vanished(window, page)
        normalizer.suspects = set()
        for keys, writes in vanished.deletions(self._task.store, normalizer.collection, gone, clock.now):
            writer.forget(keys, writes)
            self._counts.deleted += len(writes)
        shown = hidden.no_longer(self._terms, writer.state.hidden, window)
        for each in shown:
            change = normalizer.rejects.shown(each, writer.digest)
            if change is not None:
                writer.write([change], self._cursor)
        if page.notice and page.notice != writer.state.notice:
            self._counts.notice = page.notice
            log.info(
                "%s",
                page.notice,
                extra={"action": "account_notice", "stream": self._stream.name},
            )
        now = clock.now()
        writer.keep(
            cursor=cursor,
            notice=page.notice,
            hidden=tuple(each for each in writer.state.hidden if each not in shown),
            suspects=vanished.pack(suspects),
            short=False,
            stuck=0,
            not_before=None,
            rests_until=windows.rest(self._stream, writer.took, now),
            last_success_at=now if page.failure is None else writer.state.last_success_at,
        )

    def _vanished(self, window: OpenWindow, page: Page) -> tuple[list[int], set[int]]:
        """Records that have vanished, and those that have if the next complete listing misses them too."""
        normalizer = self._normalizer
        if page.failure is not None:
            return [], normalizer.suspects
        gone: list[int] = []
        if normalizer.lists_all and not normalizer.blind:
            oldest_day = windows.oldest_listed(self._terms, window)
            gone = vanished.missing(self._stream.name, window, self._total, self._writer.digest, oldest_day)
        if self._stream.listing is Listing.SNAPSHOT:
            return gone, set()
        # A record changed after this window's end may be missing from it: the next has to miss it too.
        return sorted(normalizer.suspects), set(gone) - normalizer.suspects

    @property
    def _cursor(self) -> Cursor:
        """The cursor as it is stored."""
        return self._writer.cursor

    def _behind(self, window: OpenWindow) -> Cursor:
        """The cursor once the window's last page is stored; only here does `since` move."""
        return windows.completed(self._terms, self._cursor, window, self._writer.took)

    def _inside(self, window: OpenWindow) -> Cursor:
        """The cursor while the window is open; a token that dies with the invocation is not kept."""
        if not self._stream.durable_token:
            window = msgspec.structs.replace(window, token=None, read=0)
        elif stored := self._normalizer.stored():
            window = msgspec.structs.replace(window, stored=stored)
        return msgspec.structs.replace(self._cursor, window=window)
