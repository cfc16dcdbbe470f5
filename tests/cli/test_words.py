"""Values are printed as a person would write them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli.app import parser, run
from orchestrator.cli.commands.vault_commands import _print
from orchestrator.cli.output import cell, table
from orchestrator.model.run import RunStatus
from orchestrator.model.vault import KeysAction, KeysState, KeysStatus
from orchestrator.operators.sellers.keysets import VaultView
from tests.support.clocks import START
from tests.support.world import World

VALUES: list[tuple[object, str]] = [
    (None, "-"),
    ("", "-"),
    ([], "-"),
    ({}, "-"),
    (True, "yes"),
    (False, "no"),
    (1440, "1,440"),
    (RunStatus.FAILED, "failed"),
    (datetime(2026, 11, 23, 6, tzinfo=UTC), "2026-11-23 06:00:00Z"),
    (["a", None, True], "a, -, yes"),
    (("orders", ["x", "y"], []), "orders, (x, y), -"),
    ({"shop": "one", "ids": ["a"], "base_url": None}, "shop: one, ids: (a), base_url: -"),
]


@pytest.mark.parametrize(("value", "shown"), VALUES, ids=str)
def test_a_value_in_a_table(value: object, shown: str) -> None:
    """Whatever a document holds."""
    assert cell(value).plain == shown


@pytest.mark.parametrize("width", [200, 20])
def test_an_empty_value_is_told_like_a_missing_one(width: int) -> None:
    """In a table, and in lines of their own."""
    screen = Console(file=io.StringIO(), width=width)
    screen.print(table("a", ("", ""), [("older keys", ""), ("error", ""), ("x" * 15, None)]))

    assert isinstance(screen.file, io.StringIO)
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    assert [line[-1] for line in lines if line.startswith(("older", "error", "x"))] == ["-"] * 3


def pairs(text: str) -> dict[str, str]:
    """The rows of tables of two columns."""
    lines = (line.partition("\u2502") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def test_the_vaults_state_has_no_blank(capsys: pytest.CaptureFixture[str]) -> None:
    """There are no older keys, and there was no error."""
    state = KeysState(
        action=KeysAction.INIT, status=KeysStatus.DONE, requested_by="jane", requested_at=START, key=7
    )
    _print(Console(width=80), VaultView(key=7, keys=[7], credentials=0, state=state))

    rows = pairs(capsys.readouterr().out)
    assert (rows["older keys"], rows["error"], rows["finished"]) == ("-", "-", "-")


def test_a_connection_is_shown_setting_by_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a list without brackets."""
    world = World(tmp_path)
    settings: dict[str, Any] = {"seller_id": "S1", "marketplace_ids": ["A", "B"], "tracking": True}
    world.connect("a", settings={**settings, "base_url": None}, streams=["orders", "products"])
    assert run(world.services, parser().parse_args(["connections", "show", "a"])) == 0

    rows = pairs(capsys.readouterr().out)
    chosen = {name for name in rows if name.startswith(("settings", "store", "streams"))}
    assert {name: rows[name] for name in chosen if rows[name]} == {
        "settings.base_url": "-",
        "settings.marketplace_ids": "A, B",
        "settings.seller_id": "S1",
        "settings.tracking": "yes",
        "store_buyer_pii": "no",
        "streams": "orders, products",
    }
