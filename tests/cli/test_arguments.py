"""Any arguments: an answer, wrong usage or one line; never a traceback."""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.app import main
from orchestrator.cli.faults import DEFECT
from tests.cli import shop
from tests.cli.test_examples import COMMANDS
from tests.support.examples import examples

#: Not called here: they wait for a run or for a marketplace, or write files.
LEFT_OUT = {"runs watch", "connections check", "schema"}
IDS = [shop.SHOP, shop.RUN_ID, "", "..", "__x__", "a/b", "orders", "orders/1", "orders-1001", "\x00"]
NUMBERS = ["-", "--", "0", "1", "-1", "100", "99999999999999999999", "1e9", "nan", "inf"]
OTHERS = [
    "2026-02-30",
    "9999-12-31",
    "0001-01-01",
    "x=",
    "=x",
    "x=[",
    "x=[]",
    "[]",
    "env:NOTHING",
    "file:/no",
]
words = st.one_of(
    st.sampled_from(IDS + NUMBERS + OTHERS),
    st.text(max_size=20),
    st.from_regex(r"[A-Za-z0-9_-]{4,60}", fullmatch=True),
)


@st.composite
def vectors(draw: st.DrawFn) -> list[str]:
    """The words of a command, with some of its options and any values."""
    name = draw(st.sampled_from([each for each in COMMANDS if each not in LEFT_OUT]))
    vector = name.split()
    for action in COMMANDS[name]._actions:
        if isinstance(action, argparse._HelpAction) or action.dest == "wait":
            continue
        # A required option is seldom missing.
        chance = 9 if action.required else 1
        if action.option_strings and not draw(st.integers(0, chance)):
            continue
        vector += action.option_strings[:1]
        if action.nargs == 0:
            continue
        choices = [str(choice) for choice in action.choices or ()]
        known = bool(choices) and draw(st.integers(0, 9)) > 0
        values = st.sampled_from(choices) if known else words
        vector += draw(st.lists(values, min_size=1, max_size=2 if action.nargs else 1))
    return [*vector, *draw(st.lists(words, max_size=1) if not draw(st.integers(0, 9)) else st.just([]))]


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A store with the shop."""
    with tempfile.TemporaryDirectory(prefix="arguments-") as folder:
        shop.fill(Path(folder))
        yield Path(folder, "store.db")


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of each example is a copy in this folder."""
    shop.environment(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)


def code_of(vector: list[str]) -> object:
    """The exit code of a command."""
    try:
        return main(vector)
    except SystemExit as stopped:  # argparse's own
        return stopped.code


@examples(300, any_health=True)
@given(vector=vectors())
def test_any_arguments_have_a_clear_answer(template: Path, tmp_path: Path, vector: list[str]) -> None:
    """Exit codes are the documented ones without the defect's; an error is at most two lines."""
    for left in tmp_path.glob("store*"):
        left.unlink()
    shutil.copy(template, tmp_path / "store.db")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = code_of(vector)

    assert code in {0, 1, 2, 3, 4}, err.getvalue()
    assert code != DEFECT
    assert "Traceback" not in err.getvalue()
    if code == 1 and not out.getvalue():
        assert err.getvalue().startswith("error: ")
        assert len(err.getvalue().splitlines()) <= 2
