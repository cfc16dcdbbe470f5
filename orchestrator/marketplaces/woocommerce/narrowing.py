"""A page that a site cannot send, narrowed down to the rows that break it.

WordPress builds all rows of a page before it sends one: a single corrupt order makes every page with it fail
(mailchimp/mc-woocommerce#465, woocommerce#41866). The page is halved by offset, down to single rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.woocommerce.api import Listed

#: A page with more rows that cannot be shown has failed.
MOST_HOLES = 20
#: If so many single rows fail before any call has an answer, one more call tells whether the site is up.
DOUBTFUL_HOLES = 2


@dataclass(frozen=True, slots=True)
class Hole:
    """A row that the site cannot show."""

    #: Its place behind the page's first row.
    offset: int
    #: The number of rows of the page before it that could be shown.
    before: int
    reason: str


def narrowed(read: Callable[[int, int], Listed], size: int, *, skip: int) -> tuple[Listed, list[Hole]]:
    """The rows of a page that can be shown, and the others.

    Args:
        read: Reads rows: (offset behind the page's first row, count).
        size: The rows of the page.
        skip: The rows of the listing before the page, which the site's count includes.

    Raises:
        MarketplaceUnavailable: The site is down, most rows fail, or rows left the listing meanwhile.
    """
    narrowing = _Narrowing(read, size, skip)
    narrowing.halve(0, size)
    return Listed(narrowing.rows, size, narrowing.total), narrowing.holes


@dataclass(slots=True)
class _Narrowing:
    """The parts of a page that could be read."""

    read: Callable[[int, int], Listed]
    size: int
    skip: int
    rows: list[msgspec.Raw] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    #: The site's count of the whole listing; None until it answers with one.
    total: int | None = None
    has_answer: bool = False
    has_ended: bool = False

    def halve(self, start: int, count: int) -> None:
        """Read both halves of a range that failed as a whole."""
        half = (count + 1) // 2
        self._part(start, half)
        self._part(start + half, count - half)

    def _part(self, start: int, count: int) -> None:
        if not count or self.has_ended or (self.total is not None and self.skip + start >= self.total):
            return
        try:
            listed = self.read(start, count)
        except MarketplaceUnavailable as error:
            if count > 1:
                self.halve(start, count)
            else:
                self._keep_hole(start, error)
            return
        self._keep(listed)
        self.rows += listed.rows
        self.has_ended = listed.total is None and len(listed.rows) < count

    def _keep(self, listed: Listed) -> None:
        if self.total is not None and listed.total is not None and listed.total < self.total:
            message = "woocommerce: rows left the listing while one of its pages was narrowed down"
            raise MarketplaceUnavailable(message)
        self.total = listed.total if listed.total is not None else self.total
        self.has_answer = True

    def _keep_hole(self, start: int, error: MarketplaceUnavailable) -> None:
        self.holes.append(Hole(start, len(self.rows), error.message))
        if len(self.holes) > MOST_HOLES:
            raise error
        if not self.has_answer and len(self.holes) >= DOUBTFUL_HOLES:
            self._keep(self.read(self.size, 1))
