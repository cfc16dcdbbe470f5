"""Lists as CSV files, whose cells no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from itertools import islice

import flask

#: Rows of a file.
MOST = 5_000
#: Spreadsheets read a cell that begins with one of these as a formula
#: (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> str:
    """A value as a cell: a text that a spreadsheet would calculate begins with an apostrophe."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%S}Z"
        case Enum():
            text = str(value.value)
        case _:
            text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def answer(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> flask.Response:
    """A file of at most `MOST` rows; a last row says if it was cut there."""
    response = flask.Response("".join(_lines(columns, rows)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    remaining = iter(rows)
    yield _line(columns)
    for row in islice(remaining, MOST):
        yield _line([cell(value) for value in row])
    if next(remaining, None) is not None:
        yield _line([f"cut after {MOST:,} rows: narrow the list"])


def _line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
