"""`marketplace-sync cost`: the sums of the last days' closed runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli.app import FAILED, main
from orchestrator.operators import spending
from orchestrator.ports import Put
from orchestrator.runs.cost import READ_USD
from tests.cli import shop

COPIES = 7


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    """Closed runs of an hour ago, one of two days ago, and an open one."""
    shop.environment(tmp_path, monkeypatch)
    now = datetime.now(UTC)
    shop.fill(tmp_path, run_at=now - timedelta(hours=1))
    made = SqliteStore(tmp_path / "store.db")
    found = made.get(f"runs/{shop.RUN_ID}")
    assert found is not None
    at = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%S.%fZ}"
    for number in range(COPIES - 1):
        made.commit([Put(f"runs/c-{number}", {**found.data, "order": f"{at}|c-{number}"})])
    old = now - timedelta(days=2)
    made.commit(
        [
            Put("runs/old", {**found.data, "order": f"{old:%Y-%m-%dT%H:%M:%S.%fZ}|old", "started_at": old}),
            Put("runs/open", {**found.data, "order": f"{at}|open", "status": "running"}),
            Put("runs/bad", {**found.data, "order": f"{at}|bad", "status": 7}),
        ]
    )
    return made


@pytest.mark.parametrize("page", [2, 3, 500])
def test_the_sums_are_those_of_the_closed_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """By marketplace and by run, whatever the size of a page; an open and an unreadable run are told."""
    monkeypatch.setattr(spending, "_PAGE", page)
    assert main(["cost", "--json"]) == 0
    view = json.loads(capsys.readouterr().out)

    assert view["total"]["document_reads"] == 5 * COPIES
    assert view["total"]["estimated_usd"] == pytest.approx(0.001 * COPIES)
    assert view["by_marketplace"] == {"shopify": view["total"]}
    assert len(view["runs"]) == COPIES
    assert view["open_runs"] == 1
    assert len(view["faults"]) == 1
    assert not view["is_cut"]
    assert view["prices"]["per_100_000_reads"] == pytest.approx(READ_USD * 100_000)


def test_more_days_take_more_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """`--days 3` has the run of two days ago."""
    assert main(["cost", "--days", "3", "--json"]) == 0

    assert len(json.loads(capsys.readouterr().out)["runs"]) == COPIES + 1


def test_people_see_the_prices_that_are_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    """The most expensive runs, and the estimate's assumptions."""
    assert main(["cost"]) == 0
    text = capsys.readouterr().out

    for shown in (
        "shopify",
        shop.RUN_ID,
        "Assumed: 0.03 USD for 100,000 document reads",
        "1 run still open",
    ):
        assert shown in text


def test_reading_is_bounded(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the most runs, the newest are summed up, and the answer says so."""
    monkeypatch.setattr(spending, "MOST_RUNS", 4)
    monkeypatch.setattr(spending, "_PAGE", 2)
    assert main(["cost", "--json"]) == 0
    view = json.loads(capsys.readouterr().out)

    assert view["is_cut"]
    assert len(view["runs"]) <= 4


@pytest.mark.parametrize("days", ["0", "91", "-1"])
def test_days_have_a_range(capsys: pytest.CaptureFixture[str], days: str) -> None:
    """One line names it."""
    assert main(["cost", "--days", days]) == FAILED
    assert "days: it takes a number from 1 to 90" in capsys.readouterr().err
