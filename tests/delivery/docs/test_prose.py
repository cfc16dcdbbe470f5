"""Prose is plain: nouns are named, and a condition is an "if"."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.delivery.docs.prose import HABITS, LIMITS, PLACES, WHAT, WHERE, count
from tests.support.project import ROOT


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("place", PLACES)
def test_prose_is_plain(place: str, habit: str) -> None:
    """`python -m tests.delivery.docs.prose PLACE --lines` prints each sentence that counts."""
    counted = count(ROOT / place)

    assert counted.words > 100
    assert counted.rate(habit) < LIMITS[habit], "\n".join(counted.found[habit][:40])


def test_docstrings_and_comments_count(tmp_path: Path) -> None:
    """Code and strings do not count, and neither does a question."""
    module = tmp_path / "module.py"
    module.write_text(
        '"""What it holds."""\n\nwhat = "what it is"  # None where it is absent\n#: What is it?\n'
    )

    counted = count(module)
    assert counted.words == 11
    assert {habit: len(found) for habit, found in counted.found.items()} == {WHAT: 1, WHERE: 1}


def test_code_blocks_and_tables_do_not_count(tmp_path: Path) -> None:
    """Of a page its sentences count."""
    page = tmp_path / "page.md"
    page.write_text("Print what\nis left.\n\n```sh\nwhat\n```\n\n| what |\n<!-- what -->\n")

    counted = count(tmp_path)
    assert counted.words == 4
    assert counted.found == {WHAT: ["Print what is left."], WHERE: []}
