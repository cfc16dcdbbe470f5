"""What nobody should send, as the JSON that travels, and records with it anywhere inside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import strategies as st

_MARK = "\x01here\x01"
_MARKED = msgspec.json.encode(_MARK)
_PATHS = (
    "",
    ".",
    "..",
    "/",
    "../../runs/x",
    "a/b/c",
    "__all__",
    "__x__",
    "%2F",
    "a%00b",
    "~",
    "`",
    "\\",
    "*",
)

#: Numbers that are one, and no use.
NUMBERS = (
    *(b"0", b"-0", b"-1", b"0.1", b"1e2", b"1.5", b"4294967296", b"9007199254740993"),
    *(b"9223372036854775807", b"9223372036854775808", b"18446744073709551615", b"18446744073709551616"),
    *(b"-9223372036854775809", b"1" + b"0" * 400, b"7" * 5000, b"1e308", b"1e400", b"-1e400", b"1e-400"),
    *(
        b"1e999999",
        b"1e999999999",
        b"1e-999999999",
        b"1e99999999999999999999",
        b"0e99999",
        b"0.0" + b"0" * 400,
    ),
)
#: What Python's own decoder would take, or nobody.
NO_JSON = (
    *(
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"undefined",
        b"01",
        b"1.",
        b".5",
        b"'x'",
        b"",
        b"\x00",
        b"{",
        b"[1",
    ),
    *(
        b'"\xff\xfe"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'"\xf8\x88\x80\x80\x80"',
        b'"\\ud800"',
        b'"\\udc00x"',
    ),
    *(b'"\\x00"', b'"raw\x00null"', b'"line\nbreak"', b'{"\xff":1}'),
)
TEXTS = (
    *(msgspec.json.encode(text) for text in _PATHS),
    *(b'"\\u0000"', b'"a\\u0000b"', b'"\\ufffe"', b'"\\ud83d\\ude00"', b'"\\u202e"', b'" "', b'"\\n"'),
    *(b'"' + b"x" * size + b'"' for size in (1_490, 1_500, 1_501, 70_000)),
    b'"' + "ü".encode() * 751 + b'"',
    *(
        b'"NaN"',
        b'"sNaN"',
        b'"Infinity"',
        b'"-inf"',
        b'"1e999999"',
        b'"1e99999999999999999999"',
        b'"1,000.00"',
    ),
    *(b'"1_000"', b'"0x10"', b'" 12 "', b'"--1"', b'"' + b"9" * 400 + b'"', b'"0.' + b"3" * 400 + b'"'),
    *(b'"99999999999999999.999999999999999999"', b'"-0.00"', b'"1E+2"', b'"\\u0661\\u0662"'),
)
TIMES = tuple(
    b'"' + text + b'"'
    for text in (
        *(
            b"0001-01-01T00:00:00Z",
            b"0001-01-01T00:00:00+23:59",
            b"0001-01-01T00:00:00",
            b"0000-00-00T00:00:00",
        ),
        *(b"9999-12-31T23:59:59Z", b"9999-12-31T23:59:59.999999-23:59", b"9999-12-31T23:59:59"),
        *(
            b"10000-01-01T00:00:00Z",
            b"2026-02-30T00:00:00Z",
            b"2026-11-23T24:00:00Z",
            b"2026-06-30T23:59:60Z",
        ),
        *(
            b"2026-11-23",
            b"2026-11-23T05:00:00+99:99",
            b"2026-W48-1T00:00:00",
            b"20261123T050000Z",
            b"1764000000",
        ),
        *(b"01 Oct 0001 00:00:00", b"31 Dec 9999 23:59:59", b"yesterday"),
    )
)
SHAPES = (
    *(
        b"null",
        b"true",
        b"false",
        b"{}",
        b"[]",
        b"[null]",
        b"[[]]",
        b"[{}]",
        b'{"id":1}',
        b'["x"]',
        b'[1,"x",null]',
    ),
    b"[" * 20 + b"]" * 20,
    b"[" * 900 + b"]" * 900,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 950 + b"1" + b"}" * 950,
    b'{"a":1,"a":[],"a":{}}',
)
FRAGMENTS = (*NUMBERS, *NO_JSON, *TEXTS, *TIMES, *SHAPES)

#: Any of them, or any JSON of hypothesis' own making.
fragments = st.one_of(
    st.sampled_from(FRAGMENTS),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
        max_leaves=10,
    ).map(msgspec.json.encode),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a JSON value has values, itself included."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value[:3]):
            yield from places(inner, (*path, number))


def planted(raw: bytes, path: tuple[Any, ...], fragment: bytes) -> bytes:
    """The JSON with a fragment in place of the value at a path."""
    return msgspec.json.encode(_with(msgspec.json.decode(raw), path)).replace(_MARKED, fragment)


def repeated(raw: bytes, path: tuple[Any, ...], fragment: bytes) -> bytes:
    """The JSON with a field that stands there twice, with the fragment as its last value."""
    *above, name = path
    twice = b'"":0,' + msgspec.json.encode(name) + b":" + fragment
    value = _at(msgspec.json.decode(raw), above)
    inner = msgspec.json.encode(value)[:-1] + b"," + twice + b"}"
    return planted(raw, tuple(above), inner)


@st.composite
def mutations(draw: st.DrawFn, raw: bytes) -> bytes:
    """A record that was valid, with something hostile somewhere."""
    kind = draw(st.sampled_from(["plant", "plant", "plant", "two", "repeat", "drop", "cut", "flip"]))
    found = list(places(msgspec.json.decode(raw)))
    path = draw(st.sampled_from(found))
    if kind == "cut":
        return raw[: draw(st.integers(0, len(raw)))]
    if kind == "flip":
        at = draw(st.integers(0, len(raw) - 1))
        return raw[:at] + bytes([draw(st.integers(0, 255))]) + raw[at + 1 :]
    if kind == "drop" and path:
        return msgspec.json.encode(_without(msgspec.json.decode(raw), path))
    if kind == "repeat" and path and isinstance(path[-1], str):
        return repeated(raw, path, draw(fragments))
    if kind == "two":
        decoded = msgspec.json.decode(raw)
        other = draw(st.sampled_from(found))
        if path[: len(other)] != other and other[: len(path)] != path:
            first, second = draw(fragments), draw(fragments)
            whole = msgspec.json.encode(_with(_with(decoded, path, "\x02"), other))
            return whole.replace(_MARKED, second).replace(msgspec.json.encode("\x02"), first)
    return planted(raw, path, draw(fragments))


def _at(value: Any, path: list[Any]) -> Any:
    for name in path:
        value = value[name]
    return value


def _with(value: Any, path: tuple[Any, ...], mark: str = _MARK) -> Any:
    if not path:
        return mark
    _at(value, list(path[:-1]))[path[-1]] = mark
    return value


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    del _at(value, list(path[:-1]))[path[-1]]
    return value
