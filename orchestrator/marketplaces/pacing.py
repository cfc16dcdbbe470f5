"""Marketplaces' limits, and how long to wait because of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.marketplaces.response import Response
from orchestrator.ports import Clock


@dataclass(slots=True)
class CostBucket:
    """A leaky bucket of points: a call must fit into it before it is made.

    No call waits until the marketplace has told its numbers.
    """

    clock: Clock
    _available: float = 0.0
    _size: float = 0.0
    _per_second: float = 0.0
    _told_at: float = 0.0
    _costs: dict[str, float] = field(default_factory=dict)

    def tell(self, operation: str, cost: float, available: float, size: float, per_second: float) -> None:
        """Take the latest answer's numbers: the operation's cost and the bucket's state after it."""
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
        """Nothing: the numbers are in the body, whose decoder calls `tell`."""


@dataclass(slots=True)
class RemainingCalls:
    """Headers with the number of remaining calls, and the seconds until there are more."""

    clock: Clock
    #: Headers' names: calls remaining, seconds until reset.
    remaining: str
    reset: str
    _free_at: float = 0.0

    def wait_s(self, operation: str) -> float:  # noqa: ARG002 - the limit is one for all operations
        """Seconds until calls are allowed again."""
        return max(0.0, self._free_at - self.clock.monotonic())

    def observe(self, operation: str, response: Response) -> None:  # noqa: ARG002 - as above
        """Once no call is left, remember when there are calls again."""
        try:
            left = int(response.headers.get(self.remaining, ""))
            reset_s = float(response.headers.get(self.reset, ""))
        except ValueError:
            return
        # Some servers give the reset as a moment (Unix time), not as a span.
        if reset_s > 1_000_000_000:
            reset_s -= self.clock.now().timestamp()
        self._free_at = self.clock.monotonic() + max(0.0, reset_s) if left <= 0 else 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit of calls."""

    per_second: float
    #: The most calls at once after a rest.
    burst: float


@dataclass(slots=True)
class OperationBuckets:
    """A bucket of calls for each operation, with the documented rate until an answer tells another.

    A bucket counts as full until a call is refused: the use by an earlier session is not known.
    """

    clock: Clock
    #: The documented limits; an operation without one never waits.
    rates: Mapping[str, Rate]
    #: The header with the operation's rate, in calls a second.
    header: str
    _told: dict[str, float] = field(default_factory=dict)
    _used: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait_s(self, operation: str) -> float:
        """Seconds until the operation's bucket holds a call."""
        if operation not in self.rates:
            return 0.0
        return max(0.0, (1 - self._available(operation)) / self._per_second(operation))

    def observe(self, operation: str, response: Response) -> None:
        """Count the call; a refused call shows that the bucket is empty."""
        if operation not in self.rates:
            return
        told = _number(response.headers.get(self.header))
        if told > 0:
            self._told[operation] = told
        left = self._available(operation) - 1
        if response.status == 429:
            # After the advised wait the bucket holds a call again.
            advice = response.headers.get("Retry-After")
            left = 0.0 if advice is None else 1 - _number(advice) * self._per_second(operation)
        self._used[operation] = (left, self.clock.monotonic())

    def _available(self, operation: str) -> float:
        burst = self.rates[operation].burst
        left, at = self._used.get(operation, (burst, 0.0))
        return min(burst, left + (self.clock.monotonic() - at) * self._per_second(operation))

    def _per_second(self, operation: str) -> float:
        return self._told.get(operation, self.rates[operation].per_second)


def _number(text: str | None) -> float:
    """A finite number of at least 0; 0 for any other text."""
    try:
        value = float(text or "")
    except ValueError:
        return 0.0
    return value if 0 <= value < float("inf") else 0.0
