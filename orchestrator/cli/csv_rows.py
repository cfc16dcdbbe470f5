"""Answers as CSV: a row each entry, a column each field, nested fields with dots between their names.

A spreadsheet takes a text that begins with `=`, `+`, `-`, `@`, a tab or a line break for a formula
(owasp.org/www-community/attacks/CSV_Injection). Names and messages come from marketplaces, so such a text
gets a leading `'`. Numbers are no texts: a negative one stays a number.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO, get_args

import msgspec

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
#: Line breaks may be in a quoted cell; other control characters would reach a terminal.
_HARMLESS = frozenset("\t\r\n")


def print_csv(value: object, rows: str = "", header: Sequence[str] = (), to: TextIO | None = None) -> None:
    """Print an answer.

    Args:
        value: The answer.
        rows: The field of it with the rows; empty if the answer is itself a list, or one row.
        header: The columns of an answer without rows, if its type does not tell them.
        to: Standard output if None.
    """
    plain = msgspec.to_builtins(value, str_keys=True, builtin_types=())
    found = plain.get(rows, []) if rows and isinstance(plain, dict) else plain
    if rows and isinstance(found, dict):
        # Entries by name, such as marketplaces.
        found = [
            {"name": name, **each} if isinstance(each, dict) else {"name": name, "value": each}
            for name, each in found.items()
        ]
    entries = [dict(_flat("", each)) for each in (found if isinstance(found, list) else [found])]
    columns = list(dict.fromkeys(name for entry in entries for name in entry))
    if not entries:
        told = _columns_of(value, rows) if rows and isinstance(value, msgspec.Struct) else ()
        columns = list(header or told)
    if columns:
        writer = csv.writer(to or sys.stdout, lineterminator="\n")
        writer.writerow([_text(name) for name in columns])
        writer.writerows([[_cell(entry.get(name)) for name in columns] for entry in entries])
    if rows and isinstance(plain, dict) and plain.get("next_page_token"):
        print(f"There are more: --page-token {plain['next_page_token']}", file=sys.stderr)


def _columns_of(value: msgspec.Struct, rows: str) -> Iterator[str]:
    """The columns that rows would have; none if only the rows themselves tell them."""
    held = next(each.type for each in msgspec.structs.fields(value) if each.name == rows)
    for row in get_args(held):
        if isinstance(row, type) and issubclass(row, msgspec.Struct):
            yield from columns_of(row)


def columns_of(struct: type[msgspec.Struct], above: str = "") -> Iterator[str]:
    """The columns of a struct's fields, whose names begin with the one above them."""
    for each in msgspec.structs.fields(struct):
        name = f"{above}.{each.encode_name}" if above else each.encode_name
        if isinstance(each.type, type) and issubclass(each.type, msgspec.Struct):
            yield from columns_of(each.type, name)
        else:
            yield name


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for inner, each in value.items():
            yield from _flat(f"{name}.{inner}" if name else str(inner), each)
    else:
        yield name or "value", value


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return _text(value)
        case _:
            return _text(msgspec.json.encode(value).decode())


def _text(text: str) -> str:
    harmless = "".join(
        each if each.isprintable() or each in _HARMLESS else "\N{REPLACEMENT CHARACTER}" for each in text
    )
    return f"'{harmless}" if harmless.startswith(_FORMULA) else harmless
