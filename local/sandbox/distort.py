"""Faults inside good answers: records reordered or repeated, unknown words, missing fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from local.sandbox.catalogue import Item, Sale
from local.sandbox.http import Reply, Request

#: No marketplace uses this word.
UNKNOWN_WORD = "NEVER_HEARD_OF"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The form of a marketplace's answers and ids, which faults and changes need to know."""

    #: Gives the list of records in a decoded answer; None if the answer is no listing.
    records: Callable[[Any], list[Any] | None]
    #: Parameters of the query or the body that only select a page of a listing.
    paging: frozenset[str]
    #: Fields of records whose value is a word of an enumeration.
    words: frozenset[str]
    #: Fields that records may lack.
    optional: frozenset[str]
    #: Whether a missing field is null, as in GraphQL, instead of absent.
    nulls: bool = False
    #: Ids of an order and of a product, as a connector forms them.
    order_id: Callable[[Sale], str] = lambda sale: str(sale.id)
    product_id: Callable[[Item], str] = lambda item: str(item.id)


class Distorter:
    """Distorts answers as the marks of their requests demand; remembers each listing's last record."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._last: dict[bytes, Any] = {}

    def apply(self, request: Request, reply: Reply) -> Reply:
        """The distorted answer; an answer without records stays unchanged."""
        if reply.status != 200 or not reply.body.startswith((b"{", b"[")):
            return reply
        answer = msgspec.json.decode(reply.body)
        records = self._shape.records(answer)
        if not records:
            return reply
        listing = self._listing(request)
        before, self._last[listing] = self._last.get(listing), records[-1]
        for kind in request.distortions:
            match kind:
                case "duplicate" if before is not None:
                    records.insert(0, before)
                case "unordered":
                    records.reverse()
                case "unknown_words":
                    records[:] = [self._with_unknown_words(record) for record in records]
                case "missing_optional":
                    records[:] = [self._without_optional(record) for record in records]
        return replace(reply, body=msgspec.json.encode(answer))

    def _listing(self, request: Request) -> bytes:
        """A key that the requests for all pages of one listing share."""
        body: Any = None
        if request.body.startswith(b"{"):
            body = _without(msgspec.json.decode(request.body), self._shape.paging)
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        query = _without(dict(request.query), self._shape.paging)
        return msgspec.json.encode([request.path, query, body, headers], order="deterministic")

    def _with_unknown_words(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._with_unknown_words(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            name: UNKNOWN_WORD
            if name in self._shape.words and isinstance(item, str)
            else self._with_unknown_words(item)
            for name, item in value.items()
        }

    def _without_optional(self, record: Any) -> Any:
        return _without(record, self._shape.optional, nulls=self._shape.nulls)


def _without(value: Any, names: frozenset[str], *, nulls: bool = False) -> Any:
    """A copy in which the named fields are missing, or null, at any depth."""
    if isinstance(value, list):
        return [_without(item, names, nulls=nulls) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: None if name in names else _without(item, names, nulls=nulls)
        for name, item in value.items()
        if nulls or name not in names
    }
