"""Thousands of histories: whatever goes wrong, all that must always hold does."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.support.project import ROOT
from tests.system.simulation.history import Violation, play

pytestmark = pytest.mark.long

#: More in a night: SIMULATED_HISTORIES=100000 pytest tests/system/simulation
HISTORIES = int(os.environ.get("SIMULATED_HISTORIES", "2000"))
FIRST = int(os.environ.get("SIMULATED_FROM", "0"))
BLOCK = 100
#: What has to happen among the histories, and how often in two hundred of them at least.
OFTEN = {
    "killed": 100,
    "frozen": 15,
    "told to stop": 20,
    "reordered": 100,
    "lost": 10,
    "very late": 5,
    "acknowledged too late": 5,
    "tick repeated": 10,
    "refused delivery": 20,
    "re-sent commit refused": 20,
    "answered 503": 5,
    "answered 409": 5,
    "answered 403": 3,
    "rotated": 100,
    "secret store away": 5,
    "credentials refused": 3,
    "store refuses a record": 3,
    "held until due": 3,
    "expired": 50,
    "memory deleted": 3,
    "stalled": 5,
    "added too early": 5,
    "another marketplace refused": 5,
    "edited": 20,
    "edited anything": 15,
    "moved": 5,
    "planned twice": 1,
    "state unreadable": 15,
    "workers away": 8,
    "apple": 10,
    "digest documents": 10,
    "details": 50,
    "no details": 1,
    "several slices": 20,
    "taken over while alive": 3,
    "skewed": 10,
    "told": 200,
    "not told": 8,
    "killed while telling": 8,
    "purge told": 5,
    "released": 20,
    "looked for after a release": 10,
    "second lane added": 30,
    "second lane taken away": 20,
    "continuation in its lane": 200,
    "handed over": 200,
    "refused without a place": 30,
    "closed while it waits for its turn": 8,
    "dead letter": 1,
    "turn of a slow history": 6,
}
#: How runs and tasks end.
ENDS = (
    *("run cancelled", "run partial", "run failed", "run succeeded"),
    *("failed worker_lost", "failed no_answer", "failed crashed", "failed credentials_rejected"),
    *("skipped overlap", "skipped paused", "skipped waiting", "skipped gone", "skipped cancelled"),
    *("rejected", "deleted", "kept with its buyer"),
)


@pytest.mark.parametrize("start", range(FIRST, FIRST + HISTORIES, BLOCK))
def test_nothing_is_lost_and_every_run_ends(start: int) -> None:
    """A block of seeds; `python -m tests.system.simulation SEED` replays the seed that a failure names."""
    for seed in range(start, min(start + BLOCK, FIRST + HISTORIES)):
        try:
            play(seed)
        except Violation as violation:
            pytest.fail(f"python -m tests.system.simulation {seed}: {violation}")


@pytest.mark.processes
def test_a_seed_replays_exactly() -> None:
    """The same seed is the same history to the last step, also where Python's hashes are others."""
    program = "from tests.system.simulation.test_histories import trace_of; print(trace_of(7))"
    traces = {trace_of(7)}
    for hashes in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hashes},
        )
        traces.add(run.stdout.strip())

    assert len(traces) == 1


def trace_of(seed: int) -> str:
    """A hash of everything that happens in a history."""
    digest = hashlib.blake2b()
    play(seed, trace=lambda line: digest.update(line.encode()))
    return digest.hexdigest()


def test_the_histories_are_worth_playing() -> None:
    """Among a few seeds everything goes wrong that can, and often enough."""
    seen: Counter[str] = Counter()
    for seed in range(200):
        seen += play(seed).outcome()

    assert {name: seen[name] for name, least in OFTEN.items() if seen[name] < least} == {}
    assert [name for name in ENDS if not seen[name]] == []
