"""The requests for details that a listing lacks, noted once and made again: for floors, which decide nothing.

The product reads a listed row before it knows that it has to ask for more, and joins both afterwards. A floor
makes the same requests, and spends no time on that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

from orchestrator.marketplaces.response import Response
from orchestrator.marketplaces.spec import AnySession, AnyStream, Window
from orchestrator.sync.pages import JOINED_RECORDS


class Call(NamedTuple):
    """The arguments of a client's request."""

    operation: str
    url: str
    read: Callable[[Response], Any]
    options: dict[str, Any]


def noted(
    session: AnySession, stream: AnyStream, window: Window, *, pages: int | None = None
) -> list[list[Call]]:
    """The calls that complete the rows of each page of a window, or of its first pages.

    As in the product, pages are joined, all but the first, and their rows are completed together. The calls
    are those of the last of the joined pages.
    """
    found: list[list[Call]] = []
    rows: list[bytes] = []
    token = None
    while True:
        session.client.begin_page()
        page = stream.fetch(session, window, token)
        rows += page.records
        token = page.next_token
        calls: list[Call] = []
        if token is None or not found or len(rows) >= JOINED_RECORDS:
            calls, rows = _completing(session, stream, rows), []
        found.append(calls)
        if token is None or len(found) == pages:
            return found


def _completing(session: AnySession, stream: AnyStream, rows: Sequence[bytes]) -> list[Call]:
    """The calls that complete these rows, as many at once as the product gives the stream."""
    calls: list[Call] = []
    complete, request, at = stream.complete, session.client.request, 0

    def noting(operation: str, url: str, read: Callable[[Response], Any], **options: Any) -> Any:
        calls.append(Call(operation, url, read, options))
        return request(operation, url, read, **options)

    with patch.object(session.client, "request", noting):
        while complete is not None and at < len(rows):
            batch = rows[at : at + stream.complete_rows]
            is_long = stream.completed_alone or (lambda _: False)
            alone = next((number for number, raw in enumerate(batch) if is_long(raw)), len(batch))
            batch = batch[: max(1, alone)]
            session.client.begin_page()
            # It may complete the first ones only, and is then asked again.
            at += len(complete(session, batch))
    return calls


def repeat(session: AnySession, calls: Sequence[Call]) -> None:
    """Make the calls again, and read their answers as the connector does."""
    for operation, url, read, options in calls:
        session.client.begin_page()
        session.client.request(operation, url, read, **options)
