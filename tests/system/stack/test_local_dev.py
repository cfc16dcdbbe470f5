"""`make dev`, with all its processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
import urllib3

from local import ports
from local.folder import Folder
from local.google.issuer import Issuer
from local.processes import ROOT
from local.samples import MARKETPLACES
from local.stack import OPERATOR
from tests.support.tools import needs_curl
from tests.support.waiting import wait_until
from tests.system.stack.test_local_run import SMALL, run, started

pytestmark = pytest.mark.processes

INTERVAL_S = 2
_RUN = re.compile(r"^run t-(\d{8}T\d{6}Z)-interval: (.*)$", re.MULTILINE)
_FAULTS = re.compile(r"<!-- faults -->\n```sh\n(.*?)```", re.DOTALL)


def ended(output: Path) -> list[str]:
    """The lines on runs that have ended."""
    return [line for _, line in _RUN.findall(output.read_text()) if " in " in line.partition(";")[0]]


def bash(script: str) -> str:
    """The standard output of a command that a person types."""
    return subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout


def printed(output: Path, part: str) -> list[str]:
    """The commands that the start has printed and that contain a text."""
    return [line.strip() for line in output.read_text().splitlines() if part in line and "curl" in line]


def test_dev_ticks_at_an_interval_beside_another_stack(tmp_path: Path) -> None:
    """Ticks have the trigger `interval`; an idle one is one line; another folder's stack has other ports."""
    directory, other = tmp_path / "local", tmp_path / "other"
    with started("dev", directory, *SMALL, f"--interval={INTERVAL_S}") as (process, output):
        wait_until(lambda: " connections, nothing new\nrun " in output.read_text())
        same_folder, other_folder = run(directory, *SMALL), run(other, *SMALL)
        variables = dict(
            line.split("=", 1) for line in Folder(directory).environment.read_text().splitlines()
        )
        url = variables["SCHEDULER_AUDIENCE"]
        token = Issuer.open(directory / "issuer").mint(email=OPERATOR, audience=url)
        with urllib3.PoolManager() as http:
            headers = {"Authorization": f"Bearer {token}"}
            answer = http.request("GET", f"{url}/api/sync/runs", headers=headers)
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
    text = output.read_text()

    assert same_folder.returncode == 1
    assert f"already runs in {directory}" in same_folder.stderr
    assert same_folder.stderr.count("\n") == 1
    assert other_folder.returncode == 0, other_folder.stdout + other_folder.stderr
    mine, theirs = (json.loads((each / "ports.json").read_text()).values() for each in (directory, other))
    assert not set(mine) & set(theirs)
    assert answer.status == 200
    assert {listed["trigger"] for listed in answer.json()["runs"]} == {"interval"}
    assert code == 130
    assert "\n  takealot orders: 80 written\n" in text
    assert text.endswith("\nstopped\n")


@needs_curl
def test_a_run_that_hangs_keeps_no_tick_waiting(tmp_path: Path) -> None:
    """While a marketplace does not answer, a run stays open, says so, and all later ticks come on time."""
    directory = tmp_path / "local"
    with started("dev", directory, *SMALL, f"--interval={INTERVAL_S}") as (process, output):
        wait_until(lambda: len(ended(output)) >= 1)
        fault, _ = printed(output, "_sandbox/faults")
        bash(re.sub(r"'.*'", """'{"kind": "hang"}'""", fault))
        wait_until(lambda: "(working)" in output.read_text())
        before = len(ended(output))
        wait_until(lambda: len(ended(output)) >= before + 3)
        living = process.poll() is None
        process.send_signal(signal.SIGINT)
        process.wait(30)

    assert living
    text = output.read_text()
    assert re.search(r": open for \d+ s; 7 of 9 connections done, .*left: takealot-\d \(working\)", text)
    assert "2 skipped" in ended(output)[-1]
    assert "\n  takealot-0 skipped (overlap)\n" in text
    # The first one is the start; the others are multiples of the interval.
    times = sorted({datetime.strptime(time, "%Y%m%dT%H%M%S%z") for time, _ in _RUN.findall(text)})
    assert {time.second % INTERVAL_S for time in times[1:]} == {0}


@needs_curl
def test_the_printed_and_documented_commands_work(tmp_path: Path) -> None:
    """Status, change, one account's fault and its end as `make dev` prints them; all faults of the README."""
    directory = tmp_path / "local"
    document = (ROOT / "local" / "sandbox" / "README.md").read_text()
    with started("dev", directory, *SMALL, f"--interval={INTERVAL_S}") as (_, output):
        wait_until(lambda: len(ended(output)) >= 1)
        (status,) = printed(output, "/api/sync/status")
        assert json.loads(bash(status.replace("curl", "curl -s", 1)))["health"] == "ok"
        (change,) = printed(output, "# takealot")[:1]
        bash(change)
        wait_until(lambda: "\n  takealot orders: 5 written\n" in output.read_text())
        fault, end = printed(output, "_sandbox/faults")
        assert bash(fault) == "{}"
        wait_until(lambda: "\n  takealot-1 failed (credentials_rejected): " in output.read_text())
        assert bash(end) == "{}"
        assert "takealot-0 failed" not in output.read_text()
        taken = json.loads((directory / "ports.json").read_text())
        block = _FAULTS.search(document)
        assert block is not None
        commands = [line for line in block[1].splitlines() if not line.startswith("#")]
        for name, port in ports.preferred(MARKETPLACES).items():
            commands = [command.replace(f":{port}/", f":{taken[name]}/") for command in commands]
        assert [bash(command) for command in commands] == ["{}"] * len(commands)
