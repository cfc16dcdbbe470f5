"""The second stage: new rows of a page are completed with details that cost calls of their own.

The reading thread makes the calls while no page is read ahead. Completed rows are stored in batches, and the
open window remembers those of the unfinished page: a slice that ends in a page has not read it in vain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    RequestRejected,
    ResponseInvalid,
    SyncError,
    locate,
)
from orchestrator.marketplaces.spec import AnyStream
from orchestrator.model.state import Cursor
from orchestrator.room import Crowded
from orchestrator.sync.changes import PART_BYTES, Change, Incomplete, parts
from orchestrator.sync.normalizer import Normalizer
from orchestrator.sync.page_writer import PageWriter
from orchestrator.sync.pages import Pages, SliceOver
from orchestrator.sync.task_context import TaskContext
from orchestrator.tasks.holder import Lost

log = logging.getLogger(__name__)

#: A batch of completed rows is stored once reading it has taken this long.
BATCH_S = 15.0
#: An outage is assumed if the details of this many rows in a row fail and no other's are read, ...
OUTAGE_ROWS = 5
#: ... but not any more from this attempt of a page on.
LAST_OUTAGE = 8
_FAILURES = (MarketplaceUnavailable, RequestRejected, ResponseInvalid)


class Details:
    """Completes the new rows of a stream's pages."""

    def __init__(
        self, task: TaskContext, stream: AnyStream, normalizer: Normalizer, writer: PageWriter, pages: Pages
    ) -> None:
        self._task, self._stream, self._pages = task, stream, pages
        self._normalizer, self._writer = normalizer, writer

    def complete(self, changes: Sequence[Change], attempt: int, cursor: Callable[[], Cursor]) -> list[Change]:
        """The changes of a page with all details; those of earlier batches are stored already and left out.

        Args:
            changes: Of a part of the page.
            attempt: How often the page has been asked for. From the second attempt on, a row whose details
                fail is stored without them; before, it fails the page.
            cursor: The cursor while the page is unfinished.

        Raises:
            SliceOver: Time is up; the rows completed so far are stored.
            MarketplaceError: Details could not be read; the rows completed so far are stored.
        """
        ready = [change for change in changes if not isinstance(change, Incomplete)]
        waiting = [change for change in changes if isinstance(change, Incomplete)]
        if not waiting:
            return ready
        reader = _Reader(self._task, self._stream, attempt)
        try:
            while waiting:
                rows, error = self._read(reader, waiting)
                for row in rows:
                    change = self._normalizer.completed(waiting.pop(0), row, self._writer.digest)
                    if change is not None:
                        ready.append(change)
                if waiting:
                    self._store(ready, cursor)
                    ready = []
                    if error is not None:
                        raise error
        finally:
            self._normalizer.abandon(waiting)
            self._writer.settle()
        return ready

    def _read(
        self, reader: _Reader, waiting: Sequence[Incomplete]
    ) -> tuple[list[bytes | MarketplaceError], SliceOver | MarketplaceError | None]:
        """The first rows completed, each or its own error, and the error that ended reading them."""
        rows: list[bytes | MarketplaceError] = []
        try:
            self._pages.run(partial(reader.read, tuple(waiting), rows))
        except (SliceOver, MarketplaceError) as error:
            # A call that hangs is abandoned with its thread; the rows completed before are kept.
            return list(rows), error
        return rows, SliceOver() if self._task.time_left() <= 0 else None

    def _store(self, changes: Sequence[Change], cursor: Callable[[], Cursor]) -> None:
        """Begin to store a batch; only its last commit counts its rows as stored."""
        writer = self._writer
        writer.settle()
        groups = list(parts(changes))
        for group in groups[:-1]:
            writer.write(group, writer.cursor)
        if groups:
            writer.begin(groups[-1], cursor())
        else:
            writer.sign_of_life(cursor())


class _Reader:
    """Reads the details of one page's rows; used by the reading thread."""

    def __init__(self, task: TaskContext, stream: AnyStream, attempt: int) -> None:
        self._task, self._stream, self._attempt = task, stream, attempt
        #: Whether the details of some row were read.
        self._is_up = False
        #: Rows in a row that failed before any was read, and the error that the page has if there are more.
        self._failed = 0
        self._outage: MarketplaceError | None = None
        #: The next rows that are asked for one by one: they failed together.
        self._single = 0

    def read(self, changes: Sequence[Incomplete], rows: list[bytes | MarketplaceError]) -> None:
        """Add the first rows, each completed or its own error, as many as fit the batch and the slice.

        Raises:
            MarketplaceError: The row after those that were added cannot be completed now.
        """
        clock = self._task.services.clock
        begun, size, at = clock.monotonic(), 0, 0
        #: Rows that failed and may be part of an outage.
        doubted: list[bytes | MarketplaceError] = []
        while at < len(changes):
            completed = self._complete(self._batch(changes[at : at + self._stream.complete_rows]))
            at += len(completed)
            doubted += completed
            if self._outage is None:
                rows += doubted
                doubted.clear()
            elif self._task.time_left() <= 0:
                raise self._outage
            size += sum(len(row) for row in completed if isinstance(row, bytes))
            is_full = size > PART_BYTES or clock.monotonic() - begun > BATCH_S
            if not doubted and (is_full or self._task.time_left() <= 0):
                return
        rows += doubted

    def _batch(self, changes: Sequence[Incomplete]) -> Sequence[Incomplete]:
        """The first of these rows that are asked for together; one that takes many calls is alone."""
        if self._single:
            self._single -= 1
            return changes[:1]
        is_long = self._stream.completed_alone
        if is_long is None:
            return changes
        first = next((at for at, change in enumerate(changes) if is_long(change.raw)), len(changes))
        return changes[: max(1, first)]

    def _complete(self, changes: Sequence[Incomplete]) -> Sequence[bytes | MarketplaceError]:
        """The first rows, asked for together; the first one alone if that fails and rows may lack details."""
        try:
            return self._ask(changes)
        except _FAILURES as error:
            is_narrowed = self._attempt > 1 or any(change.again for change in changes)
            if not is_narrowed:
                raise
            if len(changes) == 1:
                self._doubt(error)
                return [error]
        self._single = len(changes) - 1
        return self._complete(changes[:1])

    def _ask(self, changes: Sequence[Incomplete]) -> Sequence[bytes]:
        complete, session = self._stream.complete, self._task.session
        if complete is None:
            raise AssertionError(f"{self._stream.name} has no details")
        session.client.begin_page()
        calls = session.client.calls
        try:
            rows = complete(session, [change.raw for change in changes])
        except (Crowded, Lost, SyncError):  # Crowded: nobody waits for these rows any more
            raise
        except Exception as error:  # noqa: BLE001 - a defect fails its rows, and no others
            log.error(
                "connector defect in the details of %d %s: %s",
                *(len(changes), self._stream.name, locate(error)),
                extra={
                    "action": "record_failed",
                    "stream": self._stream.name,
                    "record_id": changes[0].record_id if len(changes) == 1 else None,
                },
            )
            name = type(error).__name__
            raise ResponseInvalid(f"{self._stream.name}: the connector failed with {name}") from None
        if not 0 < len(rows) <= len(changes):
            raise ResponseInvalid(f"{self._stream.name}: {len(rows)} of {len(changes)} rows were completed")
        if session.client.calls > calls:
            self._is_up, self._outage = True, None
        return rows

    def _doubt(self, error: MarketplaceError) -> None:
        """Count a row that failed alone; an outage fails the page.

        Raises:
            MarketplaceUnavailable: An outage is assumed.
        """
        if not isinstance(error, MarketplaceUnavailable) or self._is_up or self._attempt >= LAST_OUTAGE:
            return
        self._failed, self._outage = self._failed + 1, error
        if self._failed >= OUTAGE_ROWS:
            raise error
