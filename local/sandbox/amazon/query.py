"""Queries to Amazon's sandbox: parameters, page tokens that are bound to their query, and refusals."""

from __future__ import annotations

import base64
import re
import time
import zlib
from collections.abc import Iterable
from datetime import datetime

import msgspec

from local.sandbox.http import Reply, Request


class Refused(Exception):
    """The call is refused; `reply` is the answer."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        error = {"code": code, "message": message, "details": details}
        self.reply = Reply.json(status, {"errors": [error]})


class InvalidInput(Refused):
    """A parameter is missing or wrong."""

    def __init__(self, details: str) -> None:
        super().__init__(400, "InvalidInput", "Request has missing or invalid parameters.", details)


def csv(request: Request, name: str, known: Iterable[str] | None = None) -> list[str]:
    """A comma-separated parameter.

    Raises:
        InvalidInput: A value is not one of `known`.
    """
    values = [value for value in request.one(name).split(",") if value]
    if known is not None and (unknown := set(values) - set(known)):
        raise InvalidInput(f"{name}: {min(unknown)} is not known")
    return values


def number(request: Request, name: str, default: int, largest: int) -> int:
    """A number from 1 to `largest`.

    Raises:
        InvalidInput: Another number, or no number.
    """
    text = request.one(name, str(default))
    if not text.isdigit() or not 1 <= int(text) <= largest:
        raise InvalidInput(f"{name} takes 1 to {largest}")
    return int(text)


def instant(request: Request, name: str) -> int | None:
    """A time as Unix seconds; None if it is not given. Only UTC with a Z is accepted.

    Raises:
        InvalidInput: Another form.
    """
    text = request.one(name)
    if not text:
        return None
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
        raise InvalidInput(f"{name} takes a time in UTC that ends with Z")
    return int(datetime.fromisoformat(text).timestamp())


def new_token(request: Request, token_name: str, free: Iterable[str], place: list[int]) -> str:
    """A page token for the rest of this query.

    Args:
        request: The query.
        token_name: The token's parameter.
        free: Parameters that may differ when the token is used.
        place: The next row's place in the listing.
    """
    content = [_query(request, {token_name, *free}), int(time.time()), *place]
    return base64.b64encode(msgspec.json.encode(content)).decode()


def read_token(
    request: Request, token_name: str, free: Iterable[str], length: int, lives_s: float
) -> list[int] | None:
    """The place in the query's page token; None if the query has no token.

    Args:
        request: The query.
        token_name: The token's parameter.
        free: Parameters that may differ from the query that the token was made for.
        length: How many numbers a place has.
        lives_s: Seconds that a token is valid.

    Raises:
        InvalidInput: The token is damaged, expired, or bound to another query.
    """
    text = request.one(token_name)
    if not text:
        return None
    try:
        query, issued, *place = msgspec.json.decode(base64.b64decode(text, validate=True), type=list[int])
    except (msgspec.DecodeError, ValueError):
        raise InvalidInput(f"{token_name} is not valid") from None
    if len(place) != length or request.expired_token or time.time() - issued > lives_s:
        raise InvalidInput(f"{token_name} has expired")
    if query != _query(request, {token_name, *free}):
        raise InvalidInput(f"{token_name} belongs to another query")
    return place


def _query(request: Request, without: set[str]) -> int:
    kept = sorted((name, values) for name, values in request.query.items() if name not in without)
    return zlib.crc32(msgspec.json.encode(kept))
