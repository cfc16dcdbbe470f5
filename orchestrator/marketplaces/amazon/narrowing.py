"""Reading a span of time by halves, because a page of it always fails, or ended without a token for the rest.

Amazon's listings name no row whose page fails, and their page tokens belong to one page size. Time is the
only way around such a row: the span is halved until one second is left, and the other halves are stored.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.spec import Unshown
from orchestrator.marketplaces.values import Instant, whole_second

#: Searches take bounds in whole seconds.
SHORTEST = timedelta(seconds=1)
#: So many searches in a row without an answer are not the fault of a row. Halving all of Amazon's history
#: down to one second takes 30.
MOST_MISSES = 32


class Spans(msgspec.Struct, frozen=True, array_like=True, tag="spans"):
    """The spans that are still to be read, the first one from `page` on; at least one."""

    #: Empty if the search covers all marketplaces.
    marketplace: str
    todo: tuple[tuple[Instant, Instant], ...]
    #: Amazon's page token within the first span.
    page: str | None = None
    #: Whether any of these searches has been answered: else all of Amazon may be failing, not a row.
    answered: bool = False
    #: Searches in a row without an answer.
    misses: int = 0
    #: The end of the latest span.
    end: Instant | None = None

    @classmethod
    def of(cls, marketplace: str, since: datetime, until: datetime) -> Spans:
        """One span, of which nothing has been read."""
        return cls(marketplace, ((since, until),), end=until)

    @property
    def first(self) -> tuple[datetime, datetime]:
        """The span to read now."""
        return self.todo[0]

    @property
    def can_halve(self) -> bool:
        """Whether the first span is long enough to be halved."""
        since, until = self.first
        return until - since > SHORTEST

    def after_page(self, page: str | None) -> Spans | None:
        """The position after an answer with the token of the span's next page; None at the end."""
        todo = self.todo if page else self.todo[1:]
        if not todo:
            return None
        return msgspec.structs.replace(self, todo=todo, page=page, answered=True, misses=0)

    def halved(self) -> Spans:
        """The position with the first span in halves; both include the second between them."""
        since, until = self.first
        seconds = (until - since) // SHORTEST
        middle = min(since.replace(microsecond=0) + timedelta(seconds=max(1, seconds // 2)), until)
        return msgspec.structs.replace(
            self, todo=((since, middle), (middle, until), *self.todo[1:]), page=None
        )

    def answered_in_part(self) -> Spans:
        """The position after an answer that is not the whole first span: its halves are read instead."""
        return msgspec.structs.replace(self.halved(), answered=True, misses=0)

    def missed(self, error: MarketplaceUnavailable) -> tuple[Spans | None, list[Unshown]]:
        """The position after a search without an answer, and the second that Amazon cannot show.

        Raises:
            MarketplaceUnavailable: `error`, which is not the fault of one row.
        """
        if self.misses >= MOST_MISSES:
            raise error
        counted = msgspec.structs.replace(self, misses=self.misses + 1)
        if self.can_halve:
            return counted.halved(), []
        rest = self.todo[1:]
        if self.answered:
            following = msgspec.structs.replace(counted, todo=rest, page=None) if rest else None
            return following, [self._unshown(error.message)]
        if not rest:
            raise error
        # Another span shows whether Amazon answers at all.
        return msgspec.structs.replace(counted, todo=(*rest, self.todo[0]), page=None), []

    def _unshown(self, reason: str) -> Unshown:
        since, until = self.first
        name = f"{self.marketplace} {whole_second(since)}".strip()
        return Unshown(name=name, reason=reason, changed_since=since, changed_until=until)
