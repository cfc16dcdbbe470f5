"""Queries to Takealot's Marketplace API v1: parameters, page tokens and refusals."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import date

import msgspec

from local.sandbox.http import Reply, Request

_EPOCH = date(1970, 1, 1)
#: The most rows on a page of offers, and of sales.
LARGEST_PAGE, LARGEST_SALES_PAGE = 1000, 100


class Refused(Exception):
    """The call is refused; `reply` is the answer."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.reply = Reply.json(status, {"errors": [{"status": status, "title": title}]})


def page_size(request: Request, largest: int = LARGEST_PAGE) -> int:
    """The parameter `limit`.

    Raises:
        Refused: It is out of range.
    """
    limit = request.one("limit", "100")
    if not limit.isdigit() or not 1 <= int(limit) <= largest:
        raise Refused(400, f"limit takes 1 to {largest}")
    return int(limit)


def new_token(content: Sequence[int]) -> str:
    """A page token."""
    return base64.b64encode(msgspec.json.encode(content)).decode()


def read_token(request: Request, length: int) -> list[int] | None:
    """The numbers in the query's page token; None if it has no token.

    Raises:
        Refused: The token does not hold `length` numbers, or has expired.
    """
    text = request.one("continuation_token")
    if not text:
        return None
    try:
        token = msgspec.json.decode(base64.b64decode(text), type=list[int])
    except (msgspec.DecodeError, ValueError):
        token = []
    if len(token) != length or request.expired_token:
        raise Refused(400, "continuation_token is not valid")
    return token


def day(text: str, default: int) -> int:
    """A calendar date as days since 1970; `default` if the text is empty.

    Raises:
        Refused: The text is no date.
    """
    if not text:
        return default
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise Refused(400, "order_date takes YYYY-MM-DD") from None
