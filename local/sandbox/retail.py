"""Real data for the sandboxes: files in the form of the "Online Retail" data set.

Every `*.csv` and `*.csv.gz` of the folder is read: UTF-8, with the header
`InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country`. Each line is one
order line. `InvoiceDate` looks like `2010-12-01T08:26:00`; it has no zone and is read as UTC.

An invoice becomes an order, a stock code an SKU. An invoice number that begins with `C` is a
cancellation. Odd codes, zero and negative prices and negative quantities stay unchanged. A hash of the
invoice number assigns each invoice to a marketplace and an account, which takes the latest of its
invoices. All are moved by the same number of whole days, so that the last one falls on the day of
`until`, or on the day before if it would be later than `until`.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from local.sandbox.catalogue import DAY, Item, Line, Sale
from orchestrator.model.connection import MARKETPLACES

_FIRST_ITEM = 5_000_000
_HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


class DataInvalid(Exception):
    """The folder or one of its files does not have the expected form; the message names it."""


@dataclass(slots=True)
class _Invoice:
    number: str
    moment: int
    buyer: int
    lines: list[tuple[str, str, int, int]]


class Retail:
    """One account's share of the data.

    Args:
        folder: Holds the files.
        marketplace: The marketplace whose share to take.
        account: The seller whose share of that to take.
        accounts: Number of sellers in a marketplace.
        sales: The maximum number of orders; the latest are taken.
        items: The maximum number of products.
        until: Nothing is newer than this; Unix seconds.

    Raises:
        DataInvalid: The folder has no such file, or a file is not in this form.
    """

    currency = "GBP"

    def __init__(
        self,
        folder: Path,
        marketplace: str,
        account: int,
        accounts: int,
        *,
        sales: int,
        items: int,
        until: int,
    ) -> None:
        invoices = _read(folder)
        last = max(invoice.moment for invoice in invoices)
        shift = (until // DAY - last // DAY) * DAY
        self._shift = shift if last + shift <= until else shift - DAY
        share = MARKETPLACES.index(marketplace) * accounts + account
        shares = len(MARKETPLACES) * accounts
        mine = [each for each in invoices if zlib.crc32(each.number.encode()) % shares == share]
        self._invoices = mine[-sales:] if sales else []
        self._catalogue = _catalogue(mine)[:items]
        self._place = {code: index for index, (code, _, _) in enumerate(self._catalogue)}
        self._sale_places = {_sale_id(each.number): index for index, each in enumerate(self._invoices)}
        self.sales, self.items = len(self._invoices), len(self._catalogue)

    def times(self, index: int) -> tuple[int, int]:
        """Twice the invoice's time: it is not changed after its creation."""
        moment = self._invoices[index].moment + self._shift
        return moment, moment

    def sale(self, index: int) -> Sale:
        """The invoice as an order."""
        invoice = self._invoices[index]
        cancelled = invoice.number.startswith("C")
        moment = invoice.moment + self._shift
        return Sale(
            id=_sale_id(invoice.number),
            number=invoice.number,
            created=moment,
            updated=moment,
            state="cancelled" if cancelled else "shipped",
            lines=tuple(
                Line(self._place.get(code), code, title, quantity, price)
                for code, title, quantity, price in invoice.lines
            ),
            buyer=invoice.buyer,
        )

    def sale_index(self, sale_id: int) -> int | None:
        """The index of the invoice whose number gives this id."""
        return self._sale_places.get(sale_id)

    def item_index(self, item_id: int) -> int | None:
        """Ids are consecutive."""
        index = item_id - _FIRST_ITEM
        return index if 0 <= index < self.items else None

    def item(self, index: int) -> Item:
        """The stock code as a product, with its latest description and price."""
        code, title, price = self._catalogue[index]
        moment = self._invoices[0].moment + self._shift if self._invoices else 0
        return Item(
            id=_FIRST_ITEM + index,
            sku=code,
            title=title,
            price=price,
            list_price=None,
            barcode=None,
            status="active",
            variants=1,
            created=moment,
            updated=moment,
        )


def _sale_id(number: str) -> int:
    """A distinct number for each invoice number: `536365`, `C536379`, `A563185`."""
    letters = "".join(filter(str.isalpha, number))
    digits = int("".join(filter(str.isdigit, number)) or 0)
    return digits + 10_000_000 * (ord(letters[0].upper()) - 64 if letters else 0)


def _catalogue(invoices: Sequence[_Invoice]) -> list[tuple[str, str, int]]:
    """Code, latest description and latest price, in the order of the codes."""
    found: dict[str, tuple[str, int]] = {}
    for invoice in invoices:
        for code, title, _, price in invoice.lines:
            found[code] = (title or found.get(code, ("", 0))[0], price)
    return [(code, title, price) for code, (title, price) in sorted(found.items())]


def content(folder: Path) -> str:
    """A hash of the folder's files, for which their names count and the folder's place does not.

    Raises:
        DataInvalid: The folder has no such file, or one cannot be read.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        with _faults_of(path):
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def check(folder: Path) -> None:
    """Read every line once.

    Raises:
        DataInvalid: A file is not in this form; the message names the file and the line.
    """
    _read(folder)


@lru_cache(maxsize=1)
def _read(folder: Path) -> list[_Invoice]:
    """All invoices of the folder, oldest first."""
    invoices: dict[str, _Invoice] = {}
    for path in _files(folder):
        with _faults_of(path), _open(path) as file:
            reader = csv.DictReader(file)
            if ",".join(reader.fieldnames or ()) != _HEADER:
                raise DataInvalid(f"{path}: the first line must be {_HEADER}")
            for row in reader:
                try:
                    _add_line(invoices, row)
                except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
                    raise DataInvalid(
                        f"{path}, line {reader.line_num}: not an order line: {error}"
                    ) from error
    if not invoices:
        raise DataInvalid(f"{folder} has no order line")
    return sorted(invoices.values(), key=lambda each: (each.moment, each.number))


def _add_line(invoices: dict[str, _Invoice], row: dict[str, str]) -> None:
    number = row["InvoiceNo"]
    invoice = invoices.get(number)
    if invoice is None:
        moment = datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=UTC)
        buyer = int(row["CustomerID"] or 0)
        invoice = invoices[number] = _Invoice(number, int(moment.timestamp()), buyer, [])
    cents = int(Decimal(row["UnitPrice"]).scaleb(2).to_integral_value())
    invoice.lines.append((row["StockCode"], row["Description"], int(row["Quantity"]), cents))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataInvalid(f"{folder} is no folder")
    files = sorted(path for path in folder.glob("*") if path.name.endswith((".csv", ".csv.gz")))
    if not files:
        raise DataInvalid(f"{folder} has no *.csv or *.csv.gz file")
    return files


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Have the errors of a file that cannot be read name it."""
    try:
        yield
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise DataInvalid(f"{path} cannot be read: {error}") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
