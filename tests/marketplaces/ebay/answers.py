"""Scripted answers of eBay, sessions that get them, and the parts they share."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import msgspec

from local.sandbox.http import Reply, Request
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession, Page, Window
from tests.support.scripted import CREDENTIALS, SETTINGS, Bench, Scripted, Secrets

EBAY = REGISTRY["ebay"]
WINDOW = Window(
    datetime(2026, 11, 23, 6, 0, 0, 123_456, tzinfo=UTC), datetime(2026, 11, 23, 6, 10, 0, 1, tzinfo=UTC)
)
GRANTED = Reply.json(200, {"access_token": "v^1.1#granted", "expires_in": 7200})
ORDER: dict[str, Any] = {"orderId": "14-08812-55731", "lastModifiedDate": "2026-11-23T06:01:55.000Z"}
ITEM: dict[str, Any] = {"sku": "MUG-BLU-2", "product": {"title": "Enamel mug"}}


def session(server: Scripted, bench: Bench | None = None, **credential: str) -> AnySession:
    """A session with a server that answers from a script; its refresh token is one of its own."""
    credential = {**CREDENTIALS["ebay"], "refresh_token": f"refresh-{random.random()}", **credential}
    secrets = Secrets(msgspec.json.encode(credential).decode())
    return EBAY.open(
        (bench or Bench()).opening("ebay", {**SETTINGS["ebay"], "base_url": server.url}, secrets)
    )


def orders(*rows: dict[str, Any], total: int | None = None, **more: Any) -> Reply:
    """One page of orders."""
    return Reply.json(200, {"total": len(rows) if total is None else total, "orders": rows, **more})


def items(*rows: dict[str, Any], total: int) -> Reply:
    """One page of inventory items."""
    return Reply.json(200, {"total": total, "size": 1, "inventoryItems": rows})


def refused(status: int, error_id: int, headers: dict[str, str] | None = None) -> Reply:
    """An error in eBay's envelope."""
    error = {"errorId": error_id, "domain": "ACCESS", "category": "REQUEST", "message": "SECRET of a seller"}
    return Reply.json(status, {"errors": [error]}, headers)


def fetch(opened: AnySession, stream: str, token: str | None = None, window: Window = WINDOW) -> Page:
    """A page of a stream."""
    return EBAY.streams[stream].fetch(opened, window, token)


def spans(requests: list[Request]) -> list[tuple[str, str]]:
    """The bounds that were asked for, after the token's exchange."""
    texts = [request.query["filter"][0] for request in requests if "filter" in request.query]
    bounds = [text.removeprefix("lastmodifieddate:[").removesuffix("]").split("..") for text in texts]
    return [(first, last) for first, last in bounds]
