"""Reading a window's pages: joined until they are worth a commit, and one ahead of the writing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context

from orchestrator.errors import MarketplaceError, ResponseInvalid
from orchestrator.marketplaces.spec import AnySession, AnyStream, Page, Window
from orchestrator.services import Services

#: Small pages are joined until they hold so many records, but none waits longer than this for the next.
JOINED_RECORDS = 250
JOINED_SECONDS = 5.0
#: Nor are they joined beyond so many bytes.
JOINED_BYTES = 4 * 1024 * 1024
#: A page with more rows is none that was asked for, and a longer token is none to be stored.
MAX_RECORDS, MAX_TOKEN = 50_000, 16_384

#: How often a wait for a page looks whether the slice is over.
LOOK_S = 0.5


class SliceOver(Exception):
    """The slice's time is over; what is done is kept, the rest follows in another slice."""


class Pages:
    """The pages of one stream; the session is used by one thread at a time while the slice lasts.

    A page that has not come when the slice is over is left alone: how long a marketplace may take for one
    has no bound that fits every slice, and whoever waited for it would be ended without a result.
    """

    def __init__(
        self, services: Services, session: AnySession, stream: AnyStream, time_left: Callable[[], float]
    ) -> None:
        self._services, self._session, self._stream = services, session, stream
        self._time_left = time_left
        self._ahead: Future[Page] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether a page that was read ahead can be taken without waiting."""
        return self._ahead is not None and self._ahead.done()

    def take(self, window: Window, token: str | None) -> Page:
        """The page at `token`: the one read ahead, where there is one.

        Raises:
            MarketplaceError: The page could not be read.
            SliceOver: It has not come in time.
        """
        if self._ahead is None:
            self.read_ahead(window, token)
        assert self._ahead is not None  # noqa: S101 - read_ahead has set it
        if not self._comes(self._ahead):
            raise SliceOver
        future, self._ahead = self._ahead, None
        return future.result()

    def read_ahead(self, window: Window, token: str | None) -> None:
        """Begin reading the page at `token`, which the next `take` will ask for."""
        # In a copy of this context, so that the thread's log lines carry what they belong to.
        self._ahead = self._services.executor.submit(copy_context().run, self._read, window, token)

    def drain(self) -> None:
        """Wait for a page that nobody wants any more."""
        future, self._ahead = self._ahead, None
        if future is not None and not future.cancel():
            self._comes(future)

    def _comes(self, future: Future[Page]) -> bool:
        """Wait for a page; False where the slice is over first."""
        while True:
            try:
                future.exception(timeout=LOOK_S)
            except TimeoutError:
                if self._time_left() <= 0:
                    return False
            else:
                return True

    def _read(self, window: Window, token: str | None) -> Page:
        clock = self._services.clock
        begun = clock.monotonic()
        records: list[bytes] = []
        listed, total = 0, None
        while True:
            self._session.client.begin_page()
            try:
                page = self._stream.fetch(self._session, window, token)
                self._check(page)
            except MarketplaceError:
                if not records:
                    raise
                # What was read is stored first; the call is made again after that.
                return Page(records, next_token=token, total=total, listed=listed)
            if page.next_token is not None and page.next_token == token:
                message = f"{self._stream.name}: the page token repeats, so the listing would never end"
                raise ResponseInvalid(message)
            records += page.records
            listed += page.listed if page.listed is not None else len(page.records)
            total = page.total if page.total is not None else total
            token = page.next_token
            waited = clock.monotonic() - begun
            is_large = len(records) >= JOINED_RECORDS or sum(map(len, records)) >= JOINED_BYTES
            if token is None or is_large or waited > JOINED_SECONDS:
                return Page(records, next_token=token, total=total, listed=listed)

    def _check(self, page: Page) -> None:
        """Refuse what cannot be worked on or stored.

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
