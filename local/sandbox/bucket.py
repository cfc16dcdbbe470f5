"""A token bucket on the real clock: the limit that Amazon and Shopify put on calls."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bucket:
    """Points that refill with time; full at the start."""

    size: float
    per_second: float
    available: float = field(init=False)
    _filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.available = self.size
        self._filled_at = time.monotonic()

    def refill(self) -> None:
        """Add the points that have come back since the last call."""
        now = time.monotonic()
        self.available = min(self.size, self.available + (now - self._filled_at) * self.per_second)
        self._filled_at = now
