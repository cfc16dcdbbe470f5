"""One page of a WooCommerce collection: read at a place, by the means that the site's version has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.spec import Session, Unshown, Window
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce import stock_records
from orchestrator.marketplaces.woocommerce.api import Listed, Site
from orchestrator.marketplaces.woocommerce.narrowing import Hole, narrowed
from orchestrator.marketplaces.woocommerce.pagination import (
    LARGEST_PAGE,
    Place,
    Row,
    Step,
    bounds,
    is_unfiltered,
    read_rows,
)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of the site, or a part of one."""

    operation: str
    path: str
    fields: str
    #: Parameters beside those of the paging.
    params: Sequence[tuple[str, str]] = ()
    size: int = LARGEST_PAGE
    #: Whether everything is listed, by creation.
    whole: bool = False


def read_step(session: Session[Site], parts: Sequence[Collection], window: Window, token: str | None) -> Step:
    """The page at a token.

    Raises:
        PageTokenExpired: The token is not one of ours.
        MarketplaceError: The page could not be read.
    """
    site = session.settings
    place = Place.parse(token, len(parts))
    part = parts[place.part]
    if not (part.whole or site.is_old or place.by_date):
        try:
            step = _step(session, part, window, place)
        except sites.InvalidParameter:
            # Before 4.4 it does not accept `orderby=modified`.
            site.is_old = True
        else:
            if not is_unfiltered(step, window):
                return step
            site.is_old = True
    if not place.by_date:
        place = place.beginning(place.part, by_date=True)
    return _step(session, part, window, place)


def _step(session: Session[Site], part: Collection, window: Window, place: Place) -> Step:
    page = _Page(session, part, window, place)
    try:
        listed = page.read(None, page.size)
    except MarketplaceUnavailable:
        if not is_narrow(place, window):
            raise
        return _narrowed(page)
    return page.step(listed, [])


def _narrowed(page: _Page) -> Step:
    """The page without the rows that break it.

    Rows of one second may come in another order in each call: then an offset in the order of time names no
    certain row, and the rest is read by id. Neighbouring holes may also be one row, met twice.
    """
    listed, holes = narrowed(page.read, page.size, skip=page.place.skip)
    step = page.step(listed, holes)
    if page.place.by_id:
        return step
    times = [row.time for row in step.rows]
    is_strict = all(first and second and first < second for first, second in pairwise(times))
    if is_strict and len({hole.before for hole in holes}) == len(holes):
        return step
    page = replace(page, place=msgspec.structs.replace(page.place, by_id="rest", skip=0))
    return page.step(*narrowed(page.read, page.size, skip=0))


@dataclass(frozen=True, slots=True)
class _Page:
    """The page of a collection at a place."""

    session: Session[Site]
    part: Collection
    window: Window
    place: Place

    @property
    def size(self) -> int:
        return min(self.part.size, self.place.size)

    def read(self, offset: int | None, count: int, fields: str = "") -> Listed:
        """Rows from an offset on, with all fields of the collection, or with some."""
        part = self.part
        params = [*part.params, *bounds(self.place, self.window, offset), ("_fields", fields or part.fields)]
        listed = sites.list_rows(self.session, part.operation, part.path, params, count)
        if not listed.rows and (listed.total or 0) > self.place.skip + (offset or 0):
            # An empty answer from a cache or a plugin: taken for the end, it would lose the counted rows.
            message = f"woocommerce {part.operation}: the site counts {listed.total} rows and sent none"
            raise MarketplaceUnavailable(message)
        return listed

    def step(self, listed: Listed, holes: Sequence[Hole]) -> Step:
        """The step of rows that were read, and of those that cannot be shown."""
        rows = read_rows(listed, by_date=self.place.by_date)
        named = []
        for number, hole in enumerate(holes, 1):
            nth = sum(each.before == hole.before for each in holes[:number])
            named.append((hole.before, self._unshown(hole, nth, rows)))
        if self.place.by_id:
            # A page may end before its last row; the rows after that end must have higher ids.
            rows.sort(key=lambda row: row.id or 0)
        return Step(self.place, rows, listed, named)

    def _unshown(self, hole: Hole, number: int, rows: Sequence[Row]) -> Unshown:
        """A row, named by its id, else by the row before it and by its number behind that."""
        before = rows[hole.before - 1] if hole.before else None
        behind = rows[hole.before] if hole.before < len(rows) else self._row_at(hole.offset + 1)
        since: datetime | None = None
        until: datetime | None = None
        if not (self.place.by_date or self.place.by_id):
            since = moment_of(before.time if before else self.place.at) or self.window.since
            until = moment_of(behind.time if behind else None) or self.window.until
        own = self._row_at(hole.offset)
        if own is not None and own.id is not None:
            name = f"{own.id}@{stock_records.LOCATION}" if self.part.whole else str(own.id)
            return Unshown(name, hole.reason, name, since, until)
        earlier = [each for each in self.place.seen if behind is None or each < (behind.id or 0)]
        start = before.id if before else max(earlier, default=None)
        status = dict(self.part.params).get("status", "all")
        name = f"{self.part.path} ({status}), {number} behind {start or self.place.at or 'the beginning'}"
        return Unshown(name, hole.reason, None, since, until)

    def _row_at(self, offset: int) -> Row | None:
        """Id and time of a row; some rows that cannot be shown can be named all the same."""
        try:
            listed = self.read(offset, 1, "id,date_created,date_modified_gmt")
        except MarketplaceUnavailable:
            return None
        rows = read_rows(listed, by_date=self.place.by_date)
        return rows[0] if rows else None


def is_narrow(place: Place, window: Window) -> bool:
    """Whether a failing page is narrowed down: it has failed before, or the page before it was."""
    return window.attempt > 1 or place.is_narrow


def moment_of(time: str | None) -> datetime | None:
    """A time of the sites' format of UTC; None if it is none."""
    try:
        return datetime.fromisoformat(time).replace(tzinfo=UTC) if time else None
    except ValueError:
        return None
