"""Reading Takealot's sales by calendar days, in South African time (UTC+2, no daylight saving)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.paging import not_ours
from orchestrator.marketplaces.spec import Page, Unshown, Window

SAST = timezone(timedelta(hours=2))
#: Days in one call: at first, and at most (the older API refuses more than 180).
FIRST_SPAN, LONGEST_SPAN = 8, 128


class DaySpan(msgspec.Struct, frozen=True):
    """The next day to read, and the number of days to ask for. Its text is the page token."""

    day: date
    days: int

    @classmethod
    def of(cls, window: Window, token: str | None) -> DaySpan:
        """The token's span, or one from the window's first day on.

        Raises:
            PageTokenExpired: The token is not one of ours.
        """
        if not token:
            return cls(window.since.astimezone(SAST).date(), FIRST_SPAN)
        day, _, days = token.partition("/")
        try:
            return cls(date.fromisoformat(day), max(1, min(LONGEST_SPAN, int(days))))
        except ValueError:
            raise not_ours("takealot sales") from None

    def end(self, window: Window) -> date:
        """Its last day, which is not after the window's."""
        return min(self.day + timedelta(days=self.days - 1), window.until.astimezone(SAST).date())

    def halved(self, end: date) -> DaySpan:
        """The first half of the days up to `end`, at least one."""
        return DaySpan(self.day, max(1, ((end - self.day).days + 1) // 2))

    def following(self, window: Window, *, sparse: bool) -> str | None:
        """The token of the days after these, None at the window's end; more days if few items were sold."""
        end = self.end(window)
        if end >= window.until.astimezone(SAST).date():
            return None
        days = min(self.days * 2, LONGEST_SPAN) if sparse else self.days
        return f"{(end + timedelta(days=1)).isoformat()}/{days}"


class EndsEarly(MarketplaceUnavailable):
    """Fewer rows came than Takealot counted."""


#: Reads the sales of some days, both included; the third argument says whether it is one day. Of several days
#: it may return None: they are too many. Raises EndsEarly, or another MarketplaceError.
Read = Callable[[date, date, bool], Sequence[msgspec.Raw] | None]


def read_days(
    window: Window,
    token: str | None,
    read: Read,
    group: Callable[[Sequence[msgspec.Raw]], list[bytes]],
    *,
    sparse_below: int,
) -> Page:
    """The orders of the window's next days.

    Fewer days are asked for, down to one, if there are too many sales, or fewer came than were counted. From
    the second attempt on, a day whose pages fail is passed over and named, so that it stops no other.

    Raises:
        EndsEarly: Some of a day's sales did not come.
        MarketplaceUnavailable: A page fails.
    """
    span = DaySpan.of(window, token)
    while True:
        end = span.end(window)
        is_one = span.day == end
        try:
            items = read(span.day, end, is_one)
        except MarketplaceUnavailable as error:
            is_short = isinstance(error, EndsEarly)
            if (is_one and is_short) or (window.attempt == 1 and not is_short):
                raise
            if is_one:
                # Raises if nothing at all can be read: then the day is not to blame.
                read(_EMPTY_DAY, _EMPTY_DAY, True)
                return Page([], span.following(window, sparse=False), unshown=[_unshown(span.day, error)])
            items = None
        if items is not None:
            return Page(group(items), span.following(window, sparse=len(items) < sparse_below))
        span = span.halved(end)


#: Takealot did not sell for others then.
_EMPTY_DAY = date(2011, 1, 1)


def _unshown(day: date, error: MarketplaceUnavailable) -> Unshown:
    start = datetime.combine(day, time(), SAST)
    until = start + timedelta(days=1) - timedelta(microseconds=1)
    return Unshown(f"sales of {day.isoformat()}", error.message, changed_since=start, changed_until=until)
