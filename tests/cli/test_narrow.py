"""A terminal of 80 columns: no id is broken, and what is left out is said."""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from local.processes import ROOT
from orchestrator.cli.app import main
from orchestrator.cli.tables import Rows
from tests.cli import shop

LONG = "t-20260301T120000Z-my-project-marketplace-sync-production"


def on_terminal(*arguments: str, columns: int = 80) -> str:
    """The output of a command on a pseudo-terminal, without its styles."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=ROOT,
        env={**environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    found = b""
    with suppress(OSError):  # the other side is closed
        while part := os.read(ours, 65_536):
            found += part
    process.wait(60)
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", found.decode()).replace("\r\n", "\n")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's store."""
    shop.environment(tmp_path, monkeypatch)
    shop.fill(tmp_path, error="shopify: 401 Unauthorized: the access token was revoked " * 3)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["connections", "list"], ["my-shop"]),
        (["connections", "show", "my-shop"], ["my-shop", "env:SHOP_SECRET", "one.myshopify.com"]),
        (["runs", "list"], [shop.RUN_ID, "failed"]),
        (["runs", "show", shop.RUN_ID], [shop.RUN_ID, "my-shop", "store a valid"]),
        (["rejects", "list"], ["my-shop", "orders-1001"]),
        (["cost", "--days", "90"], ["Assumed"]),
        (["doctor"], ["store is writable"]),
    ],
)
def test_no_id_is_broken_at_80_columns(arguments: Sequence[str], shown: Sequence[str]) -> None:
    """Every id is in one line; tables are no wider than the terminal."""
    text = on_terminal(*arguments)

    for each in shown:
        assert each in text
    assert all(cell_len(line) <= 80 for line in text.splitlines() if "┃" in line or "│" in line)


@pytest.mark.processes
def test_columns_are_left_out_with_a_line_that_says_so() -> None:
    """The least important ones first; the line names them and the ways to see them."""
    text = on_terminal("runs", "list")
    line = text.replace("\n", " ").partition("Left out for lack of room: ")[2]

    assert "written" in line
    assert "-o json" in line
    assert "written" not in text.split("Left out")[0]
    wide = on_terminal("runs", "list", columns=200)
    assert "Left out" not in wide
    assert "written" in wide


def test_a_pipe_gets_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    """`… | grep` sees all, one line a row."""
    assert main(["runs", "list"]) == 0
    text = capsys.readouterr().out

    assert "Left out" not in text
    (row,) = [line for line in text.splitlines() if shop.RUN_ID in line]
    assert "failed" in row


def test_an_id_that_is_wider_than_the_terminal_is_one_piece() -> None:
    """Then each row is printed as lines, which the terminal itself breaks, so a copy is whole."""
    text = drawn(Rows("runs", ("run", "status", "at"), [(LONG * 2, "failed", "now")]), 40)

    assert f"run: {LONG * 2}" in text
    assert "status: failed" in text


letters = st.characters(categories=["L", "N"], include_characters="-_:.")
words = st.text(letters, min_size=1, max_size=24) | st.text(letters, min_size=25, max_size=90)


@given(
    st.lists(st.tuples(words, words, words, st.lists(words, max_size=6).map(" ".join))), st.integers(20, 120)
)
def test_no_word_is_ever_broken(rows: list[tuple[str, ...]], width: int) -> None:
    """Whatever the content and the width are: each word of a column that is shown is in one line."""
    text = drawn(Rows("a title", ("id", "run", "at", "problem"), rows, drop=("at", "problem")), width)
    lines = text.splitlines()

    for row in rows:
        for word in (row[0], row[1]):
            assert any(word in line for line in lines)


def drawn(rows: Rows, width: int) -> str:
    """A table on a terminal of a width."""
    written = io.StringIO()
    screen = Console(file=written, force_terminal=True, width=width, color_system=None, markup=False)
    screen.print(rows, crop=False)
    return written.getvalue()
