"""Output of the command line: JSON and CSV for programs, tables and plain sentences for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console

from orchestrator.cli.tables import STYLES, Rows, cell, safe

__all__ = ["STYLES", "cell", "console", "print_faults", "print_json", "safe", "table"]

#: Columns if the output is no terminal: a line is a row, whatever its length.
_WIDE = 10_000


class _Screen(Console):
    """A console that cuts nothing off: the terminal breaks a line that is too long."""

    def print(self, *objects: Any, crop: bool = False, **options: Any) -> None:
        """Print, as rich's console does."""
        super().print(*objects, crop=crop, **options)


def console(*, to_stderr: bool = False) -> Console:
    """The screen for tables and progress."""
    screen = _Screen(markup=False, highlight=False, stderr=to_stderr)
    if not screen.is_terminal:
        screen.width = _WIDE
    return screen


def print_json(value: object) -> None:
    """Print a value as indented JSON; times are RFC 3339 in UTC."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_faults(screen: Console, faults: Iterable[str]) -> None:
    """Print documents that could not be read, a sentence each."""
    for fault in faults:
        screen.print(safe(fault), style="red")


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    drop: Sequence[str] | None = None,
) -> Rows:
    """A table; columns of numbers are aligned to the right.

    Args:
        title: Above it.
        columns: Their titles.
        rows: A value for each column.
        drop: Columns that may be left out in a narrow terminal, the least important first; None: all but
            the first two, from the right.
    """
    return Rows(title, columns, rows, drop)
