"""`runs`, `connections history` and `rejects retry` on the command line: failures first, and the remedy."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.app import parser, run
from orchestrator.errors import NotFound, NotPossible, RequestError
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run
from orchestrator.operators.rejects.retry import retry_rejects
from orchestrator.ports import Update
from tests.support.people import ME
from tests.support.world import START, World, fill


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three shops, of which the last one's secret is missing."""
    made = World(tmp_path)
    for name in ("a", "b"):
        made.connect(name, streams=["orders", "products"])
        fill(made, "orders", 4, name)
    made.connect("z", credential="missing")
    return made


def shown(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The table that a command prints."""
    capsys.readouterr()
    assert run(world.services, parser().parse_args(arguments)) == 0
    return capsys.readouterr().out


def as_json(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The JSON that a command prints."""
    return json.loads(shown(world, capsys, *arguments, "--json"))


def test_a_run_is_shown_with_its_failures_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The first task of the first page, with its remedy; filters leave the others out."""
    run_id, _ = world.run_once()

    first = as_json(world, capsys, "runs", "show", run_id, "--limit", "1")
    assert [task["connection_id"] for task in first["tasks"]] == ["z"]
    text = shown(world, capsys, "runs", "show", run_id, "--limit", "1")
    assert first["tasks"][0]["error"]["action"] in text
    assert "There are more" in text
    whole = shown(world, capsys, "runs", "show", run_id)
    assert whole.index("tasks to look at") < whole.index("records")
    assert "\nSucceeded: 2 tasks.\n" in whole
    page = shown(world, capsys, "runs", "show", run_id, "--limit", "2")
    assert "\nSucceeded on this page: 1 task.\n" in page
    assert (
        as_json(world, capsys, "runs", "show", run_id, "--status", "succeeded", "--marketplace", "ebay")[
            "tasks"
        ]
        == []
    )
    failed = as_json(world, capsys, "runs", "show", run_id, "--status", "failed", "--marketplace", "shopify")
    assert [task["connection_id"] for task in failed["tasks"]] == ["z"]


def test_incomplete_tasks_are_counted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """In the list and in the run: n of m, as the run's document tells."""
    run_id, closed = world.run_once()
    assert "left records" not in shown(world, capsys, "runs", "show", run_id)
    world.store.commit(
        [
            Update(f"runs/{run_id}", {"tasks": {"total": 9, "succeeded": 9, "incomplete": 7}}),
            Update(f"runs/{run_id}/tasks/b", {"incomplete": True}),
        ]
    )
    assert closed.tasks.total == 3

    text = shown(world, capsys, "runs", "show", run_id)
    assert "7 of 9 left records for the next run" in text
    assert "incomplete: the next run continues" in text
    listed = as_json(world, capsys, "runs", "list")["runs"]
    assert from_document(Run, world.get(f"runs/{run_id}").data).tasks.incomplete == 7
    assert listed[0]["tasks"]["incomplete"] == 7
    assert "incomplete" in shown(world, capsys, "runs", "list")


def test_a_history_is_printed_newest_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Each run with its outcome and its counts."""
    first, _ = world.run_once()
    world.clock.advance(900)
    world.connect("z", credential="env:NONE")
    world.bazaar.shop("z").put("orders", "new", world.clock.now() - timedelta(minutes=5))
    second, _ = world.run_once()

    started_at = world.clock.now() - timedelta(seconds=1.23456)
    world.store.commit([Update(f"runs/{second}/tasks/z", {"started_at": started_at})])

    page = as_json(world, capsys, "connections", "history", "z")
    assert [(task["run_id"], task["status"]) for task in page["tasks"]] == [
        (second, "succeeded"),
        (first, "failed"),
    ]
    text = shown(world, capsys, "connections", "history", "z", "--limit", "1")
    assert second in text
    assert " 1.2\n" in text, "seconds with one digit, as of a run"
    assert first not in text
    token = text.partition("--page-token ")[2].strip()
    assert first in shown(world, capsys, "connections", "history", "z", "--page-token", token)
    with pytest.raises(NotFound, match="no connection"):
        shown(world, capsys, "connections", "history", "nobody")
    assert "unchanged_at" not in page
    world.clock.advance(900)
    world.run_once()
    page = as_json(world, capsys, "connections", "history", "z")
    assert (page["tasks"][0]["run_id"], page["unchanged_at"]) == (
        second,
        world.clock.now().isoformat().replace("+00:00", "Z"),
    )
    assert "nothing had changed" in shown(world, capsys, "connections", "history", "z")


def test_rejects_are_read_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A record that the connector understands by now is stored, and its reject goes."""
    shop = world.bazaar.shop("a")
    shop.put("orders", "odd", START - timedelta(days=2), broken=True)
    world.run_once()
    counted = as_json(world, capsys, "rejects", "list", "--counts")
    assert [(each["connection_id"], each["count"]) for each in counted["by_connection"]] == [("a", 1)]
    (reason,) = as_json(world, capsys, "rejects", "list", "--counts", "--connection", "a")["by_reason"]
    assert reason["reason"] in shown(world, capsys, "rejects", "list", "--counts", "--connection", "a")
    chosen = as_json(world, capsys, "rejects", "list", "--connection", "a", "--reason", reason["reason"])
    assert [each["reject_id"] for each in chosen["rejects"]] == [reason["example"]]
    assert as_json(world, capsys, "rejects", "list", "--connection", "a", "--reason", "-")["rejects"] == []
    shop.put("orders", "odd", START - timedelta(days=2))
    world.clock.advance(900)

    text = shown(world, capsys, "rejects", "retry", "a")
    world.drain()

    assert "reads orders of a from the beginning" in text
    assert "1 are rejected now" in text
    assert "odd" in world.records("a", "orders")
    assert as_json(world, capsys, "rejects", "list", "--connection", "a")["total"] == 0
    assert as_json(world, capsys, "rejects", "list", "--counts")["by_connection"] == []


def test_a_retry_without_rejects_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do instead."""
    world.run_once()
    with pytest.raises(NotPossible, match="has no reject"):
        retry_rejects(world.services, "a", by=ME)
    with pytest.raises(NotPossible, match="has no reject of products"):
        retry_rejects(world.services, "a", by=ME, stream="products")
    with pytest.raises(NotFound):
        retry_rejects(world.services, "nobody", by=ME)
    with pytest.raises(RequestError, match="stream"):
        retry_rejects(world.services, "a", by=ME, stream="parcels")
    with pytest.raises(RequestError, match="--counts"):
        shown(world, capsys, "rejects", "list", "--counts", "--stream", "orders")
