"""Records that a marketplace could not show, or not with their details: asked for again with a back-off.

A listing that covers such a record's span again tells whether it is still hidden. Between two such listings
the span alone is read again. Once the record is shown, or no longer listed there, its reject is removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from orchestrator.errors import CredentialsRejected, MarketplaceError, PermissionDenied, RateLimited
from orchestrator.marketplaces.spec import Listing, Page, Unshown
from orchestrator.model.counts import StreamCounts
from orchestrator.model.state import Hidden, OpenWindow
from orchestrator.sync import vanished
from orchestrator.sync.changes import Change, parts, portions
from orchestrator.sync.details import Details
from orchestrator.sync.normalizer import Normalizer
from orchestrator.sync.page_writer import PageWriter
from orchestrator.sync.pages import Pages, SliceOver
from orchestrator.sync.task_context import TaskContext
from orchestrator.sync.windows import Terms

#: At most this many are remembered for one stream; the reconcile reads the others again.
MAX_HIDDEN = 20
#: The wait before a span is read again, doubled each time.
FIRST_RETRY, LONGEST_RETRY = timedelta(hours=1), timedelta(hours=24)
#: After this time only the reconcile reads the record again.
RETRIED_FOR = timedelta(days=30)
#: A span whose rows take more of these joined pages is left to the reconcile.
RETRY_PAGES = 10


def met(
    hidden: Sequence[Hidden], unshown: Iterable[Unshown], window: OpenWindow, now: datetime
) -> tuple[Hidden, ...]:
    """The remembered records with those that a page of this window has named."""
    known = {_key(each): each for each in hidden}
    for each in unshown:
        key = _key(each)
        before = known.get(key)
        if before is None and len(known) >= MAX_HIDDEN:
            idle = next((name for name, old in known.items() if old.retry_at is None), None)
            if idle is None:
                continue
            del known[idle]
        since, until = each.changed_since, each.changed_until
        has_span = since is not None and until is not None and since <= until
        known[key] = Hidden(
            name=each.name,
            record_id=each.record_id,
            since=since if has_span else None,
            until=until if has_span else None,
            first_at=before.first_at if before is not None else now,
            retry_at=before.retry_at if before is not None else now + FIRST_RETRY if has_span else None,
            retries=before.retries if before is not None else 0,
            window_until=window.until,
        )
    return tuple(known.values())


def no_longer(terms: Terms, hidden: Sequence[Hidden], window: OpenWindow) -> list[Hidden]:
    """The remembered records that this window covers and has not named, once it is complete."""
    shows_all = terms.stream.listing is Listing.SNAPSHOT or window.since <= terms.start
    return [
        each
        for each in hidden
        if each.window_until != window.until and (shows_all or _covers(window, each.since, each.until))
    ]


def reread(task: TaskContext, terms: Terms, counts: StreamCounts) -> None:
    """Read the spans again that are due, as far as the slice's time allows.

    Raises:
        RateLimited: The marketplace asks for a wait. So do CredentialsRejected and PermissionDenied.
        Lost, Stopped, StoreUnavailable: See Holder.
    """
    if terms.stream.listing is Listing.SNAPSHOT:
        return
    now = task.services.clock.now()
    for each in task.holder.state.streams[terms.stream.name].hidden:
        if each.retry_at is None or each.retry_at > now:
            continue
        if task.time_left() <= 0:
            return
        try:
            _Reread(task, terms, counts, each).run()
        except SliceOver:
            return


class _Reread:
    """Reads the span of one hidden record again; the stream's cursor stays as it is."""

    def __init__(self, task: TaskContext, terms: Terms, counts: StreamCounts, hidden: Hidden) -> None:
        self._task, self._terms, self._hidden = task, terms, hidden
        state = task.holder.state.streams[terms.stream.name]
        since, until = hidden.since or hidden.first_at, hidden.until or hidden.first_at
        # As a second attempt, so that the connector narrows down at once.
        self._window = OpenWindow(since=since, until=until, failures=1)
        suspects = vanished.unpack(state.suspects)
        self._normalizer = Normalizer(task, terms, self._window, counts, suspects, asks_again=True)
        self._writer = PageWriter(task, terms.stream, self._normalizer, state)
        #: Records that the marketplace could not show.
        self._unshown: set[tuple[str | None, str]] = set()

    def run(self) -> None:
        """Read and store the span's records; the hidden one is forgotten, or waits longer than before."""
        has_span = self._hidden.since is not None
        if has_span and self._is_shown():
            change = self._normalizer.rejects.shown(self._hidden, self._writer.digest)
            if change is not None:
                self._write([change])
            following: tuple[Hidden, ...] = ()
        else:
            following = (_later(self._hidden, self._task.services.clock.now()),)
        others = (each for each in self._writer.state.hidden if _key(each) != _key(self._hidden))
        self._writer.keep(hidden=(*others, *following))

    def _is_shown(self) -> bool:
        """Whether the span could be read to its end without meeting the hidden record."""
        pages, window = Pages(self._task, self._terms.stream, self._show_life), self._window
        details = Details(self._task, self._terms.stream, self._normalizer, self._writer, pages)
        try:
            for _ in range(RETRY_PAGES):
                token = self._store_page(pages.take(window), details)
                if token is None:
                    return _key(self._hidden) not in self._unshown
                window = msgspec.structs.replace(window, token=token)
        except (RateLimited, CredentialsRejected, PermissionDenied):
            raise
        except MarketplaceError:
            return False
        finally:
            pages.drain()
        return False

    def _store_page(self, page: Page, details: Details) -> str | None:
        """Store a page, of which nothing is left in memory; returns the next one's token."""
        for portion in portions(page.records):
            self._writer.make_room()
            changes = self._normalizer.changes(portion, self._writer.digest)
            self._write(details.complete(changes, 2, lambda: self._writer.cursor))
        self._write(self._normalizer.unshown(page.unshown, self._writer.digest))
        self._unshown |= {_key(each) for each in (*page.unshown, *self._normalizer.bare)}
        return page.next_token

    def _show_life(self) -> None:
        self._writer.settle()
        self._writer.sign_of_life(self._writer.cursor)

    def _write(self, changes: list[Change]) -> None:
        for group in parts(changes):
            self._writer.write(group, self._writer.cursor)


def _later(hidden: Hidden, now: datetime) -> Hidden:
    """A record that is still hidden, with the time of the next attempt; none after 30 days."""
    wait = min(FIRST_RETRY * 2 ** min(hidden.retries + 1, 10), LONGEST_RETRY)
    is_over = hidden.since is None or now - hidden.first_at > RETRIED_FOR
    retry_at = None if is_over else now + wait
    return msgspec.structs.replace(hidden, retries=hidden.retries + 1, retry_at=retry_at)


def _covers(window: OpenWindow, since: datetime | None, until: datetime | None) -> bool:
    return since is not None and until is not None and window.since <= since and until <= window.until


def _key(hidden: Hidden | Unshown) -> tuple[str | None, str]:
    """A known id names the record; without one, its place does."""
    return hidden.record_id, hidden.name if hidden.record_id is None else ""
