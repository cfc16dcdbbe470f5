"""Shopify's search texts: the terms of the argument `query` that select rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from local.sandbox.catalogue import DAY
from local.sandbox.http import NEVER

_TERM = re.compile(r"(\w+):(>=|<=|>|<)?('[^']*'|\S+)")


@dataclass(frozen=True, slots=True)
class Search:
    """The known search terms; Shopify ignores unknown ones, and so does the sandbox.

    Both times are inclusive Unix seconds.
    """

    since: int = 0
    until: int = NEVER
    statuses: frozenset[str] | None = None

    @classmethod
    def parse(cls, text: str) -> Search:
        """Read a search text."""
        since, until, statuses = 0, NEVER, None
        for name, operator, value in _TERM.findall(text):
            if name == "status":
                statuses = frozenset(value.strip("'").split(","))
            if name != "updated_at":
                continue
            first, last = _moment(value)
            since = {">=": first, ">": last + 1, "": first}.get(operator, since)
            until = {"<=": last, "<": first - 1, "": last}.get(operator, until)
        return cls(since, until, statuses)


def _moment(value: str) -> tuple[int, int]:
    """First and last second of a value; without quotes, its time of day is ignored."""
    if value.startswith("'"):
        second = int(datetime.fromisoformat(value.strip("'")).timestamp())
        return second, second
    day = int(datetime.fromisoformat(value[:10]).replace(tzinfo=UTC).timestamp())
    return day, day + DAY - 1
