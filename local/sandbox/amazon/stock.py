"""Stock that lies with Amazon, in Amazon's sandbox: `getInventorySummaries`."""

from __future__ import annotations

from typing import Any

from local.sandbox.account import Account
from local.sandbox.amazon import fields, rows
from local.sandbox.amazon.query import InvalidInput, csv, new_token, read_token
from local.sandbox.http import Request

#: Seconds; the real token is as short-lived.
_TOKEN_S = 30.0
_PAGE_SIZE = 50


def summaries(account: Account, request: Request) -> dict[str, Any]:
    """`getInventorySummaries`.

    Raises:
        InvalidInput: A parameter is missing or wrong.
    """
    places = csv(request, "marketplaceIds", fields.MARKETPLACES)
    if len(places) != 1 or request.one("granularityType") != "Marketplace":
        raise InvalidInput("granularityType and marketplaceIds take one marketplace")
    if request.one("granularityId") != places[0]:
        raise InvalidInput("granularityId is not the marketplace")
    first = (read_token(request, "nextToken", (), 1, _TOKEN_S) or [0])[0]
    held = [
        item
        for item in map(account.item, account.listed(first))
        if rows.lies_with_amazon(item) and fields.marketplace(item.id) == places[0]
    ]
    found = [rows.summary(account, item) for item in held[:_PAGE_SIZE]]
    if request.malformed:
        broken = {"sellerSku": "SKU-MALFORMED", "fnSku": "X999000111", "totalQuantity": "many"}
        found.insert(len(found) // 2, broken)
    granularity = {"granularityType": "Marketplace", "granularityId": places[0]}
    answer: dict[str, Any] = {"payload": {"granularity": granularity, "inventorySummaries": found}}
    if len(held) > _PAGE_SIZE:
        index = held[_PAGE_SIZE].id - account.item(0).id
        answer["pagination"] = {"nextToken": new_token(request, "nextToken", (), [index])}
    return answer
