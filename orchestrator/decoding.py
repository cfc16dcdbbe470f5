"""Decoding data from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

T = TypeVar("T")

#: Errors for data that is not JSON (bad UTF-8, or nested too deeply) or of another type.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

#: The most places in a text that are tried as the start of its JSON.
_PLACES = 1_000
_START = re.compile(rb"(?:\A|[\n>])\s*(?=[\[{])")
#: A bracket that is hardly the beginning of a word in a notice.
_LIKELY = re.compile(rb"\{\s*\"|\[\s*[\[{\"]")
#: msgspec's words for a good value with more text behind it.
_TRAILING = re.compile(r"trailing characters \(byte ([0-9]+)\)")
#: In lower case: the beginnings of a web page, and the elements whose content is not shown, with their ends.
_PAGE = (b"<!doctype", b"<html", b"<body")
_HIDING = ((b"<script", b"</script"), (b"<style", b"</style"), (b"<!--", b"-->"))
#: Escapes that are right, and halves of surrogate pairs that miss the other half.
_ESCAPE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u]|\\u(?![dD][89a-fA-F]))"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_CONTROLS = bytes(range(32))
#: Control characters as blanks: all, and all but those that structure a text.
_ALL_BLANK = bytes.maketrans(_CONTROLS, b" " * 32)
_BLANK = bytes.maketrans(_CONTROLS, bytes(each if each in b"\t\n\r" else 32 for each in _CONTROLS))


def exact(number: str) -> Decimal:
    """A JSON number with all its digits; a decoder's `float_hook`.

    Raises:
        ValidationError: Its exponent is too large for Python.
    """
    try:
        return Decimal(number)
    except InvalidOperation:
        raise msgspec.ValidationError("Number out of range") from None


def mended(body: bytes) -> bytes:
    """JSON in which only characters are wrong, with those replaced; the same object if none is.

    Bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD, control characters become blanks.
    """
    text = body
    if not text.isascii():
        text = text.decode(errors="replace").encode()
    if _HALF.search(text):
        text = _ESCAPE.sub(lambda found: found[1] or b"\\ufffd", text)
    if _CONTROL.search(text):
        text = text.translate(_BLANK)
    return body if text == body else text


def only_value(text: bytes, kind: type[T]) -> T:
    """The one JSON array or object of `kind` in a text: notices of PHP, marks and comments are around it.

    Raises:
        DecodeError: There is none, more than one, or it is a part of a web page.
        ValidationError: There is one value, of another kind.
    """
    text = text.removeprefix(b"\xef\xbb\xbf")
    try:
        return _only_value(text, kind)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # Ends of lines in strings; without them nothing tells where a value begins behind other text.
        return msgspec.json.decode(text.translate(_ALL_BLANK), type=kind)


def _only_value(text: bytes, kind: type[T]) -> T:
    lower = text.lower()
    found: list[T] = []
    refused: list[msgspec.ValidationError] = []
    for start, end in _values(text):
        if _is_hidden(lower, start):
            continue
        try:
            found.append(msgspec.json.decode(memoryview(text)[start:end], type=kind))
        except msgspec.ValidationError as error:
            refused.append(error)
        if len(found) > 1:
            break
    if len(found) == 1:
        return found[0]
    if len(refused) == 1 and not found:
        raise refused[0]
    raise msgspec.DecodeError(f"a text with {len(found) or 'no'} JSON value")


def _values(text: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each JSON array and object that begins a line of a text, or follows an element.

    Raises:
        DecodeError: One of them breaks off or is malformed: what follows may be inside its strings.
    """
    at, view = 0, memoryview(text)
    for _ in range(_PLACES):
        place = _START.search(text, at)
        if place is None:
            return
        start = at = place.end()
        try:
            msgspec.json.decode(view[start:], type=msgspec.Raw)
            at = len(text)
        except UNREADABLE as error:
            trailing = _TRAILING.search(str(error))
            if trailing is not None:
                at += len(text[start : start + int(trailing[1]) - 1].rstrip())
            elif _LIKELY.match(text, start):
                raise msgspec.DecodeError("malformed JSON") from None
        if at > start:
            yield start, at
        else:
            at += 1


def _is_hidden(lower: bytes, start: int) -> bool:
    """Whether the place in a text in lower case is in a web page, a script or a comment."""
    in_page = any(lower.find(mark, 0, start) >= 0 for mark in _PAGE)
    return in_page or any(
        lower.rfind(first, 0, start) > lower.rfind(last, 0, start) for first, last in _HIDING
    )


def numbered(rows: Mapping[str, T]) -> list[T]:
    """The values of an object whose keys are numbers: PHP sends a list so once its numbers have a gap.

    Raises:
        ValidationError: A key is not a number.
    """
    if not all(key.isascii() and key.isdigit() for key in rows):
        raise msgspec.ValidationError("Expected `array`, got `object`")
    return list(rows.values())


def prepare() -> None:
    """Prepare all Struct types defined by now for use in threads; call it again after importing more."""
    kinds: list[type[msgspec.Struct]] = [msgspec.Struct]
    while kinds:
        for kind in kinds.pop().__subclasses__():
            msgspec.json.Decoder(kind)
            kinds.append(kind)
