"""Documents to Firestore's protocol messages and back.

The client library's own conversion builds a wrapper object around every single value and takes several
times as long as the rest of a commit; these functions fill the underlying messages directly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIMPLE_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


def fill_fields(fields: Any, data: Mapping[str, Any]) -> None:
    """Fill a message's map of field name to Value.

    Raises:
        ValueError: A text is not valid Unicode, or an integer has more than 64 bits.
        TypeError: A value's type is not one of a document's.
    """
    for name, value in data.items():
        fill_value(fields[name], value)


def fill_value(target: Any, value: Any) -> None:
    """Fill one Value; raises as `fill_fields` does."""
    if isinstance(value, str):
        target.string_value = value
    elif value is None:
        target.null_value = 0
    elif isinstance(value, bool):  # before int: a bool is one, too
        target.boolean_value = value
    elif isinstance(value, int):
        target.integer_value = value
    elif isinstance(value, Mapping):
        target.map_value.SetInParent()  # an empty map is a map, too
        fill_fields(target.map_value.fields, value)
    elif isinstance(value, list | tuple):
        target.array_value.SetInParent()
        values = target.array_value.values
        for inner in value:
            fill_value(values.add(), inner)
    elif isinstance(value, datetime):
        since = value - _EPOCH
        target.timestamp_value.seconds = since.days * 86_400 + since.seconds
        target.timestamp_value.nanos = since.microseconds * 1_000
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    else:
        raise TypeError(f"a document cannot hold a {type(value).__name__}")


def read_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A message's map of field name to Value, as a document."""
    return {name: read_value(value) for name, value in fields.items()}


def read_value(value: Any) -> Any:
    """One Value as plain data; times are cut to microseconds."""
    kind = value.WhichOneof("value_type")
    if kind == "map_value":
        return read_fields(value.map_value.fields)
    if kind == "array_value":
        return [read_value(inner) for inner in value.array_value.values]
    if kind == "timestamp_value":
        stamp = value.timestamp_value
        return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1_000)
    if kind == "null_value" or kind is None:
        return None
    return getattr(value, kind)


def field_path(names: Iterable[str]) -> str:
    """Names of nested fields as Firestore writes their path, quoted if necessary."""
    return ".".join(name if _SIMPLE_NAME.fullmatch(name) else _quoted(name) for name in names)


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
