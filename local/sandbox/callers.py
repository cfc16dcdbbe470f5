"""Whose account a call is for, so that a fault can strike one seller and no other.

Each credential of a sandbox names its account: `sandbox`, perhaps more words, and its number. A token that a
sandbox has issued belongs to the account whose credential was exchanged for it.
"""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

from local.sandbox.http import Reply, Request

_CREDENTIAL = re.compile(r"sandbox[-_](?:[a-z]\w*-)*(\d+)\b")
_CARRIERS = ("authorization", "x-api-key", "x-shopify-access-token", "x-amz-access-token")


class _Granted(msgspec.Struct):
    access_token: str


class Callers:
    """The accounts of one sandbox's callers."""

    def __init__(self) -> None:
        self._issued: dict[str, int] = {}

    def account_of(self, request: Request) -> int | None:
        """The number of the caller's account; None if the call names none."""
        carried = [request.headers[name] for name in _CARRIERS if name in request.headers]
        for text in (*carried, *map(_decoded, carried), request.one("consumer_key")):
            issued = self._issued.get(text.removeprefix("Bearer "))
            if issued is not None:
                return issued
            if found := _CREDENTIAL.search(text):
                return int(found[1])
        found = _CREDENTIAL.search(request.body.decode(errors="replace"))
        return int(found[1]) if found else None

    def learn(self, request: Request, reply: Reply) -> None:
        """Remember the account of the token that an answer contains."""
        if b'"access_token"' not in reply.body[:200] or (account := self.account_of(request)) is None:
            return
        try:
            self._issued[msgspec.json.decode(reply.body, type=_Granted).access_token] = account
        except msgspec.DecodeError:
            return


def _decoded(text: str) -> str:
    """The user name and password of Basic authentication; empty for another text."""
    try:
        return base64.b64decode(text.removeprefix("Basic "), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""
