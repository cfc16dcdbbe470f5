"""Article numbers: their kind is told by their form, not by the marketplace's field."""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestrator.marketplaces.unified.texts import clean
from orchestrator.model.records.record import Barcode, BarcodeKind

#: Lengths of GS1 numbers (GS1 General Specifications, chapter 3: GTIN-8, GTIN-12, GTIN-13, GTIN-14).
_GS1: dict[int, BarcodeKind] = {8: "ean", 12: "upc", 13: "ean", 14: "gtin"}
_ISBN_10 = re.compile(r"[0-9]{9}[0-9X]")
_ASIN = re.compile(r"B[0-9A-Z]{9}")


def barcodes_of(codes: Iterable[str | None]) -> tuple[Barcode, ...]:
    """The article numbers with their kinds, as listed, each once."""
    found = dict.fromkeys(code for each in codes if each and (code := clean(each)))
    return tuple(Barcode(kind=kind_of(code), value=code) for code in found)


def kind_of(code: str) -> BarcodeKind:
    """The kind of an article number; a number whose check digit is wrong is `other`."""
    plain = code.replace("-", "").replace(" ", "").upper()
    if not plain.isascii():
        return "other"
    if plain.isdigit() and len(plain) in _GS1 and _is_gs1(plain):
        return "isbn" if len(plain) == 13 and plain[:3] in {"978", "979"} else _GS1[len(plain)]
    if _ISBN_10.fullmatch(plain) and _is_isbn_10(plain):
        return "isbn"
    return "asin" if _ASIN.fullmatch(code) else "other"


def _is_gs1(digits: str) -> bool:
    """Whether the last digit is the check digit: weights 1 and 3 from the right make a multiple of ten."""
    return sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(reversed(digits))) % 10 == 0


def _is_isbn_10(digits: str) -> bool:
    """Whether the last digit is the check digit: weights 10 to 1 make a multiple of eleven."""
    values = (10 if digit == "X" else int(digit) for digit in digits)
    return sum(value * (10 - place) for place, value in enumerate(values)) % 11 == 0
