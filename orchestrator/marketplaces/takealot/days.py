"""Reading Takealot's sales by calendar days, in South African time (UTC+2, no daylight saving)."""

from __future__ import annotations

from datetime import date, timedelta, timezone

import msgspec

from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.spec import Window

SAST = timezone(timedelta(hours=2))
#: Days asked for at once: at first, and at most (the older API refuses more than 180).
FIRST_SPAN, LONGEST_SPAN = 8, 128


class Span(msgspec.Struct, frozen=True):
    """Where the reading stands: the next day, and how many days to ask for. Its text is the page token."""

    day: date
    days: int

    @classmethod
    def of(cls, window: Window, token: str | None) -> Span:
        """Where a token says, or the window's first day.

        Raises:
            PageTokenExpired: The token is not one of ours.
        """
        if not token:
            return cls(window.since.astimezone(SAST).date(), FIRST_SPAN)
        day, _, days = token.partition("/")
        try:
            return cls(date.fromisoformat(day), max(1, min(LONGEST_SPAN, int(days))))
        except ValueError:
            raise PageTokenExpired("takealot sales: the page token is not one of ours") from None

    def end(self, window: Window) -> date:
        """Its last day, which is not after the window's."""
        return min(self.day + timedelta(days=self.days - 1), window.until.astimezone(SAST).date())

    def halved(self, end: date) -> Span:
        """The first half of the days up to `end`, at least one."""
        return Span(self.day, max(1, ((end - self.day).days + 1) // 2))

    def following(self, window: Window, *, sparse: bool) -> str | None:
        """The token of the days after these, None where the window ends; more days where little was sold."""
        end = self.end(window)
        if end >= window.until.astimezone(SAST).date():
            return None
        days = min(self.days * 2, LONGEST_SPAN) if sparse else self.days
        return f"{(end + timedelta(days=1)).isoformat()}/{days}"
