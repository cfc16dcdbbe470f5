"""Page tokens: the marketplaces' own, and those that a connector makes of its position in a listing."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import PageTokenExpired, ResponseInvalid

T = TypeVar("T")

_MOST_DIGITS = 9


def single_step(operation: str, token: str | None, following: str | None) -> str | None:
    """The next page's token, or None at the end, which some marketplaces mark with a blank.

    Raises:
        ResponseInvalid: The page names itself as the next one.
    """
    if following and following == token:
        raise ResponseInvalid(f"{operation}: the page token repeats; the listing would never end")
    return following or None


def numbered_page(operation: str, token: str | None) -> int:
    """The number of the page that a page token of ours names, from 1; without a token the first.

    Raises:
        PageTokenExpired: The token is not one of ours.
    """
    if not token:
        return 1
    if not (token.isascii() and token.isdigit() and len(token) <= _MOST_DIGITS and int(token) >= 1):
        raise not_ours(operation)
    return int(token)


def write_position(position: object) -> str:
    """A position in a listing as a page token."""
    return msgspec.json.encode(position).decode()


def read_position(operation: str, token: str, positions: msgspec.json.Decoder[T]) -> T:
    """The position that a page token of ours names.

    Raises:
        PageTokenExpired: The token is not one of ours.
    """
    try:
        return positions.decode(token)
    except UNREADABLE:
        raise not_ours(operation) from None


def not_ours(operation: str) -> PageTokenExpired:
    """The error for a page token that the connector did not make."""
    return PageTokenExpired(f"{operation}: the page token is not one of ours")
