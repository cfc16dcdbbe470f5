"""Reading a window's pages: joined, one page ahead of the writing, and refused if they repeat themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from orchestrator.errors import MarketplaceError, RateLimited, ResponseInvalid
from orchestrator.marketplaces.spec import AnyStream, Page, Unshown, Window
from orchestrator.model.state import OpenWindow
from orchestrator.sync.task_context import TaskContext

T = TypeVar("T")

#: Small pages are joined until they hold this many records, but no page waits longer than this for the next.
#: A stream's first page of all is not joined: its records show at once that a new connection works.
JOINED_RECORDS = 250
JOINED_SECONDS = 5.0
#: Nor are they joined beyond this many bytes.
JOINED_BYTES = 4 * 1024 * 1024
#: A page with more rows was not asked for, and a longer token cannot be stored.
MAX_RECORDS, MAX_TOKEN = 50_000, 16_384

#: A wait for a page checks this often whether the slice is over.
LOOK_S = 0.5

#: A listing is refused after this number of pages in a row with only rows that the window has shown before.
STALE_PAGES = 3
#: Rows of a window that one slice remembers by hash, and pages that the open window keeps, 8 bytes each.
REMEMBERED_ROWS, REMEMBERED_PAGES = 20_000, 16
#: A window in which more pages are empty has no progress by another one.
EMPTY_PAGES = 10_000
_HASH_BYTES = 8


class SliceOver(Exception):
    """The slice's time is over; its progress is kept, and another slice continues."""


class Pages:
    """The pages of one stream; the session is used by one thread at a time while the slice lasts.

    If the slice ends before a page arrives, the page is abandoned: the time that a marketplace takes for a
    page has no bound that fits every slice, and waiting would only get this invocation killed.

    A page with large answers keeps the session's place for them until it is stored: no page is read ahead of
    its end, and the place is given back before the next one is read.

    Args:
        task: The slice.
        stream: The stream.
        show_life: Called now and then while the session waits for a place: the holder is alive.
    """

    def __init__(self, task: TaskContext, stream: AnyStream, show_life: Callable[[], None]) -> None:
        self._task, self._stream, self._show_life = task, stream, show_life
        self._place = task.session.client.place
        known = task.holder.state.streams.get(stream.name)
        #: Whether no window of the stream was ever read to its end.
        self._is_new = known is None or known.cursor.since is None
        self._ahead: Future[Page] | None = None
        #: A call of the session that is under way.
        self._called: Future[Any] | None = None
        self._limited: RateLimited | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether a page is being read ahead, or was read and not taken."""
        return self._ahead is not None

    @property
    def is_ready(self) -> bool:
        """Whether a page that was read ahead can be taken without waiting."""
        return self._ahead is not None and self._ahead.done()

    def take(self, window: OpenWindow) -> Page:
        """The page at the window's token: the page read ahead, if there is one.

        Raises:
            MarketplaceError: The page could not be read.
            SliceOver: It has not arrived in time.
        """
        if self._ahead is None:
            self._place.give_back()
        ahead = self._ahead or self.read_ahead(window, window.token)
        if not self._arrives(ahead):
            raise SliceOver
        self._ahead = None
        return ahead.result()

    def read_ahead(self, window: OpenWindow, token: str | None) -> Future[Page]:
        """Begin reading the page at `token`, which the next `take` will ask for."""
        attempt = window.failures + 1 if token == window.token else self._later_attempt(window.failures + 1)
        asked = Window(since=window.since, until=window.until, attempt=attempt)
        # In a copy of this context, so that the thread's log lines carry its fields.
        self._ahead = self._task.services.executor.submit(copy_context().run, self._read, asked, token)
        return self._ahead

    @property
    def is_large(self) -> bool:
        """Whether the page that was taken keeps the place for large answers; no page is read ahead."""
        return self._ahead is None and self._place.is_held

    def run(self, call: Callable[[], T]) -> T:
        """Run a call of the session in the reading thread, while no page is read ahead.

        Raises:
            SliceOver: It has not ended in time, and is abandoned like a page.
        """
        future = self._task.services.executor.submit(copy_context().run, call)
        self._called = future
        if not self._arrives(future):
            raise SliceOver
        self._called = None
        return future.result()

    def drain(self) -> None:
        """Wait for a page that is no longer wanted: the session is then free, and so is its place."""
        future, self._ahead, self._called = self._ahead or self._called, None, None
        if future is None or future.cancel():
            self._place.give_back()
            return
        self._place.is_wanted = False
        if self._arrives(future):
            self._place.is_wanted = True
            self._place.give_back()
        else:
            # The abandoned thread has its answers in memory until it ends.
            future.add_done_callback(lambda _: self._place.give_back())

    def _arrives(self, future: Future[T]) -> bool:
        """Wait for a page or a call; False if the slice is over first."""
        while True:
            try:
                future.exception(timeout=LOOK_S)
            except TimeoutError:
                if self._task.time_left() <= 0:
                    return False
                if self._place.is_awaited and self._place.is_wanted:
                    self._show_life()
            else:
                return True

    def _read(self, window: Window, token: str | None) -> Page:
        if self._limited is not None:
            # The marketplace asked for a wait while the pages before were read: it gets no other call.
            limited, self._limited = self._limited, None
            raise limited
        clock, session, first = self._task.services.clock, self._task.session, token
        begun = clock.monotonic()
        records: list[bytes] = []
        unshown: list[Unshown] = []
        listed, total, outside = 0, None, 0
        while True:
            session.client.begin_page()
            try:
                page = self._stream.fetch(session, window, token)
                self._check(page)
            except MarketplaceError as error:
                if token == first:
                    raise
                # The pages read so far are kept first, empty ones too; then the call is made again.
                self._limited = error if isinstance(error, RateLimited) else None
                break
            if page.next_token is not None and page.next_token == token:
                message = f"{self._stream.name}: the page token repeats, so the listing would never end"
                raise ResponseInvalid(message)
            records += page.records
            unshown += page.unshown
            outside += page.outside
            listed += page.listed if page.listed is not None else len(page.records) + len(page.unshown)
            total = page.total if page.total is not None else total
            token = page.next_token
            window = replace(window, attempt=self._later_attempt(window.attempt))
            waited = clock.monotonic() - begun
            is_large = len(records) >= JOINED_RECORDS or sum(map(len, records)) >= JOINED_BYTES
            is_first = self._is_new and first is None
            if token is None or is_first or is_large or waited > JOINED_SECONDS:
                break
        return replace(
            page,
            records=records,
            next_token=token,
            total=total,
            listed=listed,
            unshown=unshown,
            outside=outside,
        )

    def _later_attempt(self, attempt: int) -> int:
        """The attempt that reading a later page is: failures belong to one token, if it outlives them."""
        return 1 if self._stream.durable_token else attempt

    def _check(self, page: Page) -> None:
        """Refuse a page that cannot be worked on, or whose token cannot be stored.

        Raises:
            ResponseInvalid: More rows, or a longer page token, than any marketplace has.
        """
        name = self._stream.name
        if len(page.records) > MAX_RECORDS:
            raise ResponseInvalid(
                f"{name}: a page has {len(page.records)} rows; at most {MAX_RECORDS} are taken"
            )
        if len(page.next_token or "") > MAX_TOKEN:
            raise ResponseInvalid(f"{name}: the page token has more than {MAX_TOKEN} characters")


class Repeats:
    """Looks for rows of a window that were shown before, whatever the page tokens are.

    Nothing new can come of them, although each page promises another one. A connector does not show a row
    twice by itself: it leaves out overlaps that it reads on purpose.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        #: Hashes of the latest rows, oldest first.
        self._rows: dict[int, None] = {}

    def noted(self, window: OpenWindow, records: Sequence[bytes]) -> OpenWindow:
        """The window with a page's rows noted."""
        if not records:
            return msgspec.structs.replace(window, empty=window.empty + 1)
        hashes = {hash(raw) for raw in records}
        page = hashlib.blake2b(b"\0".join(records), digest_size=_HASH_BYTES).digest()
        known = {
            window.recent[start : start + _HASH_BYTES] for start in range(0, len(window.recent), _HASH_BYTES)
        }
        is_stale = page in known or hashes <= self._rows.keys()
        self._rows.update(dict.fromkeys(hashes))
        for oldest in list(self._rows)[: max(0, len(self._rows) - REMEMBERED_ROWS)]:
            del self._rows[oldest]
        recent = (window.recent + page)[-REMEMBERED_PAGES * _HASH_BYTES :]
        return msgspec.structs.replace(window, recent=recent, stale=window.stale + 1 if is_stale else 0)

    def refuse(self, window: OpenWindow) -> None:
        """Refuse to read on if several pages in a row brought nothing new.

        Raises:
            ResponseInvalid: The listing would never end.
        """
        if window.stale >= STALE_PAGES:
            times = f"{window.stale} pages in a row"
            message = f"{self._stream}: {times} brought only rows shown before; the listing would never end"
            raise ResponseInvalid(message)

    def forget(self) -> None:
        """Begin anew: the window is read again."""
        self._rows.clear()


def is_progress(window: OpenWindow, records: Sequence[bytes]) -> bool:
    """Whether the page of these records, already noted in the window, has brought the window on."""
    return window.stale == 0 if records else window.empty < EMPTY_PAGES
