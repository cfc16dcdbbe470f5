"""The table of guards in README.md is the one that `python -m tests.system.guards` tries."""

from __future__ import annotations

import re

import pytest

from tests.support.project import ROOT
from tests.system.guards.__main__ import DOCUMENT, GUARDS, HEAD, row
from tests.system.guards.guard import Guard


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.keeps)
def test_a_guard_is_there(guard: Guard) -> None:
    """Its line occurs exactly once in its file, and its test exists."""
    path, _, name = guard.test.partition("::")

    assert (ROOT / guard.path).read_text().count(guard.line) == 1
    assert not name or f"def {name.partition('[')[0]}(" in (ROOT / path).read_text()


def test_the_document_lists_the_guards() -> None:
    """Every guard has its row, in order, with its test's output (`python -m tests.system.guards --write`)."""
    table = DOCUMENT.read_text().partition(HEAD)[2].splitlines()

    assert len(table) == len(GUARDS)
    for guard, line in zip(GUARDS, table, strict=True):
        printed = line.removeprefix(row(guard)).removesuffix(" |")
        assert printed != line
        assert printed
        assert "it passed" not in printed


def test_every_promise_has_a_guard() -> None:
    """Eight invariants, ten rules, eighteen failure histories: each has a guard that was seen to matter."""
    named = " ".join(guard.keeps.partition(":")[0] for guard in GUARDS)
    numbers = {
        word: {
            int(number)
            for found in re.findall(rf"{word}(?:s)? ([\d, and]+)", named)
            for number in re.findall(r"\d+", found)
        }
        for word in ("invariant", "rule", "history")
    }

    assert numbers["invariant"] == set(range(1, 9))
    assert numbers["rule"] == set(range(1, 11))
    assert numbers["history"] == set(range(1, 19))
