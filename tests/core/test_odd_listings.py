"""Listings that do not behave: rows outside of the window, pages that repeat, ends that come early."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.model.run import RunStatus
from tests.support.world import START, Row, World, fill

HOUR = timedelta(hours=1)


def test_one_row_older_than_the_window_is_stored_with_the_others_and_one_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A marketplace's filter that is not exact fails nothing."""
    world.connect("a", backfill_since=START - timedelta(days=2))
    fill(world, "orders", 5)
    world.bazaar.strays.append(Row(id="old", updated_at=START - timedelta(days=90)))
    with caplog.at_level("WARNING"):
        _, run = world.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert set(world.records("a", "orders")) == {"old", *(f"r{n}" for n in range(5))}
    assert [entry.message for entry in caplog.records] == [
        "1 rows are outside of the window and stored all the same"
    ]
