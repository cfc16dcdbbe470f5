"""Reading values as marketplaces write them: exact money, aware UTC times, ids as strings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Annotated

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.model.record import Money

#: An instant with its offset, as JSON text.
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
#: An id that some write as a number and some as text.
Id = str | int
#: An amount as text or number; never a float.
Amount = str | int | Decimal
#: A number of pieces; sums of several still fit the 64 bits that a store has for one.
Pieces = Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15)]

# ISO 4217, list one of 2026-01-01: currencies whose minor unit is not two decimals.
_DECIMALS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX"), 0),
    **dict.fromkeys(("UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
#: Digits before and after the point that an amount may have.
_MAX_DIGITS = 18
#: Room for sums of such amounts; Python's own 28 digits would round them.
EXACT = Context(prec=64)


def money(amount: Amount, currency: str) -> Money:
    """An exact amount with at least the currency's own decimals; none that counts is cut off.

    Raises:
        RecordInvalid: Not a finite number of reasonable size, or not a currency code.
    """
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise RecordInvalid("currency is not an ISO 4217 code")
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise RecordInvalid("amount is not a number") from None
    # Before it is written out: "1e999999" is short here and a megabyte there.
    if not value.is_finite() or value.adjusted() >= _MAX_DIGITS:
        raise RecordInvalid("amount is not a finite number of reasonable size")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_MAX_DIGITS:
        raise RecordInvalid("amount has too many decimals")
    whole, _, fraction = f"{value:f}".partition(".")
    fraction = fraction.rstrip("0").ljust(_DECIMALS.get(currency, 2), "0")
    text = f"{whole}.{fraction}" if fraction else whole
    return Money(text.removeprefix("-") if value == 0 else text, currency)


def sum_of(amounts: Iterable[Amount], currency: str) -> Money:
    """The exact sum of amounts.

    Raises:
        RecordInvalid: One of them, or their sum, is none that `money` takes.
    """
    found = Decimal(0)
    for amount in amounts:
        found = EXACT.add(found, Decimal(money(amount, currency).amount))
    return money(found, currency)


def whole_number(number: int | Decimal) -> int:
    """A number of pieces that may be written with decimals.

    Raises:
        RecordInvalid: It is not a whole number, or not one of reasonable size.
    """
    # Before it is written out: "1e999999999" would take all memory as an integer.
    if isinstance(number, Decimal) and not (number.is_finite() and number.adjusted() < _MAX_DIGITS):
        raise RecordInvalid("a quantity is not a number of reasonable size")
    if number != int(number):
        raise RecordInvalid("a quantity is not a whole number")
    return int(number)


def utc(value: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        RecordInvalid: It lies outside the years 1 to 9999 there.
    """
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise RecordInvalid("a time is out of range") from None


def optional_utc(value: datetime | None) -> datetime | None:
    """The same instant in UTC, or None."""
    return None if value is None else utc(value)
