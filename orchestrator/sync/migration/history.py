"""One stream's history: rewritten page by page with a checkpoint for each, apart from the stream's cursor."""

from __future__ import annotations

import logging
from datetime import timedelta

from orchestrator.errors import MarketplaceError
from orchestrator.marketplaces.spec import AnyStream, Page
from orchestrator.model.counts import StreamCounts
from orchestrator.model.state import Cursor, OpenWindow, StreamState
from orchestrator.sync import windows
from orchestrator.sync.normalizer import Normalizer
from orchestrator.sync.page_writer import PageWriter
from orchestrator.sync.stream_sync import StreamSync
from orchestrator.sync.task_context import TaskContext
from orchestrator.sync.windows import Terms

log = logging.getLogger(__name__)


def rewrite(
    task: TaskContext, stream: AnyStream, counts: StreamCounts, over_at: float
) -> MarketplaceError | None:
    """Read on in the window over the stream's history, until a time or until a limit makes it wait.

    Args:
        task: The slice; the stream's changes are stored, and no window of its own is open.
        stream: A stream with a migration.
        counts: Its counts in this slice.
        over_at: No page is begun after this monotonic time, apart from the first.

    Returns:
        The error of a part of the listing that could not be read; the rest of it is stored.

    Raises:
        SliceOver: The time is up, or the marketplace's limit is reached; the holder has the progress.
        MarketplaceError: The history cannot be read further now; the progress is kept.
        Lost, Stopped: See Holder.
        StoreUnavailable: Deliver again.
    """
    lookback = timedelta(seconds=task.services.settings.lookback_seconds)
    terms = windows.terms(stream, task.connection, task.connector.epoch, lookback)
    failure: MarketplaceError | None = None
    while failure is None and (state := task.holder.state.streams[stream.name]).migration:
        window = state.migration[0]
        if not stream.durable_token:
            window = windows.without_token(terms, window)
        sync = _HistorySync(task, terms, state, window, counts, over_at=over_at)
        failure = sync.run(window)
        if sync.is_turn_over:
            break
    return failure


class _HistoryWriter(PageWriter):
    """Commits the pages of the first window over the history; the stream's own cursor stays as it is."""

    def __init__(
        self, task: TaskContext, stream: AnyStream, normalizer: Normalizer, state: StreamState
    ) -> None:
        super().__init__(task, stream, normalizer, state)
        self._later = state.migration[1:]

    @property
    def cursor(self) -> Cursor:
        is_open = len(self.state.migration) > len(self._later)
        return Cursor(window=self.state.migration[0] if is_open else None)

    def at(self, cursor: Cursor) -> dict[str, object]:
        return {"migration": self._later if cursor.window is None else (cursor.window, *self._later)}


class _HistorySync(StreamSync):
    """Reads the window over a stream's history.

    It shows no record as vanished, and no hidden record as shown: records that changed since have moved to
    later windows.
    """

    writer = _HistoryWriter

    def __init__(
        self,
        task: TaskContext,
        terms: Terms,
        state: StreamState,
        window: OpenWindow,
        counts: StreamCounts,
        *,
        over_at: float,
    ) -> None:
        super().__init__(task, terms, state, window, counts)
        self._over_at = over_at
        self._slept_before_s = task.session.client.slept_s

    @property
    def is_turn_over(self) -> bool:
        """Whether no page may be begun any more: not after a wait for a limit, which changes need as well."""
        has_waited = self._task.session.client.slept_s > self._slept_before_s
        return has_waited or self._task.services.clock.monotonic() >= self._over_at or not super()._reads_on

    @property
    def _reads_on(self) -> bool:
        """Whether another page may be asked for."""
        return not self.is_turn_over

    @property
    def _is_over(self) -> bool:
        """Whether the next page is left to another turn; one that is being read is waited for."""
        return super()._is_over or not (self._reads_on or self._pages.is_ahead)

    def _shortened(self, window: OpenWindow) -> OpenWindow | None:  # noqa: ARG002 - of any window
        """None: the end is in the past, and an earlier version has written the records before it."""
        return None

    def _give_up(self, window: OpenWindow) -> None:
        """Read the history from its beginning at the next turn."""
        self._writer.keep(**self._writer.at(Cursor(window=windows.from_start(window))), short=False)

    def _behind(self, window: OpenWindow) -> Cursor:  # noqa: ARG002 - the window is done
        """No cursor: this part of the history is rewritten."""
        return Cursor()

    def _complete(self, window: OpenWindow, cursor: Cursor, page: Page) -> None:  # noqa: ARG002 - as above
        self._writer.keep(**self._writer.at(Cursor()), short=False)
        name, version = self._stream.name, self._stream.version
        log.info(
            "%s from before %s are rewritten in version %d",
            *(name, window.until, version),
            extra={"action": "migration_completed", "stream": name, "version": version},
        )
