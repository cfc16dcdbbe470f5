"""`logs`: a run's or a connection's lines, readable alone, page by page, and a clear word on a laptop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator import wiring
from orchestrator.adapters.google.cloud_logging import CloudLogs
from orchestrator.cli.app import FAILED, main, parser, run
from orchestrator.errors import SyncError
from orchestrator.ports import LogReader
from orchestrator.services import Services
from tests.support.cloud_logging import CloudLogging, cloud_logging
from tests.support.lines import Line, kept, run_once
from tests.support.world import START, World


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, str, CloudLogging]]:
    """A run whose lines are in Cloud Logging: a reject, a connection that works, one that is refused."""
    world = World(tmp_path)
    world.connect("my-shop")
    world.bazaar.shop("my-shop").put("orders", "o-1", START - timedelta(hours=1), broken=True)
    world.connect("refused", credential="missing")
    with kept() as lines:
        run_id = run_once(world)
        world.clock.advance(900)
        run_once(world)
    with cloud_logging("a-project") as (log, host):
        for number, line in enumerate(lines.lines):
            log.write(_at(line, number, run_id))
        logs = CloudLogs(project="a-project", host=host)

        def reader(_: object) -> LogReader:
            return logs

        monkeypatch.setattr(wiring, "log_reader", reader)
        yield world, run_id, log
        logs.close()


def _at(line: Line, number: int, run_id: str) -> Line:
    """The line at the world's time: the handler stamps it with the machine's."""
    start = START if line.get("run_id") == run_id else START + timedelta(seconds=890)
    return {**line, "time": f"{start + timedelta(milliseconds=number):%Y-%m-%dT%H:%M:%S.%fZ}"}


def call(world: World, *arguments: str) -> int:
    """Run the command on the world."""
    services: Services = world.services
    return run(services, parser().parse_args(["logs", *arguments]))


def test_a_run_s_log_reads_alone(
    written: tuple[World, str, CloudLogging], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line has time, severity, event, ids, seconds and counts; other runs' lines are left out."""
    world, run_id, _ = written
    code = call(world, run_id)
    printed = capsys.readouterr().out

    assert code == 0
    lines = printed.splitlines()
    assert any(
        "WARNING record_rejected  my-shop (shopify): record rejected: orders o-1: " in line for line in lines
    )
    finished = "my-shop (shopify): task succeeded in 0.0 s: 1 records read, 1 rejected"
    assert any(f"INFO    task_finished  {finished}" in line for line in lines)
    assert any(f"run_closed  run {run_id} partial in 0.0 s: of 2 connections" in line for line in lines)
    assert all(line.startswith("2026-11-23 06:00:00.0") for line in lines)


def test_a_connection_s_log(
    written: tuple[World, str, CloudLogging], capsys: pytest.CaptureFixture[str]
) -> None:
    """Over all runs of the time, and no other connection's lines; severity narrows it."""
    world, *_ = written
    call(world, "--connection", "refused", "--since", "1h")
    everything = capsys.readouterr().out.splitlines()
    call(world, "--connection", "refused", "--since", "1h", "--severity", "warning", "--json")
    page = json.loads(capsys.readouterr().out)

    assert len(everything) >= 4
    assert not any("my-shop" in line for line in everything)
    assert {line["fields"]["connection_id"] for line in page["lines"]} == {"refused"}
    assert {line["severity"] for line in page["lines"]} == {"WARNING"}


def test_pages_follow_one_another(
    written: tuple[World, str, CloudLogging], capsys: pytest.CaptureFixture[str]
) -> None:
    """The printed token continues, and the pages together are the whole."""
    world, run_id, _ = written
    call(world, run_id, "--json")
    whole = json.loads(capsys.readouterr().out)["lines"]
    lines, token = [], None
    while True:
        call(world, run_id, "--json", "--limit", "2", *(["--page-token", token] if token else []))
        page = json.loads(capsys.readouterr().out)
        lines += page["lines"]
        token = page["next_page_token"]
        if token is None:
            break
    call(world, run_id, "--limit", "2")

    assert lines == whole
    assert len(whole) > 4
    assert "There may be more: --page-token " in capsys.readouterr().out


def test_nothing_found_says_where_it_looked(
    written: tuple[World, str, CloudLogging], capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty answer names the time, and why lines may be missing."""
    world, *_ = written
    call(world, "--connection", "unknown")

    assert "No line between 2026-11-22 06:15:00Z and 2026-11-23 06:15:00Z" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ((), "neither a run nor a connection"),
        (("nobody-s-run",), "no such run"),
        (("--connection", "a", "--since", "31d"), "30d"),
        (("--connection", "a", "--limit", "0"), "limit"),
        (("--connection", "a", "--page-token", "x"), "page_token"),
    ],
)
def test_faults_are_told(
    written: tuple[World, str, CloudLogging], arguments: tuple[str, ...], fault: str
) -> None:
    """Before the log is asked."""
    world, _, log = written
    with pytest.raises(SyncError, match=fault):
        call(world, *arguments)

    assert log.requests == []


def test_a_wrong_time_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Its text says what it takes."""
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(["logs", "--connection", "a", "--since", "yesterday"])

    assert caught.value.code == 2
    assert "30m, 6h or 2d" in capsys.readouterr().err


def test_a_local_store_says_where_its_log_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is called: on a laptop the processes write files."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("SYNC_STORE", f"sqlite:{tmp_path / 'store.db'}")
    monkeypatch.setenv("SYNC_QUEUE", "local:http://127.0.0.1:1")
    code = main(["logs", "--connection", "my-shop"])
    told = capsys.readouterr().err

    assert code == FAILED
    assert "this store is local" in told
    assert str(tmp_path / "logs") in told
