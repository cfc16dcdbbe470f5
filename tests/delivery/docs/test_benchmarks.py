"""docs/benchmarks.md tells the kept figures."""

from __future__ import annotations

from tests.delivery.docs import benchmarks


def test_the_tables_and_charts_are_the_kept_figures() -> None:
    """`make docs` writes them anew."""
    text = benchmarks.PAGE.read_text()

    assert benchmarks.as_measured(text) == text
    assert benchmarks.records_table() in text
    assert benchmarks.figures_table() in text
    assert benchmarks.growth_chart() in text
    assert benchmarks.parts_chart() in text
