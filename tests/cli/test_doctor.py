"""`marketplace-sync doctor`: each check finds its fault, and the others are made all the same."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.google.emulators import Emulators
from local.processes import ROOT
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli.app import FAILED, main
from orchestrator.errors import StoreUnavailable
from orchestrator.operators.checks import PROBES, SUMS
from orchestrator.ports import Put, Write, Written
from tests.cli import shop
from tests.support.emulators import fresh_project


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's store, with a tick of a minute ago."""
    shop.environment(tmp_path, monkeypatch)
    shop.fill(tmp_path, run_at=datetime.now(UTC) - timedelta(minutes=1))


def checked(capsys: pytest.CaptureFixture[str], code: int = FAILED) -> dict[str, dict[str, str]]:
    """The checks by name."""
    assert main(["doctor", "--json"]) == code
    return {check["name"]: check for check in json.loads(capsys.readouterr().out)}


def test_a_healthy_installation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All checks pass, nothing is stored, and the secret is not shown."""
    store = SqliteStore(tmp_path / "store.db")
    before = store.count("runs")
    with socket.create_server(("127.0.0.1", 0)) as worker:
        monkeypatch.setenv("SYNC_QUEUE", f"local:http://127.0.0.1:{worker.getsockname()[1]}")
        found = checked(capsys, 0)

    assert {check["result"] for check in found.values()} == {"ok", "skipped"}
    assert found["credentials"]["finding"].startswith("you are ")
    assert "my-shop: env:SHOP_SECRET can be read" in found["secrets"]["finding"]
    assert "shpat_1" not in str(found)
    assert store.count("runs") == before


def test_a_wrong_environment_ends_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, with the way to take over an environment."""
    monkeypatch.delenv("SYNC_QUEUE")
    found = checked(capsys)

    assert found.keys() == {"versions", "environment"}
    assert "SYNC_QUEUE is missing" in found["environment"]["finding"]
    assert "command_line_environment" in found["environment"]["remedy"]


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """The queue's check fails; the dead letters' is made after it."""
    found = checked(capsys)

    assert found["queue"]["result"] == "failed"
    assert "make dev" in found["queue"]["remedy"]
    assert found["dead letters"]["result"] == "ok"


def test_a_secret_that_cannot_be_read_is_a_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker reads secrets; an operator's own account need not."""
    monkeypatch.delenv("SHOP_SECRET")
    found = checked(capsys)

    assert found["secrets"]["result"] == "warning"
    assert found["secrets"]["finding"].startswith("my-shop: ")


def test_a_viewer_cannot_act(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused write is a warning with the role to ask for."""

    def refused(_store: SqliteStore, _writes: Sequence[Write]) -> list[Written]:
        raise StoreUnavailable("Firestore: PermissionDenied", action="grant roles/datastore.user")

    monkeypatch.setattr(SqliteStore, "commit", refused)
    found = checked(capsys)["store is writable"]

    assert found["result"] == "warning"
    assert found["remedy"] == "grant roles/datastore.user"


def test_an_unreachable_store(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks that need it are left out; the queue is checked."""

    def away(_store: SqliteStore, _path: str) -> None:
        raise StoreUnavailable("it is away", action="wait")

    monkeypatch.setattr(SqliteStore, "get", away)
    found = checked(capsys)

    assert (found["store"]["finding"], found["store"]["remedy"]) == ("it is away", "wait")
    assert "indexes" not in found
    assert "queue" in found


@pytest.mark.parametrize(
    ("theirs", "result"),
    [
        (lambda now: now, "ok"),
        (lambda now: now - timedelta(minutes=3), "warning"),
        (lambda now: now + timedelta(minutes=3), "warning"),
    ],
)
def test_the_clock_is_compared_with_the_stores(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    theirs: Callable[[datetime], datetime],
    result: str,
) -> None:
    """A difference of minutes is one to look at."""
    monkeypatch.setattr(SqliteStore, "now", lambda _store: theirs(datetime.now(UTC)))

    assert checked(capsys)["clock"]["result"] == result


@pytest.mark.parametrize(
    ("ages", "result"),
    [
        ([], "warning"),
        ([timedelta(minutes=5)], "ok"),
        ([timedelta(days=7)], "warning"),
        ([timedelta(minutes=14), timedelta(minutes=29)], "ok"),
        ([timedelta(minutes=29)], "ok"),
        ([timedelta(minutes=40), timedelta(minutes=55)], "warning"),
    ],
)
def test_stopped_ticks_are_found(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, ages: list[timedelta], result: str
) -> None:
    """Two of the settings' intervals without one are too long; manual and forced runs do not count."""
    store = SqliteStore(tmp_path / "store.db")
    now = datetime.now(UTC)
    run = store.get(f"runs/{shop.RUN_ID}")
    assert run is not None

    def put(name: str, age: timedelta, trigger: str) -> Put:
        at = now - age
        changed = {
            "started_at": at,
            "schedule_time": at if trigger == "scheduler" else None,
            "trigger": trigger,
            "order": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}|{name}",
        }
        return Put(f"runs/{name}", {**run.data, **changed})

    store.commit([put(shop.RUN_ID, timedelta(0), "manual")])
    store.commit([put(f"t-{number}", age, "scheduler") for number, age in enumerate(ages)])

    assert checked(capsys)["last tick"]["result"] == result


def test_the_indexes_are_those_of_terraform() -> None:
    """Each index that the sync and its operators need is asked for by a query of the doctor."""
    text = (ROOT / "terraform" / "modules" / "store" / "main.tf").read_text()
    block = text.partition("  indexes = {")[2].partition("\n  }")[0]
    indexes: dict[str, tuple[str, list[str]]] = {
        name: (collection, re.findall(r'\["([\w.]+)", "\w+"\]', fields))
        for name, collection, fields in re.findall(
            r'^ +([\w-]+) += \{ collection = "(\w+)", fields = (.*) \}$', block, flags=re.MULTILINE
        )
    }

    assert PROBES.keys() | SUMS.keys() == indexes.keys()
    for name, fields in SUMS.items():
        assert indexes[name] == ("runs", list(fields))
    for name, probe in PROBES.items():
        asked: list[Any] = [each.field for each in probe.where]
        asked += [probe.order_by] if probe.order_by else []
        assert (probe.collection.rpartition("/")[2], asked) == indexes[name]


@pytest.mark.emulator
def test_on_googles_emulators(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, emulators: Emulators
) -> None:
    """The store's own time is known, every query that needs an index is answered, nothing is written."""
    monkeypatch.setenv("SYNC_STORE", "firestore")
    monkeypatch.setenv("SYNC_QUEUE", "pubsub:nowhere")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", fresh_project())
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulators.firestore_host)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulators.pubsub_host)
    found = checked(capsys)

    for name in ("store", "store is writable", "indexes", "clock"):
        assert found[name]["result"] == "ok", found[name]
    assert found["queue"]["result"] == "failed"
    assert "terraform apply" in found["queue"]["remedy"]
