"""Paging through a WooCommerce listing so that rows that come and go meanwhile lose no other rows.

Pages are offsets into a listing that changes under the reader. So each page is asked for from the time of the
last row on, and rows of that second that were read already are recognized by their ids. If a whole page has
the same second, that second is read in the order of ids: rows with equal times come in any order, which
differs between pages (woocommerce#33386). Only there are pages offsets; they overlap, and step back if more
rows have left.

A page that a slow host fails to send is asked for again with half its rows; the next pages grow again.
The time is that of modification, or that of creation if a listing cannot be filtered by modification.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.marketplaces.paging import not_ours, write_position
from orchestrator.marketplaces.spec import Unshown, Window
from orchestrator.marketplaces.values import NO_DETAIL, Detail
from orchestrator.marketplaces.woocommerce import product_records
from orchestrator.marketplaces.woocommerce.api import Listed

#: The most rows of one page, which is also the first size, and the fewest.
LARGEST_PAGE, SMALLEST_PAGE = 100, 5
#: Rows that a page by id shares with the page before: this many can leave meanwhile. Less than a page.
OVERLAP = 4
_SECOND = timedelta(seconds=1)
_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A position in a stream's listings; as JSON it is the page token."""

    #: The listing: an index into the stream's listings.
    part: int = 0
    #: Whether the time is that of creation.
    by_date: bool = False
    #: Rows of this second and later ones remain; None for all.
    at: str | None = None
    #: Whether that second itself is done.
    is_done: bool = False
    #: The rows read by id: that second, or all the rest if the site does not keep the order of time.
    by_id: Literal["second", "rest"] | None = None
    #: The offset in the rows read by id.
    skip: int = 0
    #: The number of rows when the page before was read.
    total: int | None = None
    #: Ids already read, of rows that later pages show again.
    seen: tuple[int, ...] = ()
    #: The site's count of rows in all parts, up to here.
    counted: int = 0
    #: Rows of one page: a slow host times out on large pages.
    size: int = LARGEST_PAGE
    #: Whether the page before had rows that the site cannot show; then this one is narrowed down at once.
    is_narrow: bool = False

    @classmethod
    def parse(cls, token: str | None, parts: int = 3) -> Place:
        """The token's place; the beginning if there is no token.

        Raises:
            PageTokenExpired: The token is not one of ours.
        """
        try:
            place = msgspec.json.decode(token, type=cls) if token else cls()
            _ = place.at and datetime.fromisoformat(place.at)
            if not 0 <= place.part < parts or place.size < SMALLEST_PAGE:
                raise ValueError
        except (*UNREADABLE, ValueError):
            raise not_ours("woocommerce") from None
        return place

    def beginning(self, part: int, *, by_date: bool = False) -> Place:
        """The first place of a part, reached from here."""
        return Place(part=part, by_date=by_date, counted=self.counted, size=self.size)

    def smaller(self) -> Place | None:
        """The same place with half the page; None if the page is already the smallest."""
        if self.size == SMALLEST_PAGE:
            return None
        return msgspec.structs.replace(self, size=max(SMALLEST_PAGE, self.size // 2))

    def __str__(self) -> str:
        return write_position(self)


@dataclass(frozen=True, slots=True)
class Row:
    """A row with the fields that paging needs; a row that cannot be read has neither id nor time."""

    raw: bytes
    id: int | None = None
    #: The time used for paging, as the site writes it: such texts compare like the times.
    time: str | None = None
    modified: str | None = None
    status: str | None = None
    has_variations: bool = False


class _Row(msgspec.Struct):
    id: int
    date_created: str | None = None
    date_modified_gmt: str | None = None
    type: str | None = None
    status: str | None = None
    variations: Detail = NO_DETAIL


class After(NamedTuple):
    """The state after a page."""

    place: Place
    #: Whether anything follows in this part.
    more: bool
    #: Rows that no earlier page had.
    used: int


@dataclass(frozen=True, slots=True)
class Step:
    """A page that was read at a place."""

    place: Place
    rows: Sequence[Row]
    listed: Listed
    #: Rows that the site cannot show, each with the number of `rows` before it.
    holes: Sequence[tuple[int, Unshown]] = ()

    def unshown(self, used: int | None = None) -> list[Unshown]:
        """The rows of the page, or among its first `used` rows, that the site cannot show."""
        return [each for before, each in self.holes if used is None or before <= used]

    def is_read(self, row: Row) -> bool:
        """Whether an earlier page had it."""
        return row.id is not None and row.id in self.place.seen

    def after(self, used: int | None = None) -> After:
        """The state after the page, or after its first `used` rows."""
        is_cut = used is not None and used < len(self.rows)
        rows = self.rows[:used] if is_cut else self.rows
        unshown = len(self.unshown(used))
        asked = len(rows) + unshown if is_cut else self.listed.asked
        total = self.listed.total or 0
        filled = len(self.rows) + len(self.holes)
        if self.listed.total is None or filled >= self.listed.asked:
            # A full page says that there may be more, whatever the site counts.
            total = max(total, self.place.skip + filled + (filled >= self.listed.asked))
        again = {row.id for row in rows if self.is_read(row)}
        counted = max(0, min(asked, total - self.place.skip)) - len(again)
        # After a good page the next one is larger: the failure that made them small may have been short.
        size = min(LARGEST_PAGE, self.place.size + SMALLEST_PAGE)
        place = msgspec.structs.replace(
            self.place, counted=self.place.counted + counted, size=size, is_narrow=False
        )
        used_rows = sum(not self.is_read(row) for row in rows) + unshown
        following: Place | None
        if place.by_id:
            following = _by_id(place, rows, asked, total)
        elif asked < total and not _in_order(self.rows):
            # Also if only the first rows were used: the rows after them may be older.
            following = msgspec.structs.replace(place, by_id="rest")
        else:
            following = _by_time(place, rows, asked, total)
        return After(following or place, following is not None, used_rows)


def _by_id(place: Place, rows: Sequence[Row], asked: int, total: int) -> Place | None:
    """The place after a page of rows read by id."""
    gone = place.total - total if place.total is not None else 0
    if gone > OVERLAP:
        # Rows before the offset may have left. The rows after them have moved up, and may be missed.
        return msgspec.structs.replace(place, skip=max(0, place.skip - gone), total=total)
    if place.skip + asked < total:
        ids = sorted(row.id for row in rows if row.id is not None)
        ahead = [each for each in place.seen if ids and each > ids[-1]]
        skip = max(place.skip + asked - OVERLAP, 0)
        return msgspec.structs.replace(place, skip=skip, total=total, seen=(*sorted(ahead), *ids[-OVERLAP:]))
    if place.by_id == "second":
        begun = place.beginning(place.part, by_date=place.by_date)
        return msgspec.structs.replace(begun, at=place.at, is_done=True)
    return None


def _by_time(place: Place, rows: Sequence[Row], asked: int, total: int) -> Place | None:
    """The place after a page that came in the order of time."""
    if asked >= total:
        return None
    times = [row.time for row in rows if row.time]
    if not times:
        return msgspec.structs.replace(place, by_id="rest")
    last = times[-1]
    seen = [row.id for row in rows if row.time == last and row.id is not None]
    if place.at is None or last > place.at:
        return msgspec.structs.replace(place, at=last, is_done=False, seen=tuple(seen))
    return msgspec.structs.replace(place, by_id="second", seen=(*place.seen, *seen))


def _is_second(time: str) -> bool:
    """Whether it is a time in the sites' format, with a second before it and one after it."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return False
    return _FORM.fullmatch(time) is not None and 1 < moment.year < 9999


def _in_order(rows: Sequence[Row]) -> bool:
    """Whether rows came in the order of time."""
    return all(first <= second for first, second in pairwise(row.time for row in rows if row.time))


def read_rows(listed: Listed, *, by_date: bool) -> list[Row]:
    """The rows of a page."""
    rows = []
    for raw in listed.rows:
        try:
            row = msgspec.json.decode(raw, type=_Row)
            time = row.date_created if by_date else row.date_modified_gmt
        except UNREADABLE:
            rows.append(Row(bytes(raw)))
            continue
        if time and not _is_second(time):
            rows.append(Row(bytes(raw)))
        else:
            has_variations = product_records.has_variations(row.type, _is_list(row.variations))
            modified = row.date_modified_gmt
            rows.append(Row(bytes(raw), row.id, time or None, modified, row.status, has_variations))
    return rows


def _is_list(value: Detail) -> bool:
    """Whether a value is a list, or an object, that is not empty."""
    text = bytes(value)
    return text[:1] in (b"[", b"{") and bool(text.strip(b"[{ \t\r\n}]"))


def bounds(place: Place, window: Window, offset: int | None = None) -> list[tuple[str, str]]:
    """The parameters that ask for the rows from a place on, or from an offset behind it.

    Bounds are strict and in whole seconds. With `dates_are_gmt` the site compares them with UTC, but would
    still convert a suffix such as `Z` to its own zone: so there is no suffix. Without `dates_are_gmt` it
    compares them with its local time, which is also the time in `date_created` and the time of the order.
    """
    prefix, first, last = "modified_", first_second(window.since), _last_second(window.until)
    params = [("dates_are_gmt", "true")]
    if place.by_date:
        prefix, first, last, params = "", "", "", []
    first, last = place.at or first, place.at if place.by_id == "second" and place.at else last
    if first:
        params.append((f"{prefix}after", first if place.is_done else _moved(first, -_SECOND)))
    if last:
        params.append((f"{prefix}before", _moved(last, _SECOND)))
    order_by = "id" if place.by_id else "date" if place.by_date else "modified"
    if place.skip or offset is not None:
        params.append(("offset", str(place.skip + (offset or 0))))
    return [("orderby", order_by), ("order", "asc"), *params]


def is_unfiltered(step: Step, window: Window) -> bool:
    """Whether the site has ignored the bounds, as WooCommerce before 5.8 does.

    One row that is too old does not prove it, and does no harm.
    """
    oldest = step.place.at or first_second(window.since)
    too_old = [row for row in step.rows if row.time is not None and row.time < oldest]
    return not step.place.by_date and len(too_old) > 1


def first_second(moment: datetime) -> str:
    """A moment's second in the sites' format of UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _last_second(moment: datetime) -> str:
    """The same, rounded up."""
    return first_second(moment + timedelta(microseconds=999_999))


def _moved(second: str, by: timedelta) -> str:
    return f"{datetime.fromisoformat(second) + by:%Y-%m-%dT%H:%M:%S}"
