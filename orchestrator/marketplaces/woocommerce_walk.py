"""Walking through a WooCommerce listing so that rows which come and go meanwhile cost none of the others.

Pages are offsets into a listing that changes under the reader. So each page is asked for from the time of
the last row on, and offsets count only inside one second, where rows with the same time are told apart by
their ids. The time is that of modification, or, where a listing cannot be filtered by that, of creation.
`date_created` is local to the site: that is what a site orders and filters by where it is not told otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import msgspec

from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.spec import Window
from orchestrator.marketplaces.woocommerce_site import Listed

_SECOND = timedelta(seconds=1)


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the walk stands; our own page token."""

    #: Which of a stream's listings.
    part: int = 0
    #: Whether it goes by creation.
    by_date: bool = False
    #: Rows of this second and later ones are asked for; None for all.
    at: str | None = None
    #: So many of them have been read.
    skip: int = 0
    #: So many there were when the page before was read.
    total: int | None = None
    #: The site does not keep to the order: only offsets count from here on.
    loose: bool = False
    #: Ids that have been read of the second.
    seen: tuple[int, ...] = ()
    #: Rows of all parts that the site has counted, up to here.
    counted: int = 0

    @classmethod
    def parse(cls, token: str | None, parts: int) -> Place:
        """Read a token back; the beginning where there is none.

        Raises:
            PageTokenExpired: It is not one of ours.
        """
        try:
            place = msgspec.json.decode(token, type=cls) if token else cls()
            _ = place.at and datetime.fromisoformat(place.at)
        except (msgspec.DecodeError, ValueError):
            raise PageTokenExpired("woocommerce: the page token is not one of ours") from None
        if not 0 <= place.part < parts:
            raise PageTokenExpired("woocommerce: the page token is not one of ours")
        return place

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()


@dataclass(frozen=True, slots=True)
class Row:
    """A row with what the walk has to know of it; a row that cannot be read has neither id nor time."""

    raw: bytes
    id: int | None = None
    #: The time the walk goes by, as the site writes it: such texts compare like the times.
    time: str | None = None
    modified: str | None = None
    type: str | None = None


class _Row(msgspec.Struct):
    id: int
    date_created: str | None = None
    date_modified_gmt: str | None = None
    type: str | None = None


class After(NamedTuple):
    """What follows a page."""

    place: Place
    #: Whether anything follows in this part.
    more: bool
    #: Rows that no page before had.
    used: int


@dataclass(frozen=True, slots=True)
class Step:
    """A page, and what may be said of the listing after it."""

    place: Place
    rows: Sequence[Row]
    listed: Listed

    def is_read(self, row: Row) -> bool:
        """Whether an earlier page held it."""
        return row.id is not None and row.id in self.place.seen

    def after(self, used: int | None = None) -> After:
        """What stands behind the page, or behind its first `used` rows."""
        place, listed = self.place, self.listed
        is_cut = used is not None and used < len(self.rows)
        rows = self.rows[:used] if is_cut else self.rows
        asked = len(rows) if is_cut else listed.asked
        total = listed.total
        if total is None:
            # A full page says that there may be more.
            total = place.skip + len(self.rows) + (len(self.rows) >= listed.asked)
        # What has left the listing may have stood before the offset: what followed it has moved up.
        gone = max(0, place.total - total) if place.skip and place.total is not None else 0
        here = max(0, min(asked, total - place.skip))
        again = len({row.id for row in rows if self.is_read(row)})
        counted = place.counted + here - again
        more = place.skip + asked < total or gone > 0
        times = [row.time for row in rows if row.time]
        loose = place.loose or any(first > second for first, second in pairwise(times))
        if not loose and not gone and times and times[-1] > (place.at or ""):
            seen = tuple(row.id for row in rows if row.time == times[-1] and row.id is not None)
            following = Place(
                part=place.part, by_date=place.by_date, at=times[-1], seen=seen, counted=counted
            )
        else:
            following = msgspec.structs.replace(
                place, skip=max(0, place.skip + asked - gone), total=total, loose=loose, counted=counted
            )
        return After(following, more, sum(not self.is_read(row) for row in rows))


def read_rows(listed: Listed, *, by_date: bool) -> list[Row]:
    """The rows of a page."""
    rows = []
    for raw in listed.rows:
        try:
            row = msgspec.json.decode(raw, type=_Row)
            time = row.date_created if by_date else row.date_modified_gmt
            _ = time and datetime.fromisoformat(time)
        except (msgspec.ValidationError, ValueError):
            rows.append(Row(bytes(raw)))
        else:
            rows.append(Row(bytes(raw), row.id, time or None, row.date_modified_gmt, row.type))
    return rows


def bounds(place: Place, window: Window) -> list[tuple[str, str]]:
    """The parameters that ask for the rows from a place on, in order.

    Bounds are strict and in whole seconds. With `dates_are_gmt` they are compared with UTC; a suffix such
    as `Z` would still be converted to the site's own zone, so there is none.
    """
    if place.by_date:
        order = [("orderby", "date"), ("order", "asc")]
        after = [("after", _moved(place.at, -_SECOND))] if place.at else []
    else:
        order = [("orderby", "modified"), ("order", "asc"), ("dates_are_gmt", "true")]
        until = first_second(window.until + timedelta(microseconds=999_999))
        after = [
            ("modified_after", _moved(place.at or first_second(window.since), -_SECOND)),
            ("modified_before", _moved(until, _SECOND)),
        ]
    return [*order, *after, *([("offset", str(place.skip))] if place.skip else [])]


def is_unfiltered(step: Step, window: Window) -> bool:
    """Whether the site has ignored the bounds, as WooCommerce before 5.8 does.

    One row that is too old is not enough to say so: it does no harm.
    """
    oldest = step.place.at or first_second(window.since)
    too_old = [row for row in step.rows if row.time is not None and row.time < oldest]
    return not step.place.by_date and len(too_old) > 1


def first_second(moment: datetime) -> str:
    """A moment's second, as sites write UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _moved(second: str, by: timedelta) -> str:
    return f"{datetime.fromisoformat(second) + by:%Y-%m-%dT%H:%M:%S}"
