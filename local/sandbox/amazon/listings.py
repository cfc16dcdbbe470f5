"""Listings of Amazon's sandbox: searches up to their ceiling, and single listings."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any
from urllib.parse import unquote

from local.sandbox.account import Account
from local.sandbox.amazon import fields, rows
from local.sandbox.amazon.query import InvalidInput, Refused, csv, instant, new_token, number, read_token
from local.sandbox.http import NEVER, Request

PAGE_SIZE, CEILING = 20, 1000
_INCLUDED = frozenset(
    {
        *("summaries", "attributes", "issues", "offers", "fulfillmentAvailability", "procurement"),
        *("relationships", "productTypes"),
    }
)
_FREE = ("pageSize", "includedData")
_TOKEN_S = 3600.0
#: A listing with only one legible field, its SKU.
_MALFORMED = {
    "sku": "SKU-MALFORMED",
    "summaries": "none",
    "fulfillmentAvailability": [{"quantity": "many"}],
}


class Listings:
    """One seller's listings."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._sorted: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._by_sku = {account.item(index).sku: index for index in range(account.items)}

    def search(self, request: Request) -> dict[str, Any]:
        """`searchListingsItems`.

        Raises:
            InvalidInput: A parameter is missing or wrong.
        """
        places = csv(request, "marketplaceIds", fields.MARKETPLACES)
        if len(places) != 1:
            raise InvalidInput("marketplaceIds takes one marketplace")
        if request.one("sortBy", "lastUpdatedDate") != "lastUpdatedDate":
            raise InvalidInput("sortBy: the sandbox sorts by lastUpdatedDate")
        size = number(request, "pageSize", 10, PAGE_SIZE)
        pairs = self._chosen(request, places[0])
        found, read, start = [pair for pair in pairs if pair[1] not in self._account.vanished], 0, 0
        is_descending = request.one("sortOrder", "DESC") == "DESC"
        if is_descending:
            found.reverse()
        if token := read_token(request, "pageToken", _FREE, 3, _TOKEN_S):
            read, last = token[0], (token[1], token[2])
            rest = (
                place for place, pair in enumerate(found) if (pair < last if is_descending else pair > last)
            )
            start = next(rest, len(found))
        shown = found[start : start + min(size, CEILING - read)]
        read += len(shown)
        included = csv(request, "includedData", _INCLUDED) or ["summaries"]
        items = [rows.listing(self._account, self._account.item(index), included) for _, index in shown]
        if request.malformed:
            items.insert(len(items) // 2, _MALFORMED)
        answer: dict[str, Any] = {"numberOfResults": len(found), "items": items}
        if start + len(shown) < len(found) and read < CEILING:
            following = new_token(request, "pageToken", _FREE, [read, *shown[-1]])
            answer["pagination"] = {"nextToken": following}
        return answer

    def one(self, request: Request, sku: str) -> dict[str, Any]:
        """`getListingsItem`.

        Raises:
            Refused: The marketplace has no listing with this SKU.
        """
        place = csv(request, "marketplaceIds", fields.MARKETPLACES)[:1]
        index = self._by_sku.get(unquote(sku))
        if index is None or index in self._account.vanished or place != [self._place(index)]:
            raise Refused(404, "NOT_FOUND", "SKU not found in the marketplace.")
        included = csv(request, "includedData", _INCLUDED) or ["summaries"]
        return rows.listing(self._account, self._account.item(index), included)

    def _chosen(self, request: Request, place: str) -> list[tuple[int, int]]:
        """Modification time and index of the items that a query selects, ascending."""
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
        until = min(request.newest, NEVER if until is None else until)
        key = (account.changes, list(fields.MARKETPLACES).index(place))
        if key not in self._sorted:
            self._sorted = {
                (account.changes, number): [
                    pair for pair in account.items_from(0) if self._place(pair[1]) == name
                ]
                for number, name in enumerate(fields.MARKETPLACES)
            }
        pairs = self._sorted[key]
        return pairs[bisect_left(pairs, (since, 0)) : bisect_left(pairs, (until + 1, 0))]

    def _place(self, index: int) -> str:
        return fields.marketplace(self._account.item(index).id)
