"""Output of the command line: JSON for programs, tables and plain sentences for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Columns if the output is no terminal: enough that nothing is cut off.
_WIDE = 240
STYLES = {
    "succeeded": "green",
    "ok": "green",
    "active": "green",
    "dispatching": "cyan",
    "running": "cyan",
    "partial": "yellow",
    "skipped": "yellow",
    "paused": "yellow",
    "failing": "yellow",
    "failed": "red",
    "cancelled": "red",
    "needs_attention": "red",
}


def console(*, to_stderr: bool = False) -> Console:
    """The screen for tables and progress."""
    screen = Console(markup=False, highlight=False, stderr=to_stderr)
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


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; columns of numbers are aligned to the right."""
    cells = [list(row) for row in rows]
    drawn = Table(
        title=Text(title), title_justify="left", title_style="bold", show_edge=False, pad_edge=False
    )
    for index, column in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[index], int | float) for row in cells)
        drawn.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*(cell(value) for value in row))
    return drawn


def cell(value: object) -> Text:
    """A value as text that cannot control the terminal."""
    return Text(safe(value), style=STYLES.get(value, "") if isinstance(value, str) else "")


def safe(value: object) -> str:
    """A value as one line of printable characters."""
    match value:
        case None:
            shown = "-"
        case StrEnum():
            shown = value.value
        case bool():
            shown = "yes" if value else "no"
        case int():
            shown = f"{value:,}"
        case float():
            shown = f"{value:,.6g}"
        case datetime():
            shown = f"{value:%Y-%m-%d %H:%M:%S}Z"
        case _:
            shown = str(value)
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown
    )
