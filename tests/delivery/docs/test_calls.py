"""The calls that docs/records.md states are those of the sandboxes' own count."""

from __future__ import annotations

from tests.delivery.docs import calls


def test_the_tables_of_calls_are_measured() -> None:
    """`make docs` writes them anew."""
    text = calls.PAGE.read_text()

    assert calls.with_parts(text) == text
    assert all(f"<!-- {marker} -->" in text for marker in calls.parts())
