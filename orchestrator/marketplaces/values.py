"""Reading values as marketplaces write them: exact money, aware UTC times, ids as strings."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Annotated, Any, ParamSpec, TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE, exact, numbered
from orchestrator.errors import RecordInvalid
from orchestrator.model.records.record import Money, Quantity, Warnings

T = TypeVar("T")
P = ParamSpec("P")

#: An instant with its offset, as JSON text.
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
#: An id, which some marketplaces write as a number and some as text.
Id = str | int
#: An amount as text or number; never a float.
Amount = str | int | Decimal
#: A number as JSON number or text, with all its digits.
Number = int | Decimal
#: A detail of any JSON type, for `Details` to read.
Detail = msgspec.Raw
NO_DETAIL = msgspec.Raw(b"null")
#: A list that PHP may send as an object with numbered keys; `listed` reads it.
Many = list[T] | dict[str, T]
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
#: The most characters of an amount as text, and of a currency; blanks and zeros around it count.
_MOST_CHARACTERS = 100
#: An amount with more digits after the point, in its parts.
_TOO_FINE = ("0", ".", "0" * (_MAX_DIGITS + 1))
#: The same for pieces: the sum of several still fits the store's 64 bits.
_MAX_PIECES_DIGITS = 16
_MAX_PIECES = 10**_MAX_PIECES_DIGITS
#: Digits of a number that may have been written from a binary fraction, and of one that a person wrote.
_NOISE_DIGITS, _MEANT_DIGITS = 16, 12
_BINARY = Context(prec=15)
#: Room for sums of such amounts; Python's own 28 digits would round them.
EXACT = Context(prec=64)

#: HTML that shows no text, tags that separate words, and tags.
_UNSEEN = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|hr|/?(?:p|div|li|ul|ol|h[1-6]|tr|td|th|table))(?:\s[^<>]*)?/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
#: The most characters of a word in a warning.
_NAMED_WORD = 60
_UNREADABLE = object()
_NOT_UNDERSTOOD = (RecordInvalid, *UNREADABLE)
_AMOUNTS = frozenset({str, int, Decimal})
# Made here, before any thread decodes (see orchestrator/decoding.py).
_any = msgspec.json.Decoder(float_hook=exact)


# Orders repeat their amounts: zeros, prices, sums of one line.
@functools.lru_cache(maxsize=4_096)
def money(amount: Amount, currency: str) -> Money:
    """An exact amount with at least the currency's own decimals; only zeros at its end are dropped.

    A currency in lower case is the same currency.

    Raises:
        RecordInvalid: Not a finite number of reasonable size, or not a currency code.
    """
    # The cache keeps what it is called with while the process lives: refused before it may be megabytes.
    if len(currency) > _MOST_CHARACTERS or (isinstance(amount, str) and len(amount) > _MOST_CHARACTERS):
        raise RecordInvalid("an amount or its currency is too long")
    currency = currency.strip().upper() if currency.isascii() else currency
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise RecordInvalid("currency is not an ISO 4217 code")
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise RecordInvalid("amount is not a number") from None
    # Checked before formatting: "1e999999" and "1e-999999" are short here and a megabyte as digits.
    if not value.is_finite() or value.adjusted() >= _MAX_DIGITS:
        raise RecordInvalid("amount is not a finite number of reasonable size")
    whole, _, fraction = f"{value:f}".partition(".") if value.adjusted() >= -_MAX_DIGITS else _TOO_FINE
    if len(fraction) > _MAX_DIGITS:
        raise RecordInvalid("amount has too many decimals")
    fraction = fraction.rstrip("0").ljust(_DECIMALS.get(currency, 2), "0")
    text = f"{whole}.{fraction}" if fraction else whole
    return Money(text if value else text.removeprefix("-"), currency)


def total_of(numbers: Iterable[Decimal]) -> Decimal:
    """The sum of numbers with all their digits: Python's own operators keep 28."""
    return functools.reduce(EXACT.add, numbers, Decimal(0))


def sum_of(amounts: Iterable[Amount], currency: str) -> Money:
    """The exact sum of amounts.

    Raises:
        RecordInvalid: `money` refuses one of them, or their sum.
    """
    found = total_of(Decimal(money(str(amount), currency).amount) for amount in amounts)
    return money(str(found), currency)


def quantity(number: Number | str) -> Quantity:
    """A number of pieces: an integer if it is whole, else its exact decimal notation ("1.52").

    Raises:
        RecordInvalid: It is not a number of reasonable size.
    """
    if type(number) is int and -_MAX_PIECES < number < _MAX_PIECES:
        return number
    value = without_noise(number) if isinstance(number, Decimal) else Decimal(number)
    # Checked before converting: as an integer "1e999999999" would take all memory.
    if not value.is_finite() or value.adjusted() >= _MAX_PIECES_DIGITS:
        raise RecordInvalid("a quantity is not a number of reasonable size")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_MAX_DIGITS:
        raise RecordInvalid("a quantity has too many decimals")
    whole = int(value)
    return whole if value == whole else f"{value:f}".rstrip("0")


def number_of(pieces: Quantity) -> Number:
    """A number of pieces as a number: an integer stays one, because nearly all are whole."""
    return pieces if isinstance(pieces, int) else Decimal(pieces)


def less(whole: Number, part: Number) -> Number:
    """The exact difference of two numbers of pieces."""
    if isinstance(whole, int) and isinstance(part, int):
        return whole - part
    return EXACT.subtract(whole, part)


def total_quantity(*parts: Number | str) -> Quantity:
    """The exact sum of numbers of pieces.

    Raises:
        RecordInvalid: `quantity` refuses one of them, or their sum.
    """
    found: Number = 0
    for part in parts:
        pieces = number_of(quantity(part))
        both_whole = isinstance(found, int) and isinstance(pieces, int)
        found = found + pieces if both_whole else EXACT.add(found, pieces)
    return quantity(found)


def without_noise(number: Decimal) -> Decimal:
    """A JSON number as the binary fraction was meant that it is written from: 14.309999999999999 is 14.31.

    Such a fraction is exact to 15 digits. A number that has no shorter form within those stays as it is.
    """
    # A text as short as this has fewer digits; counting them takes four times as long.
    if len(str(number)) < _NOISE_DIGITS or not number.is_finite():
        return number
    if len(number.as_tuple().digits) < _NOISE_DIGITS:
        return number
    meant = _BINARY.plus(number).normalize(_BINARY)
    return meant if len(meant.as_tuple().digits) <= _MEANT_DIGITS else number


def listed(rows: Many[T]) -> list[T]:
    """A list, also if it is sent as an object with numbered keys.

    Raises:
        ValidationError: A key is not a number.
    """
    return rows if isinstance(rows, list) else numbered(rows)


class Details:
    """Reads details that a record can do without: an unreadable one is None and named in `warnings`.

    A detail is declared as `Annotated[object, Kind]` for `typed_rows.Rows`, or as `Detail`, which takes any
    JSON value. Money and quantities that a record stands for (an order's total, a line's quantity, a level's
    stock) are no details: `money` and `quantity` refuse the record instead.
    """

    def __init__(self) -> None:
        self._unread: dict[str, None] = {}

    @property
    def warnings(self) -> Warnings:
        """The names of the unreadable details, each once, in reading order."""
        return tuple(self._unread)

    def note(self, name: str) -> None:
        """Name a detail that is incomplete, or that was asked for and did not come."""
        self._unread[name] = None

    def unknown(self, name: str, word: str) -> None:
        """Name a word of the marketplace's that has no meaning here."""
        self._unread[f'{name} "{word[:_NAMED_WORD]}"'] = None

    def read(self, name: str, reader: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """A detail as `reader` finds it with these arguments; None with a warning if it is not understood."""
        try:
            return reader(*args, **kwargs)
        except _NOT_UNDERSTOOD:
            self._unread[name] = None
            return None

    # An order has some seventy details: the methods below call nothing that they can do without.

    def money(self, name: str, amount: object, currency: object) -> Money | None:
        """An amount, as text or number, of a currency; None without a warning if there is none."""
        plain = amount if type(amount) is str else _plain(amount)
        if _is_nothing(plain):
            return None
        code = currency if type(currency) is str else _plain(currency)
        try:
            if type(plain) not in _AMOUNTS:
                raise RecordInvalid("amount is not a number")
            if type(code) is not str:
                raise RecordInvalid("currency is not an ISO 4217 code")
            # As text: the hash of a new Decimal, by which `money` finds an amount, takes longer.
            return money(str(without_noise(plain)) if type(plain) is Decimal else plain, code)
        except _NOT_UNDERSTOOD:
            self._unread[name] = None
            return None

    def quantity(self, name: str, number: object) -> Quantity | None:
        """A number of pieces, as number or text; None without a warning if there is none."""
        if type(number) is int and -_MAX_PIECES < number < _MAX_PIECES:
            return number
        plain = _plain(number)
        if _is_nothing(plain):
            return None
        try:
            return quantity(msgspec.convert(plain, Number))
        except _NOT_UNDERSTOOD:
            self._unread[name] = None
            return None

    def text(self, name: str, text: object) -> str | None:
        """A text, or a number in its notation; None without a warning if there is none."""
        plain = text if type(text) is str else _plain(text)
        if type(plain) is str:
            return plain if plain.strip() else None
        if plain is None or plain is False:
            return None
        if type(plain) is int or type(plain) is Decimal:
            return str(plain)
        self._unread[name] = None
        return None

    def flag(self, name: str, value: object) -> bool | None:
        """Yes or no; None without a warning if it is not told."""
        plain = _plain(value)
        if plain is None or plain is True or plain is False:
            return plain
        self._unread[name] = None
        return None

    def moment(self, name: str, value: object) -> datetime | None:
        """A time with its offset, in UTC; None without a warning if there is none."""
        try:
            return optional_utc(value if type(value) is datetime else self._converted(name, value, Instant))
        except RecordInvalid:
            self._unread[name] = None
            return None

    def part(self, name: str, value: Any, kind: type[T]) -> T | None:
        """A value of `kind`; None without a warning if there is none, such as PHP's `[]` for an object."""
        found: T | None = value
        # Decoded with its row, as `kind` or with the details of that as well.
        is_decoded = value is None or kind in type(value).__mro__
        return found if is_decoded else self._converted(name, value, kind)

    def _converted(self, name: str, value: object, kind: type[T]) -> T | None:
        plain = _plain(value)
        if _is_nothing(plain) or plain in (False, []):
            return None
        try:
            return msgspec.convert(plain, kind)
        except _NOT_UNDERSTOOD:
            self._unread[name] = None
            return None

    def items(self, name: str, value: object, kind: type[T]) -> list[T] | None:
        """A list of `kind`, empty if there is none; None with a warning if one of its items is unreadable."""
        plain = value if type(value) is list else _plain(value)
        if plain == [] or plain is False or _is_nothing(plain):
            return []
        if type(plain) is list and kind in type(plain[0]).__mro__ and len({*map(type, plain)}) == 1:
            return plain  # such as those that were decoded with their row
        try:
            rows = numbered(plain) if isinstance(plain, dict) else plain
            if not isinstance(rows, list):
                raise RecordInvalid("a list is none")
            # One by one: a conversion to a list of a variable's type takes several times as long.
            return [msgspec.convert(row, kind) for row in rows]
        except _NOT_UNDERSTOOD:
            self._unread[name] = None
            return None


def _plain(value: object) -> object:
    """A detail's value, with exact numbers."""
    if type(value) is msgspec.Raw:
        try:
            return _any.decode(value)
        except UNREADABLE:
            return _UNREADABLE
    return Decimal(repr(value)) if type(value) is float else value


def _is_nothing(plain: object) -> bool:
    return plain is None or (type(plain) is str and not plain.strip())


def plain_text(markup: str) -> str:
    """A text that may be HTML, such as a title, as plain text; one without HTML stays as it is.

    Spaces and line ends mean nothing among tags. A text without tags keeps them, as a buyer's note needs its
    lines: only its entities are decoded.
    """
    if "<" not in markup and "&" not in markup:
        return markup
    seen = _TAG.sub("", _BREAK.sub(" ", _UNSEEN.sub("", markup)))
    if seen == markup:
        return html.unescape(markup).replace("\xa0", " ")
    return " ".join(html.unescape(seen).split())


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
