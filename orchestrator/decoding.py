"""Decoding what comes from outside."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec

#: It is not JSON (bad UTF-8, or nested without end), or not of the type it should be.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def exact(number: str) -> Decimal:
    """A JSON number with the digits it has: what a decoder's `float_hook` takes.

    Raises:
        ValidationError: Its exponent is beyond what Python can hold.
    """
    try:
        return Decimal(number)
    except InvalidOperation:
        raise msgspec.ValidationError("Number out of range") from None


def prepare() -> None:
    """Make all Struct types that are defined by now ready; call it again after importing more."""
    kinds: list[type[msgspec.Struct]] = [msgspec.Struct]
    while kinds:
        for kind in kinds.pop().__subclasses__():
            msgspec.json.Decoder(kind)
            kinds.append(kind)
