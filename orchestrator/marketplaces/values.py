"""Reading values as marketplaces write them: exact money, aware UTC times, ids as strings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RecordInvalid
from orchestrator.model.record import Money, Quantity, Warnings

T = TypeVar("T")

#: An instant with its offset, as JSON text.
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
#: An id, which some marketplaces write as a number and some as text.
Id = str | int
#: An amount as text or number; never a float.
Amount = str | int | Decimal
#: A number of pieces; the sum of several still fits the store's 64 bits.
Pieces = Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15)]

# ISO 4217, list one of 2026-01-01: currencies whose minor unit does not have two decimals.
_DECIMALS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX"), 0),
    **dict.fromkeys(("UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
#: The most digits of an amount before the point, and after it.
_MAX_DIGITS = 18
#: Room for sums of such amounts; Python's own 28 digits would round them.
EXACT = Context(prec=64)


def money(amount: Amount, currency: str) -> Money:
    """An exact amount with at least the currency's own decimals; only zeros at its end are dropped.

    Raises:
        RecordInvalid: Not a finite number of reasonable size, or not a currency code.
    """
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise RecordInvalid("currency is not an ISO 4217 code")
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise RecordInvalid("amount is not a number") from None
    # Checked before formatting: "1e999999" is short here and a megabyte as digits.
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
        RecordInvalid: `money` refuses one of them, or their sum.
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
    # Checked before converting: as an integer "1e999999999" would take all memory.
    if isinstance(number, Decimal) and not (number.is_finite() and number.adjusted() < _MAX_DIGITS):
        raise RecordInvalid("a quantity is not a number of reasonable size")
    if number != int(number):
        raise RecordInvalid("a quantity is not a whole number")
    return int(number)


def quantity(number: int | Decimal) -> Quantity:
    """A number of pieces: an integer if it is whole, else its exact decimal notation ("1.52").

    Raises:
        RecordInvalid: It is not a number of reasonable size.
    """
    if isinstance(number, int):
        number = Decimal(number)
    # Checked before converting: as an integer "1e999999999" would take all memory.
    if not number.is_finite() or number.adjusted() >= _MAX_DIGITS:
        raise RecordInvalid("a quantity is not a number of reasonable size")
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_MAX_DIGITS:
        raise RecordInvalid("a quantity has too many decimals")
    return int(number) if number == int(number) else f"{number:f}".rstrip("0")


class Details:
    """Reads details that a record can be without: an unreadable one is None and named in `warnings`.

    For money and quantities that a record stands for (an order's total, a level's stock), use `money` and
    `quantity`, which refuse the record instead.
    """

    def __init__(self) -> None:
        self._unread: dict[str, None] = {}

    @property
    def warnings(self) -> Warnings:
        """The names of the unreadable details, each once, in reading order; unset if there are none."""
        return tuple(self._unread) or msgspec.UNSET

    def read(self, name: str, reader: Callable[[], T]) -> T | None:
        """A detail as `reader` finds it; None with a warning if `reader` cannot understand it."""
        try:
            return reader()
        except (RecordInvalid, *UNREADABLE):
            self._unread[name] = None
            return None

    def money(self, name: str, amount: object, currency: object) -> Money | None:
        """An amount of any JSON type; None without a warning if there is none (null or empty text)."""
        if amount is None or amount == "":
            return None

        def reader() -> Money:
            code = msgspec.convert(currency, str).strip().upper()
            # msgspec has no union of text and Decimal. A float has lost digits already.
            if isinstance(amount, bool) or not isinstance(amount, str | int | Decimal):
                raise RecordInvalid("amount is not a number")
            return money(amount, code)

        return self.read(name, reader)


def utc(value: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        RecordInvalid: In UTC it is outside the years 1 to 9999.
    """
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise RecordInvalid("a time is out of range") from None


def optional_utc(value: datetime | None) -> datetime | None:
    """The same instant in UTC, or None."""
    return None if value is None else utc(value)


def whole_second(moment: datetime, *, rounded_up: bool = False) -> str:
    """A time as ISO 8601 in UTC and whole seconds, such as 2026-11-23T06:00:00Z."""
    if rounded_up:
        moment += timedelta(microseconds=999_999)
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def joined(*parts: str | None) -> str | None:
    """The lines of a street as one text; None if all are empty."""
    return ", ".join(filter(None, parts)) or None


def id_reader(read: Callable[[bytes], str]) -> Callable[[bytes], str | None]:
    """`read`, which finds a record's id, with None for a record that it cannot read."""

    def record_id(raw: bytes) -> str | None:
        try:
            return read(raw)
        except (*UNREADABLE, RecordInvalid):
            return None

    return record_id


def id_at(*path: str, kind: object = Id) -> Callable[[bytes], str | None]:
    """A reader of the id in one field of a JSON record, which looks at no other field.

    Args:
        path: The field's name, after the names of the objects around it.
        kind: The type of the field; a record with another type has no readable id.
    """
    form: Any = kind
    for name in reversed(path):
        form = msgspec.defstruct("OnlyId", [("field", form, msgspec.field(name=name))])
    # Made here, before any thread decodes (see orchestrator/decoding.py).
    decoder = msgspec.json.Decoder(form)

    def read(raw: bytes) -> str:
        found = decoder.decode(raw)
        for _ in path:
            found = found.field
        return str(found)

    return id_reader(read)
