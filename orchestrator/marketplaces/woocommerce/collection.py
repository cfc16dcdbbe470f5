"""Reading a stream's collections: page by page, at the host's own speed, old versions included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.spec import Page, Session, Window
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce.api import Site
from orchestrator.marketplaces.woocommerce.pagination import (
    LARGEST_PAGE,
    After,
    Place,
    Row,
    Step,
    bounds,
    first_second,
    is_unfiltered,
    read_rows,
)

Fetch = Callable[[Session[Site], Window, str | None], Page]
#: If each row needs calls of its own, a page ends with the row that completes this many seconds.
_LONG_S = 10.0


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


def patient(fetch: Fetch) -> Fetch:
    """If the site fails to answer, the page is empty, and its token asks for half as many rows.

    So the page size that a host manages is stored with the progress, and one call lasts no longer than a
    request.
    """

    @wraps(fetch)
    def wrapped(session: Session[Site], window: Window, token: str | None) -> Page:
        try:
            return fetch(session, window, token)
        except MarketplaceUnavailable:
            smaller = Place.parse(token).smaller()
            if smaller is None:
                raise
            return Page([], str(smaller), listed=0)

    return wrapped


def read(session: Session[Site], parts: Sequence[Collection], window: Window, token: str | None) -> Step:
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
    params = [*part.params, *bounds(place, window), ("_fields", part.fields)]
    size = min(part.size, place.size)
    listed = sites.list_rows(session, part.operation, part.path, params, size)
    if not listed.rows and (listed.total or 0) > place.skip:
        # An empty answer from a cache or a plugin: taken for the end, it would lose the counted rows.
        message = f"woocommerce {part.operation}: the site counts {listed.total} rows and sent none"
        raise MarketplaceUnavailable(message)
    rows = read_rows(listed, by_date=place.by_date)
    if place.by_id:
        # A page may end before its last row; the rows after that end must have higher ids.
        rows.sort(key=lambda row: row.id or 0)
    return Step(place, rows, listed)


def is_wanted(step: Step, row: Row, window: Window) -> bool:
    """Whether a row is new here, and changed in the window; an old site does not filter by it."""
    if step.is_read(row):
        return False
    return not step.place.by_date or row.modified is None or row.modified >= first_second(window.since)


def unhurried(session: Session[Site], rows: Sequence[Row], work: Callable[[Row], None]) -> int:
    """Work on the rows one by one, until that has taken long; returns the number of finished rows."""
    clock = session.settings.clock
    begun = clock.monotonic()
    for number, row in enumerate(rows, 1):
        work(row)
        if clock.monotonic() - begun > _LONG_S:
            return number
    return len(rows)


def variations_of(
    session: Session[Site], product_id: int, fields: str, size: int
) -> tuple[list[msgspec.Raw], int]:
    """All variations of a product, and the site's count of them."""
    found: list[msgspec.Raw] = []
    while True:
        params = [("orderby", "id"), ("order", "asc"), ("offset", str(len(found))), ("_fields", fields)]
        path = f"products/{product_id}/variations"
        listed = sites.list_rows(session, "variations", path, params, size)
        found += listed.rows
        total = listed.total if listed.total is not None else len(found)
        is_full = len(listed.rows) >= listed.asked
        if not listed.rows or (len(found) >= total and not (listed.total is None and is_full)):
            return found, max(total, len(found))


def page_of(found: Sequence[bytes], after: After, following_part: int | None) -> Page:
    """A page of records; the last one has the site's count of the rows in all parts."""
    place, more, used = after
    if more:
        return Page(found, str(place), listed=used)
    if following_part is not None:
        return Page(found, str(place.beginning(following_part)), listed=used)
    return Page(found, None, total=place.counted, listed=used)
