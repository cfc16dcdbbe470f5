"""`python -m orchestrator status`: the verdict first, then each cause with its remedy."""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from orchestrator import wiring
from orchestrator.cli.app import main, parser
from orchestrator.errors import CredentialsRejected
from orchestrator.operators.health.remedies import spelled
from tests.support.world import World


def printed(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The command's output."""
    with patch.object(wiring, "build", lambda *_, **__: world.services):
        assert main(["status", *arguments]) == 0
    return capsys.readouterr().out


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two connections, of which one is refused."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("SYNC_STORE", f"sqlite:{tmp_path / 'store.db'}")
    monkeypatch.setenv("SYNC_QUEUE", "local:http://127.0.0.1:1")
    monkeypatch.delenv("K_SERVICE", raising=False)
    made = World(tmp_path, environment={"SYNC_STORE": f"sqlite:{tmp_path / 'store.db'}"})
    made.connect("a", name="Shop \x1b[31mred")
    made.connect("b")

    def refuse(client: object, *_: object) -> None:
        if getattr(client, "connection_id", "") == "a":
            raise CredentialsRejected("bazaar: answered 401")

    made.bazaar.at_call = refuse
    made.run_once()
    made.clock.advance(600)
    return made


def test_the_verdict_is_the_first_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Then what to do, the tick, the causes, the marketplaces, the runs, the day."""
    lines = printed(world, capsys).splitlines()

    assert lines[0].startswith("1 connection needs attention: the marketplace refuses the credential since ")
    assert lines[1].startswith("→ `marketplace-sync connections set a --secret-file -`")
    assert lines[2] == "last tick: 10 minutes ago, at 2026-11-23 06:00:00Z; next due at 2026-11-23 06:15:00Z"
    text = "\n".join(lines)
    assert "a (Shop �[31mred): bazaar: answered 401" in text
    assert "Rejects kept: 0. Dead letters: 0." in text
    assert "marketplaces" in text
    assert "newest runs" in text


def test_programs_get_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The same view."""
    view = msgspec.json.decode(printed(world, capsys, "--json"))

    assert view["situation"] == "needs_attention"
    assert view["groups"][0]["kind"] == "credentials_rejected"
    assert view["dead_letters"] == 0


def test_a_quoted_command_of_every_group_gets_the_program_s_name() -> None:
    """A remedy quotes commands in short; each is shown as it is typed."""
    (groups,) = [each for each in parser()._actions if isinstance(each, argparse._SubParsersAction)]
    never_remedies = {"completion", "schema", "ui"}

    for name in groups.choices.keys() - never_remedies:
        assert spelled(f"`{name} some`") == f"`marketplace-sync {name} some`"
