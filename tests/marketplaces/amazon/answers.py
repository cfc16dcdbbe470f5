"""Answers of Amazon for scripted servers, and sessions with those."""

from __future__ import annotations

from typing import Any

import msgspec

from local.sandbox.http import Reply
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession
from tests.support.scripted import CREDENTIALS, SETTINGS, Bench, Scripted, Secrets

TOKEN = Reply.json(200, {"access_token": "Atza|1", "expires_in": 3600, "token_type": "bearer"})
HOST = "https://tortuga-prod-eu.s3-eu-west-1.amazonaws.com"
URL = f"{HOST}/%2FNinetyDays/amzn1.spdoc?X-Amz-Expires=300&X-Amz-Signature=a%2Bb%3D"


def session(
    server: Scripted, bench: Bench | None = None, *, pii: bool = False, **settings: Any
) -> AnySession:
    """A session with a server that answers from a script."""
    secrets = Secrets(msgspec.json.encode(CREDENTIALS["amazon"]).decode())
    given = {**SETTINGS["amazon"], "base_url": server.url, **settings}
    opening = (bench or Bench()).opening("amazon", given, secrets, store_buyer_pii=pii)
    return REGISTRY["amazon"].open(opening)


def document(body: bytes, content_type: str, *, compressed: bool = True, url: str = URL) -> list[Reply]:
    """A token, and the answers to asking for a report's document."""
    found = {"reportDocumentId": "d", "url": url} | ({"compressionAlgorithm": "GZIP"} if compressed else {})
    return [TOKEN, Reply.json(200, found), Reply(200, body, content_type)]
