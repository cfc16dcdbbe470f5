"""A connection's own interval at the command line, in the costs and on the page's screen."""

from __future__ import annotations

import json

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli.app import main
from orchestrator.model import ids
from orchestrator.model.paces import EVERY_TICK, pace_of
from orchestrator.ports import Put
from tests.support.clocks import START

ADD = (
    *("connections", "add", "a-shop", "--marketplace", "takealot", "--organization", "org-1"),
    *("--credential", "env:SHOP", "--no-check"),
)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's."""
    monkeypatch.setenv("SHOP", '{"api_key": "0123456789"}')


def test_an_interval_is_added_shown_changed_and_ended(
    store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """The document's pace follows, and so does the time that `show` tells."""
    assert main([*ADD, "--interval", "1440"]) == 0
    found = store.get(ids.connection_path("a-shop"))
    assert found is not None
    assert (found.data["interval_minutes"], found.data["pace"]) == (1440, pace_of("a-shop", found.data))
    capsys.readouterr()
    for interval, told in (("60", "next tick from    │ now"), ("tick", "next tick from    │ each tick")):
        assert main(["connections", "set", "a-shop", "--interval", interval]) == 0
        assert "changed: interval_minutes; the next tick syncs it" in capsys.readouterr().out
        if interval == "tick":
            state = store.get(ids.state_path("a-shop"))
            assert state is not None
            store.commit([Put(state.path, {**state.data, "wanted": False})])
        assert main(["connections", "show", "a-shop"]) == 0
        assert told in capsys.readouterr().out
    found = store.get(ids.connection_path("a-shop"))
    assert found is not None
    assert (found.data["interval_minutes"], found.data["pace"]) == (None, EVERY_TICK)


@pytest.mark.parametrize(
    ("tick", "interval", "told"),
    [
        ("900", "45", "interval '45': write 15, 30, 60, 180, 360, 720, 1440, or tick (every tick)"),
        ("900", "hourly", "interval 'hourly': write 15, 30,"),
        (
            "3600",
            "30",
            "interval '30': write 60, 180, 360, 720, 1440, or tick (every tick); ticks are 1",
        ),
        ("420", "60", "interval '60': write tick (every tick); ticks are 7 minutes apart"),
        ("900", "-15", "interval '-15': write 15"),
    ],
)
def test_a_bad_interval_is_told_in_one_line(
    store: SqliteStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tick: str,
    interval: str,
    told: str,
) -> None:
    """It names what to write, and nothing is stored."""
    monkeypatch.setenv("TICK_SECONDS", tick)
    assert main([*ADD, f"--interval={interval}"]) != 0
    said = capsys.readouterr().err.strip()

    assert told in said.replace("\n", " ")
    assert store.get(ids.connection_path("a-shop")) is None


def test_the_costs_tell_what_intervals_spare(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each tick, at the average of the tasks that were made."""
    monkeypatch.setattr("orchestrator.operators.spending.MOST_DAYS", 36_500)
    due = {"until": START, "after": START, "resting": 300}
    run = {
        "trigger": "scheduler",
        "requested_by": "scheduler",
        "order": "2026|t",
        "status": "succeeded",
        "dispatch": {},
        "dispatched_at": START,
        "deadline_at": START,
        "started_at": START,
        "expires_at": START,
        "selection": {"due": due},
        "tasks": {"total": 4, "succeeded": 4},
        "cost": {"estimated_usd": 0.02},
    }
    store.commit([Put("runs/t", run)])
    assert main(["cost", "--days", "36500", "--json"]) == 0
    view = json.loads(capsys.readouterr().out)
    assert (view["spared_tasks"], view["spared_usd"]) == (300, 1.5)
    assert main(["cost", "--days", "36500"]) == 0

    assert "spared 300 tasks of connections" in capsys.readouterr().out.replace("\n", " ")
