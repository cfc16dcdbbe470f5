"""Tables that break no word, so that an id can be copied from a narrow terminal.

Columns whose content does not fit are left out, the least important first, and a line names them. If even
the important ones do not fit, every row is printed as lines of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

#: Characters between two columns.
_GAP = 3
#: A column of sentences is at least this wide if its content is.
_PROSE = 24
#: Columns that are never left out.
_KEPT = 2
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


class Rows:
    """A table.

    Args:
        title: Above it.
        columns: Their titles.
        rows: A value for each column.
        drop: Columns that may be left out in a narrow terminal, the least important first; None: all but
            the first two, from the right.
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        drop: Sequence[str] | None = None,
    ) -> None:
        self._title = title
        self._columns = columns
        self._rows = [list(row) for row in rows]
        self._drop = list(drop if drop is not None else reversed(columns[_KEPT:]))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw what fits."""
        texts = [[_text(value) for value in row] for row in self._rows]
        natural = [
            max(cell_len(text) for text in (column, *(row[at] for row in texts)))
            for at, column in enumerate(self._columns)
        ]
        least = [
            max(min(wide, _PROSE), *(_word(text) for text in (column, *(row[at] for row in texts))))
            for at, (column, wide) in enumerate(zip(self._columns, natural, strict=True))
        ]
        shown = list(range(len(self._columns)))
        left_out = []
        for name in self._drop:
            if _width(least, shown) <= options.max_width:
                break
            shown.remove(self._columns.index(name))
            left_out.append(name)
        if _width(least, shown) > options.max_width:
            yield from self._lines(texts)
            return
        yield self._table(_shared(shown, least, natural, options.max_width))
        if left_out:
            names = ", ".join(name for name in self._columns if name in left_out)
            yield Text(f"Left out for lack of room: {names}. A wider terminal or -o json shows them.")

    def _table(self, widths: dict[int, int]) -> Table:
        drawn = Table(
            title=Text(self._title), title_justify="left", title_style="bold", show_edge=False, pad_edge=False
        )
        for at, width in widths.items():
            numeric = bool(self._rows) and all(isinstance(row[at], int | float) for row in self._rows)
            drawn.add_column(
                Text(self._columns[at]),
                justify="right" if numeric else "left",
                overflow="fold",
                width=max(width, 1),
            )
        for row in self._rows:
            drawn.add_row(*(cell(row[at]) for at in widths))
        return drawn

    def _lines(self, texts: Sequence[Sequence[str]]) -> Iterator[Text]:
        """A line each value; the terminal itself breaks the long ones, so they can be copied."""
        yield Text(self._title, style="bold")
        for row in texts:
            if len(self._columns) > _KEPT:
                yield Text("")
            pairs = [(row[0], row[1])] if len(row) == _KEPT else list(zip(self._columns, row, strict=True))
            for name, text in pairs:
                yield Text(f"{name}: {text}" if name else text, no_wrap=True, overflow="ignore")


def _inner(value: object) -> str:
    """A value inside another one; the parts of one that has several stay together."""
    text = _text(value)
    return f"({text})" if value and isinstance(value, list | tuple | dict) else text


def _word(text: str) -> int:
    return max((cell_len(word) for word in text.split()), default=0)


def _width(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[at] for at in shown) + _GAP * (len(shown) - 1)


def _shared(shown: Sequence[int], least: Sequence[int], natural: Sequence[int], room: int) -> dict[int, int]:
    """Widths by column: at least the least, and as much more as there is room for."""
    widths = {at: least[at] for at in shown}
    left = room - _width(least, shown)
    for at in sorted(shown, key=lambda at: natural[at] - least[at]):
        more = min(left, max(0, natural[at] - least[at]))
        widths[at] += more
        left -= more
    return widths


def cell(value: object) -> Text:
    """A value as text that cannot control the terminal."""
    return Text(_text(value), style=STYLES.get(value, "") if isinstance(value, str) else "")


def _text(value: object) -> str:
    """A value's text in a table: one that is empty says so like one that is missing."""
    return safe(value) or safe(None)


def safe(value: object) -> str:
    """A value as one line of printable characters, as a person would write it."""
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
        case list() | tuple():
            shown = ", ".join(map(_inner, value))
        case dict():
            shown = ", ".join(f"{name}: {_inner(each)}" for name, each in value.items())
        case _:
            shown = str(value)
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown
    )
