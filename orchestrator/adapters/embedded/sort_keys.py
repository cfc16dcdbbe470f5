"""How SQLite sees into MessagePack documents: one field's value, as bytes in Firestore's order."""

from __future__ import annotations

import functools
import sqlite3
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def sort_key(value: object) -> bytes:
    """Bytes that compare as Firestore compares values: by type, then by value."""
    if value is None:
        return b"\x01"
    if isinstance(value, bool):
        return b"\x02\x01" if value else b"\x02\x00"
    if isinstance(value, int | float):
        return b"\x03" + _number_key(value)
    if isinstance(value, datetime):
        return b"\x04" + struct.pack(">Q", (value - _EPOCH) // _MICROSECOND + 2**63)
    if isinstance(value, str):
        return b"\x05" + value.encode()
    if isinstance(value, bytes):
        return b"\x06" + value
    return b"\x07" + msgspec.msgpack.encode(value)


def _number_key(value: float) -> bytes:
    nearest = float(value)
    (bits,) = struct.unpack(">Q", struct.pack(">d", nearest + 0.0))  # + 0.0 makes one of both zeros
    bits = bits ^ 0xFFFFFFFFFFFFFFFF if bits >> 63 else bits | 1 << 63
    # The digits of a large integer beyond a double's 53 bits decide between neighbours.
    rest = value - int(nearest) if isinstance(value, int) else 0
    return struct.pack(">QQ", bits, rest + 2**63)


@functools.cache
def _field_decoder(field: str) -> tuple[msgspec.msgpack.Decoder[Any], int]:
    """A decoder that builds only the value at one dotted path, and the path's length."""
    names = field.split(".")
    kind: Any = Any
    for name in reversed(names):
        kind = msgspec.defstruct("Field", [("value", kind, msgspec.UNSET)], rename={"value": name})
    return msgspec.msgpack.Decoder(kind), len(names)


def sort_key_of_field(body: bytes, field: str) -> bytes | None:
    """The key of the value at a (dotted) field of an encoded document; None if it is missing."""
    value = _value_of_field(body, field)
    return None if value is msgspec.UNSET else sort_key(value)


def number_of_field(body: bytes, field: str) -> float:
    """The number at a (dotted) field of an encoded document; 0 if there is none."""
    value = _value_of_field(body, field)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _value_of_field(body: bytes, field: str) -> Any:
    decoder, depth = _field_decoder(field)
    try:
        value = decoder.decode(body)
    except msgspec.ValidationError:  # a part of the path is no map
        return msgspec.UNSET
    for _ in range(depth):
        value = value.value
        if value is msgspec.UNSET:
            break
    return value


def add_sort_key(connection: sqlite3.Connection) -> None:
    """Give a connection the SQL function `sort_key(body, field)`: NULL if the field is missing."""
    connection.create_function("sort_key", 2, sort_key_of_field, deterministic=True)
