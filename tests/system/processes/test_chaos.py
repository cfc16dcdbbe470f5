"""A short chaos of real processes on Google's emulators: `make chaos`, for half a minute."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from local.processes import ROOT
from tests.support.linux import on_linux, processes_of
from tests.system.chaos.plan import plan

pytestmark = [
    on_linux,
    pytest.mark.emulator,
    pytest.mark.processes,
    pytest.mark.usefixtures("emulators"),  # which skips where there are none; the chaos starts its own
]

#: So short a plan holds everything with few seeds only.
SECONDS, SEED = 20, 51
#: A machine that is shared may be slow; the verdict does not depend on it.
WAIT_S = 900.0


def command(directory: Path, seconds: int) -> Sequence[str]:
    """What make calls."""
    options = (f"--seconds={seconds}", f"--seed={SEED}", f"--directory={directory}")
    return [sys.executable, "-m", "tests.system.chaos", *options]


def test_nothing_is_lost_doubled_or_stuck(tmp_path: Path) -> None:
    """HTTP functions and both lanes' workers are killed, messages doubled; the store has the truth, once."""
    finished = subprocess.run(
        command(tmp_path, SECONDS), cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    report = json.loads((tmp_path / "chaos.json").read_text())

    assert report["found"] == {"lost": [], "doubled": [], "stuck": [], "astray": []}
    assert [report[kind] for kind in report["found"]] == [0, 0, 0, 0]
    assert report["records"] > 1000
    for harm in ("kills", "backfill_kills", "redeliveries", "duplicated", "faults", "changes"):
        assert report[harm] > 0, harm
    assert report["operator_actions"] > 0
    assert report["continuations"] > 0
    assert report["tick_deliveries"] > 1
    assert f"SEED={SEED}" in finished.stdout
    assert processes_of(tmp_path) == {}


def test_everything_happens_in_the_short_chaos() -> None:
    """Each method of the storm is called: one that cannot be would end a longer chaos only."""
    assert {event.what for event in plan(SEED, SECONDS)} == {event.what for event in plan(SEED, 600)}


def test_an_interrupted_chaos_leaves_no_process(tmp_path: Path) -> None:
    """Ctrl-C ends everything that was started."""
    with subprocess.Popen(
        command(tmp_path, 600), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + WAIT_S
        while not any("worker.py" in arguments for arguments in processes_of(tmp_path).values()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=WAIT_S)

    assert process.returncode == 130
    assert complaint == f"stopped; the seed was {SEED}\n"
    assert processes_of(tmp_path) == {}
