"""Names and values that came with a request: headers, or a message's attributes."""

from __future__ import annotations

from typing import Protocol


class Fields(Protocol):
    """Anything that is asked by name."""

    def get(self, name: str, default: str, /) -> str:
        """The value of that name, or the default."""
        ...
