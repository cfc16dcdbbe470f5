"""Page tokens, and the range of a number that a caller gives."""

from __future__ import annotations

import base64

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import RequestError
from orchestrator.model import ids

_token = msgspec.json.Decoder(tuple[str, ...])


def write_token(*position: str) -> str:
    """The token of the page after a position: the sort fields and the document id of the last item shown."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def read_token(token: str | None, parts: int) -> tuple[str, ...] | None:
    """The position in a token; None for the first page.

    Raises:
        RequestError: The token was not written here, or for a list whose position has other parts.
    """
    if token is None:
        return None
    try:
        position = _token.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, *UNREADABLE) as error:
        raise RequestError("page_token: it is not one that was given out") from error
    if len(position) != parts or not all(position) or not ids.is_document_id(position[-1]):
        raise RequestError("page_token: it belongs to another list")
    return position


def require_between(name: str, value: float, least: float, most: float) -> None:
    """Check a number against its range, both ends included.

    Raises:
        RequestError: The number is out of range.
    """
    if not least <= value <= most:
        raise RequestError(f"{name}: it takes a number from {least:,} to {most:,}")
