"""What simulated histories have found stays mended."""

from __future__ import annotations

import pytest

from tests.system.simulation.history import play
from tests.system.simulation.regressions import REGRESSIONS, Regression, failing

pytestmark = [
    pytest.mark.long,
    pytest.mark.parametrize("regression", REGRESSIONS, ids=lambda regression: regression.name),
]


def test_a_defect_stays_mended(regression: Regression) -> None:
    """Its history violates nothing."""
    play(regression.seed)


@pytest.mark.processes
def test_its_history_shows_the_defect_without_the_guard(regression: Regression) -> None:
    """Else the history guards nothing: `python -m tests.system.simulation --find NAME` finds another one."""
    assert failing(regression, regression.seed, 1) is not None
