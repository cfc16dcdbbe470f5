"""The guard against processes of unmarked tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-c", "pass"]


def test_an_unmarked_test_cannot_start_a_process() -> None:
    """The failure names the test and the markers."""
    with pytest.raises(AssertionError, match=r"test_an_unmarked_test.* starts a process .* processes"):
        subprocess.run(COMMAND, check=True)


@pytest.mark.processes
def test_a_marked_test_can() -> None:
    """The marker is all that it takes."""
    assert subprocess.run(COMMAND, check=True).returncode == 0
