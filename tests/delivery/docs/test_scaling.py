"""docs/scaling.md says what the code's constants, prices and limits give."""

from __future__ import annotations

from tests.delivery.docs.scaling import PAGE, Load, binding, loads_table, written


def test_the_tables_are_computed() -> None:
    """`python -m tests.delivery.docs.scaling` would change nothing, and each number is in the document."""
    text = PAGE.read_text()

    assert loads_table() in text
    assert written(text) == text
    assert all(f"<!-- {name} -->{number:,}<!-- / -->" in text for name, number in binding().items())


def test_the_month_stays_within_its_budget() -> None:
    """$250 a month at 10,000 connections, $25 at 1,000; a ninth of the naive design."""
    assert Load(10_000).usd() <= 250
    assert Load(1_000).usd() <= 25
    assert Load(1_000_000).usd() <= Load(1_000_000).naive_usd() / 9
