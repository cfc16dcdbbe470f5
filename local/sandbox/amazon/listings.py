"""Listings of Amazon's sandbox: searches with their ceiling, single listings, and the report of all."""

from __future__ import annotations

import gzip
import time
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from local.sandbox.account import Account
from local.sandbox.amazon import rows
from local.sandbox.amazon.query import InvalidInput, Refused, csv, instant, made, number, opened
from local.sandbox.http import Reply, Request

PAGE_SIZE, CEILING = 20, 1000
_INCLUDED = frozenset(
    {
        *("summaries", "attributes", "issues", "offers", "fulfillmentAvailability", "procurement"),
        *("relationships", "productTypes"),
    }
)
_FREE = ("pageSize", "includedData")
_TOKEN_S = 3600.0
#: Seconds that a document's URL lives.
_URL_S = 300.0
_DOCUMENT_HOST = "tortuga-prod-eu.s3-eu-west-1.amazonaws.com"
_COLUMNS = ("item-name", "item-description", "listing-id", "seller-sku", "price", "quantity", "open-date")
_EXPIRED = (
    b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
)


@dataclass(slots=True)
class _Report:
    marketplace: str
    made_at: float
    polls: int = 0


class Listings:
    """One seller's."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._sorted: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._by_sku = {account.item(index).sku: index for index in range(account.items)}
        self._reports: dict[str, _Report] = {}

    def search(self, request: Request) -> dict[str, Any]:
        """`searchListingsItems`."""
        places = csv(request, "marketplaceIds", rows.MARKETPLACES)
        if len(places) != 1:
            raise InvalidInput("marketplaceIds takes one marketplace")
        if request.one("sortBy", "lastUpdatedDate") != "lastUpdatedDate":
            raise InvalidInput("sortBy: the sandbox sorts by lastUpdatedDate")
        size = number(request, "pageSize", 10, PAGE_SIZE)
        pairs = self._chosen(request, places[0])
        found, read = [pair for pair in pairs if pair[1] not in self._account.vanished], 0
        if request.one("sortOrder", "DESC") == "DESC":
            found.reverse()
        token = opened(request, "pageToken", _FREE, 3, _TOKEN_S)
        start = 0
        if token:
            read, last = token[0], (token[1], token[2])
            start = next((place for place, pair in enumerate(found) if pair > last), len(found))
            if request.one("sortOrder", "DESC") == "DESC":
                start = next((place for place, pair in enumerate(found) if pair < last), len(found))
        shown = found[start : start + min(size, CEILING - read)]
        read += len(shown)
        included = csv(request, "includedData", _INCLUDED) or ["summaries"]
        items = [rows.listing(self._account, self._account.item(index), included) for _, index in shown]
        if request.malformed:
            items.insert(len(items) // 2, _MALFORMED)
        answer: dict[str, Any] = {"numberOfResults": len(found), "items": items}
        if start + len(shown) < len(found) and read < CEILING:
            following = made(request, "pageToken", _FREE, [read, *shown[-1]])
            answer["pagination"] = {"nextToken": following}
        return answer

    def one(self, request: Request, sku: str) -> dict[str, Any]:
        """`getListingsItem`."""
        place = csv(request, "marketplaceIds", rows.MARKETPLACES)[:1]
        index = self._by_sku.get(unquote(sku))
        if index is None or index in self._account.vanished or place != [self._place(index)]:
            raise Refused(404, "NOT_FOUND", "SKU not found in the marketplace.")
        included = csv(request, "includedData", _INCLUDED) or ["summaries"]
        return rows.listing(self._account, self._account.item(index), included)

    def _chosen(self, request: Request, place: str) -> list[tuple[int, int]]:
        """Modification time and index of the items that a query wants, ascending."""
        account = self._account
        if request.one("identifiers"):
            if request.one("identifiersType") != "SKU" or len(csv(request, "identifiers")) > PAGE_SIZE:
                raise InvalidInput(f"identifiers takes {PAGE_SIZE} of identifiersType SKU")
            named = [self._by_sku[sku] for sku in csv(request, "identifiers") if sku in self._by_sku]
            return sorted(
                (account.item(index).updated, index) for index in named if self._place(index) == place
            )
        since = instant(request, "lastUpdatedAfter") or 0
        until = instant(request, "lastUpdatedBefore")
        if until is not None and until < since:
            raise InvalidInput("lastUpdatedBefore is before lastUpdatedAfter")
        latest = int(time.time() - request.late_s) if request.late_s else 1 << 40
        until = min(latest, 1 << 40 if until is None else until)
        key = (account.changes, list(rows.MARKETPLACES).index(place))
        if key not in self._sorted:
            self._sorted = {
                (account.changes, number): [
                    pair for pair in account.items_from(0) if self._place(pair[1]) == name
                ]
                for number, name in enumerate(rows.MARKETPLACES)
            }
        pairs = self._sorted[key]
        return pairs[bisect_left(pairs, (since, 0)) : bisect_left(pairs, (until + 1, 0))]

    def _place(self, index: int) -> str:
        return rows.marketplace(self._account.item(index).id)

    def create_report(self, request: Request) -> dict[str, str]:
        """`createReport`."""
        try:
            wanted = msgspec.json.decode(request.body, type=dict[str, Any])
        except msgspec.DecodeError:
            raise InvalidInput("the body is not JSON") from None
        places = [name for name in rows.MARKETPLACES if wanted.get("marketplaceIds") == [name]]
        if wanted.get("reportType") != "GET_MERCHANT_LISTINGS_ALL_DATA" or not places:
            raise InvalidInput("the sandbox makes the listings report of one marketplace")
        report_id = f"{50_000 + len(self._reports)}"
        self._reports[report_id] = _Report(places[0], time.time())
        return {"reportId": report_id}

    def report(self, report_id: str) -> dict[str, Any]:
        """`getReport`: queued, in progress, done, whenever it is asked for."""
        report = self._reports.get(report_id)
        if report is None:
            raise Refused(404, "NotFound", "The report does not exist.")
        report.polls += 1
        answer: dict[str, Any] = {
            "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA",
            "reportId": report_id,
            "marketplaceIds": [report.marketplace],
            "createdTime": rows.iso(int(report.made_at)),
            "processingStatus": ("IN_QUEUE", "IN_PROGRESS", "DONE")[min(report.polls, 3) - 1],
        }
        listed = any(self._place(index) == report.marketplace for index in self._account.listed())
        if not listed:
            answer["processingStatus"] = "CANCELLED"
        if answer["processingStatus"] == "DONE":
            answer["reportDocumentId"] = f"amzn1.spdoc.1.4.eu.{report_id}"
        return answer

    def document(self, document_id: str) -> dict[str, str]:
        """`getReportDocument`: a URL on another host, which soon dies."""
        report_id = document_id.rpartition(".")[2]
        if report_id not in self._reports:
            raise Refused(404, "NotFound", "The document does not exist.")
        dies = int(time.time() + _URL_S)
        signed = f"X-Amz-Expires=300&X-Amz-Date={dies}&X-Amz-Signature=sandbox%2B{self._account.number}"
        url = f"https://{_DOCUMENT_HOST}/%2FNinetyDays/{document_id}?{signed}"
        answer = {"reportDocumentId": document_id, "url": url}
        if self._account.number % 2 == 0:
            answer["compressionAlgorithm"] = "GZIP"
        return answer

    def download(self, request: Request, document_id: str) -> Reply:
        """The document: gzip and Windows-1252 where the account's number is even, else plain UTF-8."""
        report = self._reports.get(document_id.rpartition(".")[2])
        if report is None or int(request.one("X-Amz-Date", "0")) < time.time():
            return Reply(403, _EXPIRED, "application/xml")
        lines = ["\t".join(_COLUMNS)]
        for index in self._account.listed():
            item = self._account.item(index)
            if self._place(index) == report.marketplace:
                fields = (item.title, "", str(item.id), item.sku, f"{item.price / 100:.2f}", "", "")
                lines.append("\t".join(fields))
        text = "\r\n".join(lines) + "\r\n"
        if self._account.number % 2 == 0:
            body = gzip.compress(text.encode("cp1252", "replace"), mtime=0)
            return Reply(200, body, "text/plain;charset=Cp1252")
        return Reply(200, text.encode(), "text/plain")


#: A listing of which only the SKU can be read.
_MALFORMED = {
    "sku": "SKU-MALFORMED",
    "summaries": [{"lastUpdatedDate": "yesterday"}],
    "fulfillmentAvailability": [{"quantity": "many"}],
}
