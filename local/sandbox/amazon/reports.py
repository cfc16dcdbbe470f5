"""Reports of Amazon's sandbox: the report of all listings, and its document on another host."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from local.sandbox.account import Account
from local.sandbox.amazon import fields
from local.sandbox.amazon.query import InvalidInput, Refused
from local.sandbox.catalogue import Item, iso
from local.sandbox.http import Reply, Request

#: Seconds that a document's URL is valid.
_URL_S = 300.0
_DOCUMENT_HOST = "tortuga-prod-eu.s3-eu-west-1.amazonaws.com"
_COLUMNS = ("item-name", "item-description", "listing-id", "seller-sku", "price", "quantity", "open-date")
_EXPIRED = (
    b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
)


@dataclass(slots=True)
class _Report:
    marketplace: str
    created_at: float
    polls: int = 0


class Reports:
    """One seller's reports."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._reports: dict[str, _Report] = {}

    def create(self, request: Request) -> dict[str, str]:
        """`createReport`.

        Raises:
            InvalidInput: Not the listings report of one marketplace.
        """
        try:
            wanted = msgspec.json.decode(request.body, type=dict[str, Any])
        except msgspec.DecodeError:
            raise InvalidInput("the body is not JSON") from None
        places = [name for name in fields.MARKETPLACES if wanted.get("marketplaceIds") == [name]]
        if wanted.get("reportType") != "GET_MERCHANT_LISTINGS_ALL_DATA" or not places:
            raise InvalidInput("the sandbox makes the listings report of one marketplace")
        report_id = f"{50_000 + len(self._reports)}"
        self._reports[report_id] = _Report(places[0], time.time())
        return {"reportId": report_id}

    def report(self, report_id: str) -> dict[str, Any]:
        """`getReport`: each call moves the report on, from queued to in progress to done.

        Raises:
            Refused: No such report.
        """
        report = self._reports.get(report_id)
        if report is None:
            raise Refused(404, "NotFound", "The report does not exist.")
        report.polls += 1
        status = ("IN_QUEUE", "IN_PROGRESS", "DONE")[min(report.polls, 3) - 1]
        if not any(self._listed(report.marketplace)):
            status = "CANCELLED"
        answer: dict[str, Any] = {
            "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA",
            "reportId": report_id,
            "marketplaceIds": [report.marketplace],
            "createdTime": iso(int(report.created_at)),
            "processingStatus": status,
        }
        if status == "DONE":
            answer["reportDocumentId"] = f"amzn1.spdoc.1.4.eu.{report_id}"
        return answer

    def document(self, document_id: str) -> dict[str, str]:
        """`getReportDocument`: a short-lived URL on another host.

        Raises:
            Refused: No such document.
        """
        report_id = document_id.rpartition(".")[2]
        if report_id not in self._reports:
            raise Refused(404, "NotFound", "The document does not exist.")
        expires_at = int(time.time() + _URL_S)
        signed = f"X-Amz-Expires=300&X-Amz-Date={expires_at}&X-Amz-Signature=sandbox%2B{self._account.number}"
        url = f"https://{_DOCUMENT_HOST}/%2FNinetyDays/{document_id}?{signed}"
        answer = {"reportDocumentId": document_id, "url": url}
        if self._account.number % 2 == 0:
            answer["compressionAlgorithm"] = "GZIP"
        return answer

    def download(self, request: Request, document_id: str) -> Reply:
        """The document: gzip and Windows-1252 if the account's number is even, else plain UTF-8."""
        report = self._reports.get(document_id.rpartition(".")[2])
        if report is None or int(request.one("X-Amz-Date", "0")) < time.time():
            return Reply(403, _EXPIRED, "application/xml")
        lines = ["\t".join(_COLUMNS)]
        for item in self._listed(report.marketplace):
            fields = (item.title, "", str(item.id), item.sku, f"{item.price / 100:.2f}", "", "")
            lines.append("\t".join(fields))
        text = "\r\n".join(lines) + "\r\n"
        if self._account.number % 2 == 0:
            body = gzip.compress(text.encode("cp1252", "replace"), mtime=0)
            return Reply(200, body, "text/plain;charset=Cp1252")
        return Reply(200, text.encode(), "text/plain")

    def _listed(self, marketplace: str) -> Iterator[Item]:
        items = map(self._account.item, self._account.listed())
        return (item for item in items if fields.marketplace(item.id) == marketplace)
