"""`marketplace-sync trigger`: the run that HTTP's trigger starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli import follow
from orchestrator.cli.app import FAILED, main, parser, run
from orchestrator.cli.commands import run_commands
from orchestrator.cli.commands.run_commands import NOT_SUCCEEDED
from orchestrator.model.documents import from_document
from orchestrator.model.run import Run, Selection
from orchestrator.ports import Update
from tests.cli import shop
from tests.support.world import World, fill


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    """The shop's store."""
    shop.environment(tmp_path, monkeypatch)
    shop.fill(tmp_path)
    return SqliteStore(tmp_path / "store.db")


def triggered(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The JSON of a trigger."""
    assert main(["trigger", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def read(store: SqliteStore, run_id: str) -> Run:
    """The run's record."""
    found = store.get(f"runs/{run_id}")
    assert found is not None
    return from_document(Run, found.data)


def test_without_conditions_it_covers_everything_active(
    capsys: pytest.CaptureFixture[str], store: SqliteStore
) -> None:
    """The answer says how to follow it; the run is a manual one of the person at the command line."""
    assert main(["trigger"]) == 0
    text = capsys.readouterr().out
    run_id = text.split()[1]

    assert "over 1 connection is started" in text
    assert f"marketplace-sync runs watch {run_id}" in text
    started = read(store, run_id)
    assert started.trigger == "manual"
    assert started.requested_by not in {"", "command line"}
    assert started.selection == Selection()


@pytest.mark.parametrize(
    ("arguments", "selection"),
    [
        (["my-shop"], Selection(connection_ids={"shopify": ("my-shop",)})),
        (["--connection", "my-shop"], Selection(connection_ids={"shopify": ("my-shop",)})),
        (["--full"], Selection(full=True)),
        (["--stream", "orders", "--stream", "products"], Selection(streams=("orders", "products"))),
        (["--organization", "my-company"], Selection(organization_id="my-company")),
        (["--marketplace", "shopify"], Selection()),
    ],
)
def test_conditions_narrow_the_run(
    capsys: pytest.CaptureFixture[str], store: SqliteStore, arguments: list[str], selection: Selection
) -> None:
    """Each option becomes the run's selection."""
    started = triggered(capsys, *arguments)

    assert started["tasks"] == 1
    assert read(store, started["run_id"]).selection == selection


@pytest.mark.parametrize("arguments", [["--marketplace", "ebay"], ["--organization", "another"]])
def test_a_run_over_nothing_says_so(
    capsys: pytest.CaptureFixture[str], store: SqliteStore, arguments: list[str]
) -> None:
    """No connection fits; there is nothing to wait for."""
    assert main(["trigger", *arguments, "--wait"]) == 0
    assert "no active connection fits" in capsys.readouterr().out


def test_what_is_refused_is_one_line(capsys: pytest.CaptureFixture[str], store: SqliteStore) -> None:
    """An unknown connection, and an owner's id that none can have."""
    assert main(["trigger", "my-shop", "nobody"]) == FAILED
    assert "no such connections: nobody" in capsys.readouterr().err
    assert main(["trigger", "--organization", "x" * 2_000]) == FAILED
    assert capsys.readouterr().err.startswith("error: ")


def test_wait_follows_the_run_until_it_is_closed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code tells whether it succeeded."""
    world = World(tmp_path)
    world.connect("a")
    fill(world, "orders", 2)

    def worked(*given: Any, **named: Any) -> Any:
        world.drain()
        return follow.follow(*given, **named)

    monkeypatch.setattr(run_commands, "follow", worked)
    options = parser().parse_args(["trigger", "--wait", "-o", "csv"])

    assert run(world.services, options) == 0
    assert "succeeded" in capsys.readouterr().out


def test_waiting_for_a_run_that_fails_has_its_own_exit_code(
    capsys: pytest.CaptureFixture[str], store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `runs watch`."""

    def closed(documents: Any, clock: Any, run_id: str, screen: Any) -> Any:
        store.commit([Update(f"runs/{run_id}", {"status": "partial"})])
        return follow.follow(documents, clock, run_id, screen)

    monkeypatch.setattr(run_commands, "follow", closed)

    assert main(["trigger", "--wait"]) == NOT_SUCCEEDED
    assert "partial" in capsys.readouterr().out
