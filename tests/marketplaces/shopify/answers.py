"""Answers for Shopify's tests."""

from __future__ import annotations

from typing import Any

import msgspec

from local.sandbox.http import Reply
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession
from tests.support.scripted import CREDENTIALS, Bench, Scripted, Secrets

SHOPIFY = REGISTRY["shopify"]
COST = {
    "requestedQueryCost": 800,
    "actualQueryCost": 10,
    "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 300.0, "restoreRate": 100.0},
}
END = {"hasNextPage": False, "endCursor": None}


def session(server: Scripted, bench: Bench | None = None, **settings: Any) -> AnySession:
    """A session with a server that answers from a script."""
    given = {"shop": "sandbox-0.myshopify.com", "base_url": server.url, **settings}
    secret = msgspec.json.encode(CREDENTIALS["shopify"]).decode()
    return SHOPIFY.open((bench or Bench()).opening("shopify", given, Secrets(secret)))


def rows(*nodes: dict[str, Any], **info: Any) -> Reply:
    """A page of rows."""
    return Reply.json(200, {"data": {"rows": {"nodes": nodes, "pageInfo": {**END, **info}}}})
