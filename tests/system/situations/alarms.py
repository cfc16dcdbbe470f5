"""The deployed alerts over a stage's log: each lasts as long as its cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from tests.delivery.terraform.conditions import condition
from tests.delivery.terraform.plans import Plan
from tests.system.situations.stage import TICK, Stage

MINUTE = timedelta(minutes=1)
#: All whose signals the stage has; the others count the platform's own metrics.
KEYS = (
    *("no-tick", "no-successful-run", "marketplace-failing", "late", "needs-attention", "rejects"),
    *("refused-callers", "out-of-memory", "untold-changes", "dead-tasks"),
)
#: The longest that an alert may outlast its cause, which ends between two ticks: the next tick still tells of
#: the state before it, and its line counts for two intervals and some minutes.
LAG = 3 * TICK + timedelta(minutes=10)


def opened(plan: Plan, stage: Stage, begins: datetime) -> dict[str, list[datetime]]:
    """The minutes at which each alert is open, from a time until now; alerts that never are are absent."""
    found = {key: _open_at(plan, key, stage) for key in KEYS}
    minutes = []
    minute = begins
    while minute <= stage.clock.now():
        minutes.append(minute)
        minute += MINUTE
    times = {key: [at for at in minutes if is_open(at)] for key, is_open in found.items()}
    return {key: each for key, each in times.items() if each}


def lasts(
    times: Mapping[str, Sequence[datetime]],
    key: str,
    begun: datetime,
    ended: datetime,
    *,
    delay: timedelta = 2 * TICK,
    lag: timedelta = LAG,
) -> None:
    """An alert is open without a gap, from soon after the beginning until soon after the end."""
    found = times.get(key, [])
    assert found, (key, dict(times))
    assert begun - MINUTE <= found[0] <= begun + delay, (key, begun, found[0])
    assert ended - MINUTE <= found[-1] <= ended + lag, (key, ended, found[-1])
    assert all(after - before == MINUTE for before, after in pairwise(found)), (key, found)


def _open_at(plan: Plan, key: str, stage: Stage) -> Callable[[datetime], bool]:
    if key != "dead-tasks":
        alert = condition(plan, key, stage.log.lines)
        return lambda at: bool(alert.series_at(at))
    # Pub/Sub's own metric: the highest number within five minutes.
    return lambda at: any(
        number and after > at - timedelta(minutes=5) and before <= at
        for (before, number), (after, _) in pairwise([*stage.dead, (stage.clock.now() + MINUTE, 0)])
    )
