"""The limits that docs/reliability.md states are those of the code."""

from __future__ import annotations

from local.processes import ROOT
from tests.delivery.docs.limits import PAGE, ROWS, table, with_table


def test_the_table_of_limits_is_the_codes() -> None:
    """`python -m tests.delivery.docs.limits` would change nothing."""
    text = PAGE.read_text()

    assert table() in text
    assert with_table(text) == text


def test_each_limit_s_file_is_there() -> None:
    """Every file that a row names exists, below the orchestrator or the root."""
    for _, _, where in ROWS:
        for name in where.split(", "):
            assert (ROOT / name).exists() or (ROOT / "orchestrator" / name).exists(), name
