"""The functions' log is read back page by page, by labels and time, and a fault names its remedy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from local.processes import ROOT
from orchestrator.adapters.google import cloud_logging as adapter
from orchestrator.adapters.google.calls import retry
from orchestrator.adapters.google.cloud_logging import CloudLogs
from orchestrator.errors import LogUnavailable
from orchestrator.ports import LogQuery
from tests.adapters.grpc_server import Failure
from tests.support.cloud_logging import CloudLogging, cloud_logging
from tests.support.lines import Line

START = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def line(number: int, run_id: str = "t-1", connection_id: str | None = "a", **fields: Any) -> Line:
    """A line of standard output."""
    labels = {"run_id": run_id} | ({"connection_id": connection_id} if connection_id else {})
    return {
        "severity": "INFO",
        "message": f"line {number}",
        "time": f"{START + timedelta(milliseconds=number):%Y-%m-%dT%H:%M:%S.%fZ}",
        "action": "task_finished",
        "seconds": 2.5,
        "records": {"seen": 3},
        "logging.googleapis.com/labels": labels,
        **labels,
        **fields,
    }


def query(**changes: Any) -> LogQuery:
    """A query for a run's lines of an hour."""
    whole = {"run_id": "t-1", "since": START, "until": START + timedelta(hours=1), "limit": 100}
    return LogQuery(**{**whole, **changes})


@pytest.fixture
def served() -> Iterator[tuple[CloudLogging, CloudLogs]]:
    """The stand-in, and the adapter that reads it."""
    with cloud_logging("a-project") as (log, host):
        logs = CloudLogs(project="a-project", host=host)
        yield log, logs
        logs.close()


def test_a_run_s_lines_come_oldest_first(served: tuple[CloudLogging, CloudLogs]) -> None:
    """Only the run's, with their severity, time, message and fields; whole numbers are whole."""
    log, logs = served
    for number in (2, 0, 1):
        log.write(line(number, run_id="t-1" if number != 1 else "t-2"))
    found = logs.read(query())

    assert [each.message for each in found] == ["line 0", "line 2"]
    assert found[0].at == "2026-11-29T12:00:00.000000000Z"
    assert found[0].severity == "INFO"
    assert found[0].fields["records"] == {"seen": 3}
    assert isinstance(found[0].fields["records"]["seen"], int)
    assert (found[0].fields["seconds"], found[0].fields["connection_id"]) == (2.5, "a")


def test_connection_severity_and_time_narrow_it(served: tuple[CloudLogging, CloudLogs]) -> None:
    """All conditions hold together."""
    log, logs = served
    log.write(line(0, connection_id="b"))
    log.write(line(1))
    log.write(line(2, severity="WARNING"))
    log.write(line(3, severity="ERROR", run_id="t-2"))
    log.write(line(7_200_000, severity="ERROR"))

    assert [each.message for each in logs.read(query(severity="warning"))] == ["line 2"]
    both = logs.read(query(run_id=None, connection_id="a"))
    assert [each.message for each in both] == ["line 1", "line 2", "line 3"]


@pytest.mark.parametrize("empty_pages", [0, 2])
def test_pages_are_followed_to_the_limit(
    served: tuple[CloudLogging, CloudLogs], monkeypatch: pytest.MonkeyPatch, empty_pages: int
) -> None:
    """Empty pages end nothing, and no more is fetched than is asked for."""
    monkeypatch.setattr(adapter, "PAGE", 3)
    log, logs = served
    log.empty_pages = empty_pages
    for number in range(10):
        log.write(line(number))
    found = logs.read(query(limit=7))

    assert [each.message for each in found] == [f"line {number}" for number in range(7)]
    assert len(log.requests) == 3 + 3 * empty_pages
    assert len(logs.read(query(limit=50))) == 10


def test_a_page_resumes_behind_a_line(served: tuple[CloudLogging, CloudLogs]) -> None:
    """Lines of one time are told apart by their ids: none is left out, none comes twice."""
    log, logs = served
    for number in range(9):
        log.write(line(number), at="2026-11-29T12:00:00.123456789Z")
    seen: list[str] = []
    after = None
    while found := logs.read(query(limit=2, after=after)):
        seen += [each.message for each in found]
        after = (found[-1].at, found[-1].id)

    assert seen == [f"line {number}" for number in range(9)]


@pytest.mark.parametrize("name", ['a" OR severity>=DEFAULT OR labels.x="', "a\\", 'a\\" OR "'])
def test_a_name_is_never_a_filter(served: tuple[CloudLogging, CloudLogs], name: str) -> None:
    """A quote or a backslash in an id stays part of the id."""
    log, logs = served
    log.write(line(0))
    log.write(line(1, connection_id=name))

    assert [each.message for each in logs.read(query(connection_id=name))] == ["line 1"]


def test_a_short_outage_is_retried(served: tuple[CloudLogging, CloudLogs]) -> None:
    """One call that was refused for the quota is repeated."""
    log, logs = served
    log.write(line(0))
    log.failures = [Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "60 a minute")]

    assert len(logs.read(query())) == 1
    assert len(log.requests) == 2


def test_faults_name_their_remedy(
    served: tuple[CloudLogging, CloudLogs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing role is told as such, and an outage ends."""
    log, logs = served
    log.failures = [Failure(grpc.StatusCode.PERMISSION_DENIED, "denied\nsecond line")]
    with pytest.raises(LogUnavailable, match="denied") as caught:
        logs.read(query())
    monkeypatch.setattr(adapter, "_RETRY", retry(total_s=0.5))
    log.failures = [Failure(grpc.StatusCode.UNAVAILABLE) for _ in range(20)]
    with pytest.raises(LogUnavailable) as away:
        logs.read(query())

    assert caught.value.action == "have roles/logging.viewer on the project granted to this account"
    assert "\n" not in str(caught.value)
    assert away.value.action


def test_an_endless_search_is_given_up() -> None:
    """Empty pages are not followed for ever; the remedy is a shorter time."""
    with cloud_logging("a-project") as (log, host):
        log.empty_pages = 1000
        log.write(line(0))
        times = iter(range(0, 10_000, 20))
        logs = CloudLogs(project="a-project", host=host, monotonic=lambda: float(next(times)))
        with pytest.raises(LogUnavailable, match="longer than 60 s") as caught:
            logs.read(query())
        logs.close()

    assert "--since" in caught.value.action
    assert len(log.requests) <= 5


def test_only_the_adapter_knows_the_library() -> None:
    """`google.cloud.logging` is imported by one file, which only the command's wiring imports."""

    def importers(name: str) -> set[str]:
        found = set()
        for folder in ("functions", "orchestrator", "local"):
            for path in (ROOT / folder).rglob("*.py"):
                for node in ast.walk(ast.parse(path.read_text())):
                    modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
                    if isinstance(node, ast.ImportFrom):
                        modules = [f"{node.module}.{each.name}" for each in node.names]
                    if any(module.startswith(name) for module in modules):
                        found.add(str(path.relative_to(ROOT)))
        return found

    assert importers("google.cloud.logging") == {"orchestrator/adapters/google/cloud_logging.py"}
    assert importers("orchestrator.adapters.google.cloud_logging") == {"orchestrator/wiring.py"}


@pytest.mark.processes
def test_other_commands_do_not_import_it() -> None:
    """It costs half a second: the command line starts without it."""
    program = (
        "import sys\nfrom orchestrator.cli.app import main\n"
        "try:\n    main(['runs', 'list', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name.startswith('google.cloud.logging')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )

    assert done.stderr.strip() == "[]"
