"""Decoding data from outside."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec

#: Errors for data that is not JSON (bad UTF-8, or nested too deeply) or of another type.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def exact(number: str) -> Decimal:
    """A JSON number with all its digits; a decoder's `float_hook`.

    Raises:
        ValidationError: Its exponent is too large for Python.
    """
    try:
        return Decimal(number)
    except InvalidOperation:
        raise msgspec.ValidationError("Number out of range") from None


def prepare() -> None:
    """Prepare all Struct types defined by now for use in threads; call it again after importing more."""
    kinds: list[type[msgspec.Struct]] = [msgspec.Struct]
    while kinds:
        for kind in kinds.pop().__subclasses__():
            msgspec.json.Decoder(kind)
            kinds.append(kind)
