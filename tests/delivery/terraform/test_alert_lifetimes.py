"""Each alert lasts as long as its cause, and closes by itself: its condition, evaluated minute by minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.errors import CredentialsRejected, MarketplaceUnavailable
from orchestrator.ports import Put
from tests.delivery.terraform.conditions import condition, policy
from tests.delivery.terraform.plans import Plan
from tests.support.lines import Line, kept, run_once
from tests.support.world import START, FakeClient, World

TICK = timedelta(minutes=15)
#: The longest that an alert may outlast its cause: two intervals, and the tick that finds it gone.
LAG = 2 * TICK + timedelta(minutes=10)


def history(
    world: World, ticks: int, *, begins: Callable[[], None], after: int, ends: Callable[[], None], until: int
) -> tuple[list[Line], datetime, datetime]:
    """The lines of a world in which something is wrong from one tick to another, and both times."""
    begun = ended = START
    with kept(world.clock) as log:
        for tick in range(ticks):
            if tick == after:
                begins()
                begun = world.clock.now()
            if tick == until:
                ends()
                ended = world.clock.now()
            run_once(world)
            world.clock.advance(TICK.total_seconds())
    return log.lines, begun, ended


def _raising(world: World, connection_id: str, error: Exception) -> Callable[[], None]:
    def call(client: FakeClient, stream: str, token: str | None) -> None:
        if client.connection_id == connection_id:
            raise error

    return lambda: setattr(world.bazaar, "at_call", call)


def _repair(world: World) -> None:
    world.bazaar.at_call = None
    world.clock.advance(1)
    world.connect("sick")


def _late(world: World, late_at: datetime | None) -> Callable[[], None]:
    state = {"marketplace": "takealot", "late_at": late_at}

    def write() -> None:
        world.store.commit([Put("sync_state/behind", state)])

    return write


@pytest.mark.parametrize(
    ("key", "series", "delay"),
    [
        # Each tick tells of the state before it, so the first line comes with the next tick.
        ("needs-attention", ("sick", "shopify", "credentials_rejected"), TICK),
        ("marketplace-failing", ("shopify",), 3 * TICK),
        ("late", ("takealot",), timedelta(0)),
    ],
)
def test_it_lasts_as_long_as_its_cause(
    prod: Plan, tmp_path: Path, key: str, series: tuple[str, ...], delay: timedelta
) -> None:
    """Open without a gap for five hours of trouble, named, and closed some minutes after the end."""
    world = World(tmp_path)
    world.connect("sick")
    world.connect("well", marketplace="takealot")
    begins, ends = {
        "needs-attention": (
            _raising(world, "sick", CredentialsRejected("shopify orders: answered 401")),
            lambda: _repair(world),
        ),
        "marketplace-failing": (
            _raising(world, "sick", MarketplaceUnavailable("shopify orders: answered 500")),
            lambda: _repair(world),
        ),
        "late": (_late(world, START), _late(world, None)),
    }[key]
    lines, begun, ended = history(world, 32, begins=begins, after=2, ends=ends, until=22)
    alert = condition(prod, key, lines)
    minute, found = START, []
    while minute < ended + 2 * LAG:
        found.append((minute, alert.series_at(minute)))
        minute += timedelta(minutes=1)

    assert {one for _, each in found for one in each} == {series}
    times = [at for at, each in found if each]
    assert begun <= times[0] <= begun + delay + timedelta(minutes=1)
    assert ended - timedelta(minutes=1) <= times[-1] <= ended + LAG
    assert len(times) == (times[-1] - times[0]) // timedelta(minutes=1) + 1


@pytest.mark.parametrize("key", ["no-tick", "no-successful-run"])
def test_silence_lasts_for_weeks(prod: Plan, tmp_path: Path, key: str) -> None:
    """Two intervals after the last line it opens, it is open three weeks later, and the next line ends it."""
    world = World(tmp_path)
    world.connect("well")
    with kept(world.clock) as log:
        run_once(world)
    closed = log.of("run_closed")[0]
    tick = {**closed, "action": "run_accepted", "trigger": "scheduler"}
    lines = [closed, tick]

    def is_open(after: timedelta) -> bool:
        return bool(condition(prod, key, lines).series_at(START + after))

    assert [is_open(timedelta(minutes=minutes)) for minutes in (0, 34, 36)] == [False, False, True]
    assert is_open(timedelta(days=1, minutes=1))
    assert is_open(timedelta(days=21))
    lines += [{**line, "time": (START + timedelta(days=21)).isoformat()} for line in lines]
    assert not is_open(timedelta(days=21))


def test_silence_from_the_beginning_is_silence(prod: Plan) -> None:
    """A schedule that never reached the function is told as well."""
    assert condition(prod, "no-tick", []).series_at(START) == {()}
    assert policy(prod, "no-tick")["alert_strategy"][0]["auto_close"] == "604800s"
