"""`connections pause|resume` of all that fit a filter: confirmed with their number, audited, repeatable."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli.app import FAILED, INTERRUPTED, main
from orchestrator.cli.sellers import ask
from orchestrator.operators import pause
from orchestrator.operators.acting import bulk
from orchestrator.ports import Put, Query

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fleet(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five connections in batches of two; one is paused, and one is of another marketplace."""
    monkeypatch.setattr(bulk, "MOST", 2)
    for name, marketplace, status in (
        ("a", "shopify", "active"),
        ("b", "shopify", "paused"),
        ("c", "shopify", "active"),
        ("d", "ebay", "active"),
        ("e", "shopify", "active"),
    ):
        document = {"marketplace": marketplace, "organization_id": "org", "status": status, "updated_at": AT}
        store.commit([Put(f"connections/{name}", document)])


def paused(store: SqliteStore) -> str:
    """The ids of paused connections."""
    found = store.query(Query("connections", limit=10))
    return "".join(each.id for each in found if each.data["status"] == "paused")


def audited(store: SqliteStore) -> list[tuple[Any, ...]]:
    """Connection and action of each entry."""
    return sorted(
        (each.data["connection_id"], each.data["action"]) for each in store.query(Query("audit", limit=20))
    )


def test_a_marketplace_is_paused_and_resumed(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    """In as many batches as it takes, each connection with its own entry; a repetition finds nothing."""
    assert main(["connections", "pause", "--marketplace", "shopify", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"done": ["a", "c", "e"], "failed": {}}
    assert paused(store) == "abce"
    assert audited(store) == [("a", "pause"), ("c", "pause"), ("e", "pause")]

    assert main(["connections", "pause", "--marketplace", "shopify"]) == 0
    assert "No active connection fits (marketplace shopify)" in capsys.readouterr().out
    assert main(["connections", "resume", "--all", "--yes"]) == 0
    assert capsys.readouterr().out == "4 connections resumed\n"
    assert paused(store) == ""
    assert len(audited(store)) == 7


@pytest.mark.parametrize(("answer", "left"), [("yes\n", "abcde"), ("\n", "b"), ("no\n", "b"), ("", "b")])
def test_a_person_confirms_the_number(
    store: SqliteStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    left: str,
) -> None:
    """Only a yes does it; the question names the number and the filter."""
    monkeypatch.setattr(ask, "is_interactive", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))

    assert main(["connections", "pause", "--all"]) == (0 if left != "b" else FAILED)
    assert "Pause 4 active connections: all? (yes, no) [no]:" in capsys.readouterr().err
    assert paused(store) == left


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("pause --all", "Nobody is at a terminal to answer"),
        ("pause", "give one of"),
        ("resume b --all --yes", "give one of"),
        ("resume --all --marketplace shopify --yes", "takes no filter beside it"),
    ],
)
def test_no_accident_pauses_a_fleet(
    store: SqliteStore, capsys: pytest.CaptureFixture[str], words: str, told: str
) -> None:
    """Without a terminal `--yes` is needed, and an id beside a filter, or nothing at all, is refused."""
    assert main(["connections", *words.split()]) == FAILED
    assert told in capsys.readouterr().err
    assert paused(store) == "b"


def test_an_interrupted_one_is_repeated(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time it acts on the others alone, by cause and by organization as well."""
    real = pause.pause

    def interrupted(services: Any, name: str, **more: Any) -> None:
        if name == "e":
            raise KeyboardInterrupt
        real(services, name, **more)

    with monkeypatch.context() as patched:
        patched.setattr(pause, "pause", interrupted)
        assert main(["connections", "pause", "--organization", "org", "--yes"]) == INTERRUPTED
    store.commit([Put("sync_state/e", {"cause": {"kind": "down", "since": AT, "message": "down"}})])
    assert main(["connections", "pause", "--cause", "down", "--yes"]) == 0
    assert paused(store) == "abcde"
    assert audited(store) == [(name, "pause") for name in "acde"]


def test_those_that_fail_are_named(
    store: SqliteStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are paused all the same, and the exit code tells it."""
    real = pause.pause

    def removed_meanwhile(services: Any, name: str, **more: Any) -> None:
        real(services, "gone" if name == "a" else name, **more)

    monkeypatch.setattr(pause, "pause", removed_meanwhile)
    assert main(["connections", "pause", "--all", "--yes"]) == FAILED
    out = capsys.readouterr().out
    assert out.startswith("3 connections paused, 1 failed\na: ")
    assert paused(store) == "bcde"
