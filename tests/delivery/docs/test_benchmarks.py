"""docs/benchmarks.md tells the kept figures."""

from __future__ import annotations

from tests.delivery.docs import benchmarks


def test_the_table_of_records_is_the_kept_figures() -> None:
    """`make docs` writes it anew."""
    text = benchmarks.PAGE.read_text()

    assert benchmarks.with_records(text) == text
    assert benchmarks.records_table() in text
