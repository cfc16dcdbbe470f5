"""Thousands of histories: whatever goes wrong, all that must always hold does."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.simulation.history import Violation, play

#: More in a night: SIMULATED_HISTORIES=100000 pytest tests/simulation
HISTORIES = int(os.environ.get("SIMULATED_HISTORIES", "2000"))
FIRST = int(os.environ.get("SIMULATED_FROM", "0"))
BLOCK = 100


@pytest.mark.parametrize("start", range(FIRST, FIRST + HISTORIES, BLOCK))
def test_nothing_is_lost_and_every_run_ends(start: int) -> None:
    """A block of seeds; a failing one is named, and `play(seed)` replays it exactly."""
    for seed in range(start, min(start + BLOCK, FIRST + HISTORIES)):
        try:
            play(seed)
        except Violation as violation:
            pytest.fail(f"seed {seed}: {violation}")


def test_a_seed_replays_exactly() -> None:
    """The same seed is the same history, to the last document."""
    first, second = play(7), play(7)

    assert first.loop.steps == second.loop.steps
    assert first.store.documents == second.store.documents


def test_the_histories_are_worth_playing() -> None:
    """Among a few seeds everything happens: kills, slices, take-overs, deletions, runs closed late."""
    seen: Counter[str] = Counter()
    for seed in range(200, 260):
        history = play(seed)
        seen["kills"] += history.kills
        for path, (_, data) in history.store.documents.items():
            parts = path.split("/")
            if parts[0] == "runs" and len(parts) == 2:
                seen[data["status"]] += 1
            elif parts[0] == "runs" and parts[2] == "tasks":
                seen[f"{data['status']} {data['reason']}"] += 1
                seen["several slices"] += data["slices"] > 1
            elif parts[0] == "connections" and len(parts) == 4:
                seen["rejected" if parts[2] == "rejects" else "stored"] += 1
                seen["deleted"] += data.get("deleted_at") is not None

    wanted = ("cancelled", "partial", "failed", "succeeded", "several slices", "rejected", "deleted")
    reasons = (
        "failed worker_lost",
        "failed no_answer",
        "skipped overlap",
        "skipped paused",
        "skipped waiting",
    )
    assert seen["kills"] > 100
    assert [name for name in (*wanted, *reasons) if not seen[name]] == []
