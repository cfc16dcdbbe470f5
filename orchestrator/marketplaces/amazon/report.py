"""Amazon's listings report: every SKU of a marketplace, of any number.

Source: the published model of the Reports API 2021-06-30; columns and encodings as public clients
meet them; read 2026-11-23. Facts that this module depends on:

- Amazon makes a report in the background: it is asked for, waited for, and downloaded from another host.
- `CANCELLED` can mean that there is no data, or that somebody cancelled it.
- The URL of a document expires after 5 minutes: it is asked for right before the download.
- The encoding differs by region, and a Japanese report has Japanese column names.
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from datetime import timedelta
from gzip import GzipFile
from itertools import islice
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from orchestrator.errors import MarketplaceUnavailable, ResponseInvalid
from orchestrator.marketplaces.amazon.api import Batch, Seller, ask
from orchestrator.marketplaces.response import Response
from orchestrator.marketplaces.spec import Session
from orchestrator.marketplaces.values import Instant

_REPORTS = "/reports/2021-06-30"
_TYPE = "GET_MERCHANT_LISTINGS_ALL_DATA"
#: The most SKUs that one call may name.
BATCH = 20
#: A report that takes longer is abandoned.
PATIENCE = timedelta(hours=6)
_SKU_COLUMNS = ("seller-sku", "出品者SKU")
#: The longest line of a report; descriptions are the longest field.
_MAX_LINE = 1024 * 1024
#: The largest report, unpacked: more than a million listings.
_MAX_UNPACKED = 2 * 1024 * 1024 * 1024


class Report(msgspec.Struct, rename="camel"):
    """The state of a report that was asked for."""

    processing_status: str
    created_time: Instant
    report_document_id: str | None = None

    @property
    def is_lost(self) -> bool:
        """Whether Amazon has ended without a document."""
        return self.processing_status in ("CANCELLED", "FATAL")


class _Created(msgspec.Struct, rename="camel"):
    report_id: str


class _Document(msgspec.Struct, rename="camel"):
    url: str
    compression_algorithm: str | None = None


def create(session: Session[Seller], marketplace: str) -> str:
    """Ask for a report; returns its id."""
    wanted = {"reportType": _TYPE, "marketplaceIds": [marketplace]}
    return ask(session, "create_report", f"{_REPORTS}/reports", _Created, json=wanted).report_id


def status(session: Session[Seller], report_id: str) -> Report:
    """The report's present state."""
    return ask(session, "report", f"{_REPORTS}/reports/{quote(report_id, safe='')}", Report)


def batch(session: Session[Seller], document_id: str, first: int) -> list[str]:
    """The next SKUs of a report from the row `first` on, empty at its end; downloaded once a session.

    Raises:
        ResponseInvalid: Not a listings report.
    """
    kept = session.settings.report
    if kept is not None and (kept.document_id, kept.first) == (document_id, first):
        return kept.skus
    if kept is not None and (kept.document_id, kept.first + len(kept.skus)) == (document_id, first):
        rows = kept.rest
    else:
        rows = islice(_download(session, document_id), first, None)
    found = list(islice(rows, BATCH))
    session.settings.report = Batch(document_id, first, found, rows)
    return found


def _download(session: Session[Seller], document_id: str) -> Iterator[str]:
    found = ask(session, "document", f"{_REPORTS}/documents/{quote(document_id, safe='')}", _Document)
    is_compressed = found.compression_algorithm is not None
    parts = urlsplit(found.url)
    response = session.client.request(
        "download",
        f"{parts.scheme}://{parts.netloc}{parts.path}",
        lambda answer: _complete(answer) if is_compressed else answer,
        params=parse_qsl(parts.query, keep_blank_values=True),
        authenticated=False,
        # The URL has expired: the stream's next attempt asks for another one.
        errors={403: MarketplaceUnavailable},
    )
    packed = io.BytesIO(response.body)
    file: io.BufferedIOBase = GzipFile(fileobj=packed) if is_compressed else packed
    return _skus(file, _charset(response.headers.get("Content-Type", "")))


def _complete(answer: Response) -> Response:
    """The answer, after a check that it can be unpacked; unpacked, it may be too large for memory."""
    try:
        with GzipFile(fileobj=io.BytesIO(answer.body)) as file:
            unpacked = 0
            while part := file.read(_MAX_LINE):
                unpacked += len(part)
                if unpacked > _MAX_UNPACKED:
                    raise ResponseInvalid(f"amazon download: the report is larger than {_MAX_UNPACKED} bytes")
    except (OSError, EOFError, zlib.error):
        raise MarketplaceUnavailable("amazon download: the report's document is truncated") from None
    return answer


def _skus(file: io.BufferedIOBase, charset: str | None) -> Iterator[str]:
    names = _fields(file.readline(_MAX_LINE).removeprefix(codecs.BOM_UTF8), charset)
    column = next((names.index(name) for name in _SKU_COLUMNS if name in names), None)
    if column is None:
        raise ResponseInvalid("amazon download: the report has no column seller-sku")
    while line := file.readline(_MAX_LINE):
        fields = _fields(line, charset)
        if len(fields) > column and fields[column]:
            yield fields[column]


def _fields(line: bytes, charset: str | None) -> list[str]:
    text = line.rstrip(b"\r\n")
    if charset is not None:
        return text.decode(charset, "replace").split("\t")
    try:
        return text.decode().split("\t")
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace").split("\t")


def _charset(content_type: str) -> str | None:
    """The encoding that the answer names, if Python knows it."""
    name = content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    try:
        return codecs.lookup(name).name if name else None
    except LookupError:
        return None
