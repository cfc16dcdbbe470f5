"""The waits that eBay's limits ask for, by resource, and the proof that a day's calls are used up.

Source: eBay's pages on call limits and on `getRateLimits` (Developer Analytics v1_beta), read 2026-11-23.
Facts that this module depends on:

- Limits count the calls of the application, over all its sellers, for each resource: so the sessions of a
  process share their waits.
- A 429 often tells `Retry-After`. It is also sent for a short burst: error 2001 alone proves no used-up day.
- `getRateLimits` tells the calls that remain, and the time of the reset. It takes a token of the application
  itself (client credentials with the basic scope, which every keyset has), not of the seller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from orchestrator.marketplaces.response import Response
from orchestrator.ports import Clock

RATE_LIMITS_URL = "https://api.ebay.com/developer/analytics/v1_beta/rate_limit/"
#: The scope that every application has.
APPLICATION_SCOPE = "https://api.ebay.com/oauth/api_scope"
#: The resource whose calls an operation counts against; others have one of their own.
RESOURCES = {
    **dict.fromkeys(("orders", "shipping_fulfillments"), "fulfillment"),
    **dict.fromkeys(("inventory_items", "offers"), "inventory"),
}
#: The wait before a refused resource is tried again if nobody tells one; doubled each time.
PROBE_S, LONGEST_PROBE_S = 2.0, 3_600.0
#: Headers with the calls that remain and the time of the reset, which some refusals have.
_REMAINING, _RESET = "X-EBAY-C-RATELIMIT-REMAINING", "X-EBAY-C-RATELIMIT-RESET"
#: No told wait is longer; a clock that was set back must not hold calls back for longer either.
_LONGEST = timedelta(days=1)


@dataclass(slots=True)
class _Resource:
    """One resource's waits."""

    #: The wait that eBay told, or that was proved, ends here.
    told_until: datetime | None = None
    #: Refusals in a row without a told wait; the next call is made at `probe_at`.
    refusals: int = 0
    probe_at: datetime | None = None
    #: The refusals at the last question for a proof.
    asked_at: int = 0


#: By application and resource, of this process.
_resources: dict[tuple[str, str], _Resource] = {}
_MOST_RESOURCES = 2_000


@dataclass(slots=True)
class ResourceLimits:
    """The pace of one application's calls."""

    clock: Clock
    #: Differs by application.
    application: str
    #: Whether a refusal says that the day's calls are used up.
    says_used_up: Callable[[Response], bool]

    def wait_s(self, operation: str) -> float:
        """Seconds until the operation's resource may be called."""
        found, now = self._resource(operation), self.clock.now()
        ends = (
            end for end in (found.told_until, found.probe_at) if end is not None and end <= now + _LONGEST
        )
        return max([0.0, *((end - now).total_seconds() for end in ends)])

    def observe(self, operation: str, response: Response) -> None:
        """Remember the wait that a refusal tells, or a longer one than before; an answer ends those."""
        found, now = self._resource(operation), self.clock.now()
        if response.status != 429:
            found.refusals, found.asked_at, found.probe_at = 0, 0, None
            return
        advised = _advised(response, now)
        reset = _instant(response.headers.get(_RESET))
        if advised is not None:
            found.told_until = advised
        elif reset is not None and self._is_proof(response):
            found.told_until = reset
        else:
            wait_s = min(PROBE_S * 2**found.refusals, LONGEST_PROBE_S)
            found.refusals = min(found.refusals + 1, 20)
            found.probe_at = now + timedelta(seconds=wait_s)

    def wants_proof(self, operation: str) -> bool:
        """Whether the wait is only a guess that nobody has asked about; true once for each refusal."""
        found = self._resource(operation)
        is_new = (
            found.refusals > found.asked_at and (found.told_until or self.clock.now()) <= self.clock.now()
        )
        found.asked_at = found.refusals
        return is_new

    def use_up(self, operation: str, limits: RateLimits) -> float | None:
        """Seconds until the reset if a resource's calls are used up, which is remembered; else None."""
        now = self.clock.now()
        resets = [reset for reset in limits.used_up() if reset > now]
        if not resets:
            return None
        self._resource(operation).told_until = end = min(resets)
        return (end - now).total_seconds()

    def _is_proof(self, response: Response) -> bool:
        remaining = response.headers.get(_REMAINING)
        return self.says_used_up(response) if remaining is None else remaining == "0"

    def _resource(self, operation: str) -> _Resource:
        if len(_resources) >= _MOST_RESOURCES:
            _resources.clear()
        return _resources.setdefault((self.application, RESOURCES.get(operation, operation)), _Resource())


class _Rate(msgspec.Struct):
    remaining: int | None = None
    reset: str | None = None


class _Limited(msgspec.Struct):
    rates: list[_Rate] = []


class _Api(msgspec.Struct):
    resources: list[_Limited] = []


class RateLimits(msgspec.Struct, rename="camel"):
    """The answer of `getRateLimits`."""

    rate_limits: list[_Api] = []

    def used_up(self) -> list[datetime]:
        """The resets of the resources without a remaining call."""
        rates = [rate for api in self.rate_limits for each in api.resources for rate in each.rates]
        resets = [
            _instant(rate.reset) for rate in rates if rate.remaining is not None and rate.remaining <= 0
        ]
        return [reset for reset in resets if reset is not None]


def _advised(response: Response, now: datetime) -> datetime | None:
    """The end of the wait in `Retry-After`: seconds or a date."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        return now + min(timedelta(seconds=max(0.0, float(text))), _LONGEST)
    except (ValueError, OverflowError):
        pass
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _instant(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
