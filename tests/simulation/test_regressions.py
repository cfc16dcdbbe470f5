"""What simulated histories have found stays mended."""

from __future__ import annotations

import pytest

from tests.guards.copies import ROOT
from tests.simulation.history import play
from tests.simulation.regressions import REGRESSIONS, Regression


@pytest.mark.parametrize("regression", REGRESSIONS, ids=lambda regression: regression.name)
def test_a_defect_stays_mended(regression: Regression) -> None:
    """Its history violates nothing; `python -m tests.simulation --check` sees it fail without its guard."""
    play(regression.seed)

    assert (ROOT / regression.path).read_text().count(regression.line) == 1
