"""What marketplaces say about their limits, and how long to wait because of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.marketplaces.client import Response
from orchestrator.ports import Clock


@dataclass(slots=True)
class CostBucket:
    """A leaky bucket of points: a call must fit into it before it is made.

    Nothing is held back until the marketplace has told its numbers.
    """

    clock: Clock
    _available: float = 0.0
    _size: float = 0.0
    _per_second: float = 0.0
    _told_at: float = 0.0
    _costs: dict[str, float] = field(default_factory=dict)

    def tell(self, operation: str, cost: float, available: float, size: float, per_second: float) -> None:
        """What the latest answer said: the operation's cost and the bucket's state after it."""
        self._costs[operation] = cost
        self._available, self._size, self._per_second = available, size, per_second
        self._told_at = self.clock.monotonic()

    def wait_s(self, operation: str) -> float:
        """Seconds until the bucket has filled enough for this operation."""
        cost = min(self._costs.get(operation, 0.0), self._size)
        if self._per_second <= 0:
            return 0.0
        filled = self._available + (self.clock.monotonic() - self._told_at) * self._per_second
        return max(0.0, (cost - filled) / self._per_second)

    def observe(self, operation: str, response: Response) -> None:
        """The numbers are in the body: whoever decodes it calls `tell`."""


@dataclass(slots=True)
class RemainingCalls:
    """Headers that tell how many calls remain, and in how many seconds there are more."""

    clock: Clock
    #: Headers' names: calls remaining, seconds until reset.
    remaining: str
    reset: str
    _free_at: float = 0.0

    def wait_s(self, operation: str) -> float:  # noqa: ARG002 - the limit is one for all operations
        """Seconds until calls are allowed again."""
        return max(0.0, self._free_at - self.clock.monotonic())

    def observe(self, operation: str, response: Response) -> None:  # noqa: ARG002 - as above
        """Remember when there are calls again, once none is left."""
        try:
            left = int(response.headers.get(self.remaining, ""))
            reset_s = float(response.headers.get(self.reset, ""))
        except ValueError:
            return
        # Some servers give the reset as a moment (Unix time) and not as a span.
        if reset_s > 1_000_000_000:
            reset_s -= self.clock.now().timestamp()
        self._free_at = self.clock.monotonic() + max(0.0, reset_s) if left <= 0 else 0.0
