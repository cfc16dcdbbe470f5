"""Reading Takealot's sales by calendar days, in South African time (UTC+2, no daylight saving)."""

from __future__ import annotations

from datetime import date, timedelta, timezone

import msgspec

from orchestrator.marketplaces.paging import not_ours
from orchestrator.marketplaces.spec import Window

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
