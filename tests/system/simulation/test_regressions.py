"""What simulated histories have found stays mended."""

from __future__ import annotations

import pytest

from tests.support.project import ROOT
from tests.system.simulation.history import play
from tests.system.simulation.regressions import REGRESSIONS, Regression


@pytest.mark.parametrize("regression", REGRESSIONS, ids=lambda regression: regression.name)
def test_a_defect_stays_mended(regression: Regression) -> None:
    """Its history violates nothing; `python -m tests.system.simulation --check` fails without its guard."""
    play(regression.seed)

    assert (ROOT / regression.path).read_text().count(regression.line) == 1
