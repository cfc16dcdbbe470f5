"""What is worked on now: signs of life, take-over, a pending cancel, and how far a back-fill has come."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.cli.app import parser, run
from orchestrator.cli.task_report import duration, life
from orchestrator.model.counts import StreamCounts
from orchestrator.model.state import Cursor, OpenWindow, StreamState
from orchestrator.operators.run_views import show_run
from orchestrator.operators.tasks.history import history
from orchestrator.operators.tasks.open_tasks import OpenConnection, open_task
from orchestrator.operators.tasks.windows import progress, windows
from orchestrator.runs.cancel import cancel_run
from tests.support.people import ME
from tests.support.stores import Killed
from tests.support.world import START, World, fill

LEASE_S = 600


def interrupted(tmp_path: Path, stream: str = "orders", **bazaar: Any) -> tuple[World, str]:
    """A run whose worker has died in the middle of a listing: 10 s a page, and then silence for 12 s."""
    world = World(tmp_path, page_size=5, **bazaar)
    world.connect("a", streams=[stream])
    fill(world, stream, 40)

    def at_call(_client: Any, _stream: str, token: str | None) -> None:
        world.clock.advance(10)
        if token == "30":
            raise Killed

    world.bazaar.at_call = at_call
    run_id = world.tick().run_id
    with suppress(Killed):
        world.drain()
    world.clock.advance(12)
    return world, run_id


def the_open_one(world: World, run_id: str) -> OpenConnection:
    """The only open connection of a run."""
    view = show_run(world.store, run_id, lease_seconds=world.services.settings.lease_seconds)
    assert view.progress is not None
    (found,) = view.progress.connections
    return found


def test_a_silent_worker_is_told_from_a_busy_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its age, its last commit, and when it is taken over: in the run, the connection and the history."""
    world, run_id = interrupted(tmp_path)
    found = the_open_one(world, run_id)
    now, lease = world.clock.now(), world.state("a").lease

    assert found.state == "working"
    assert found.last_sign_at is not None
    assert timedelta(seconds=12) <= now - found.last_sign_at <= timedelta(seconds=42)
    assert found.takeover_at == lease.expires_at == found.last_sign_at + timedelta(seconds=LEASE_S)
    assert history(world.store, "a", lease_seconds=LEASE_S, now=now).open == found
    sentence = life(found, now)
    for command in (["runs", "show", run_id], ["connections", "show", "a"], ["connections", "history", "a"]):
        capsys.readouterr()
        assert run(world.services, parser().parse_args(command)) == 0
        assert sentence in capsys.readouterr().out


def test_a_pending_cancel_is_shown(tmp_path: Path) -> None:
    """The worker has not seen it yet: it sees it at its next commit."""
    world, run_id = interrupted(tmp_path)
    sign = the_open_one(world, run_id).last_sign_at
    cancel_run(world.services, run_id, by=ME)
    for message in list(world.queue.messages):
        world.deliver(message)
    found = the_open_one(world, run_id)

    assert (found.cancel, found.last_sign_at) == ("cancelled", sign)
    assert life(found, world.clock.now()).endswith("if silent; asked to stop (cancelled)")


def test_sentences_of_open_tasks() -> None:
    """Each state in words, relative to now."""
    now = START + timedelta(seconds=75)
    working = OpenConnection(
        connection_id="a",
        shard="shopify-000000",
        state="working",
        started_at=START,
        last_sign_at=now - timedelta(seconds=12),
        takeover_at=now + timedelta(seconds=588),
    )
    over = msgspec.structs.replace(working, takeover_at=now - timedelta(seconds=1))
    waiting = msgspec.structs.replace(working, state="waiting", not_before=now + timedelta(days=1))
    between = msgspec.structs.replace(working, state="between_slices", cancel="paused")

    assert life(working, now) == (
        f"working for 75 s, last sign of life 12 s ago, taken over by "
        f"{now + timedelta(seconds=588):%H:%M:%S}Z if silent"
    )
    assert "silent: taken over since" in life(over, now)
    assert (
        life(waiting, now)
        == f"waits until {now + timedelta(days=1):%Y-%m-%d %H:%M}Z, as the marketplace asked"
    )
    assert life(between, now).endswith("asked to stop (paused)")
    assert life(msgspec.structs.replace(working, started_at=None), now) == "not started"
    assert [duration(each) for each in (-3, 119, 120, 7300, 500_000)] == [
        "0 s",
        "119 s",
        "2 min",
        "2 h 1 min",
        "5 days",
    ]


def test_a_back_fill_tells_its_progress_by_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the marketplace gives no count: the position between since and until, and the rate."""
    world, run_id = interrupted(tmp_path)
    (found,) = the_open_one(world, run_id).windows
    (window,) = windows(world.state("a"))

    assert found == window
    assert (found.stream, found.read, found.total) == ("orders", 25, None)
    assert found.position == START - timedelta(hours=16)
    assert found.done == pytest.approx((found.position - found.since) / (found.until - found.since), abs=1e-4)
    assert found.records_per_minute is not None
    assert found.days_per_minute is not None
    assert found.remaining_s is not None
    assert run(world.services, parser().parse_args(["connections", "show", "a"])) == 0
    shown = capsys.readouterr().out
    assert "open windows" in shown
    assert f"{found.done:.0%}" in shown
    assert "records/min" in shown


def test_a_listing_tells_the_marketplaces_own_count(tmp_path: Path) -> None:
    """It is kept with the window, so that operators see n of m."""
    world, run_id = interrupted(tmp_path, "products")
    (found,) = the_open_one(world, run_id).windows

    assert (found.read, found.total, found.done) == (25, 40, 0.625)
    took = world.state("a").streams["products"].took_s
    assert found.records_per_minute == pytest.approx(25 * 60 / took, rel=0.01)
    assert found.remaining_s == pytest.approx(took * 15 / 25, abs=1)


def test_a_window_without_a_page_promises_nothing() -> None:
    """No rate and no estimate from nothing."""
    window = OpenWindow(since=START - timedelta(days=10), until=START)
    found = progress("orders", window, 0.0)

    assert (found.done, found.records_per_minute, found.remaining_s) == (None, None, None)
    empty = OpenWindow(since=START, until=START, position=START, total=0)
    assert progress("orders", empty, 60.0).done is None
    over = msgspec.structs.replace(window, total=10, read=12, position=START + timedelta(days=1))
    assert (progress("orders", over, 60.0).done, progress("orders", over, 60.0).remaining_s) == (1.0, 0)


def test_a_rewriting_window_is_shown_too(tmp_path: Path) -> None:
    """The history that is rewritten in a new version, its first window only."""
    world, _ = interrupted(tmp_path)
    state = world.state("a")
    history_windows = (
        OpenWindow(since=START - timedelta(days=9), until=START, position=START - timedelta(days=3)),
        OpenWindow(since=START - timedelta(days=99), until=START - timedelta(days=9)),
    )
    stream = StreamState(cursor=Cursor(since=START), migration=history_windows)
    (found,) = windows(msgspec.structs.replace(state, streams={"orders": stream}))

    assert found.rewrites
    assert found.done == pytest.approx(2 / 3, abs=1e-4)
    assert found.remaining_s is None


def test_seen_counts_no_record_twice(tmp_path: Path) -> None:
    """The counts of earlier slices and of the open window cover the same records."""
    world, _ = interrupted(tmp_path)
    state = world.state("a")
    assert state.open is not None
    opened = msgspec.structs.replace(state.open, progress={"orders": StreamCounts(seen=20)})
    task = open_task("a", msgspec.structs.replace(state, open=opened), LEASE_S)

    assert task is not None
    assert task.seen == 25
