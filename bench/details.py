"""The requests for details that a listing lacks, noted once and made again: for floors, which decide nothing.

The product reads a listed row before it knows that it has to ask for more, and joins both afterwards. A floor
makes the same requests, and spends no time on that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

from orchestrator.marketplaces.client import Response
from orchestrator.marketplaces.spec import AnySession, AnyStream, Window


class Call(NamedTuple):
    """The arguments of a client's request."""

    operation: str
    url: str
    read: Callable[[Response], Any]
    options: dict[str, Any]


def noted(
    session: AnySession, stream: AnyStream, window: Window, *, pages: int | None = None
) -> list[list[Call]]:
    """The calls that complete the rows of each page of a window, or of its first pages."""
    found: list[list[Call]] = []
    token = None
    while True:
        session.client.begin_page()
        page = stream.fetch(session, window, token)
        calls: list[Call] = []
        if stream.complete is not None and page.records:
            request = session.client.request

            def noting(operation: str, url: str, read: Callable[[Response], Any], **options: Any) -> Any:
                calls.append(Call(operation, url, read, options))  # noqa: B023 - it is used in this turn alone
                return request(operation, url, read, **options)  # noqa: B023 - the same

            session.client.begin_page()
            with patch.object(session.client, "request", noting):
                stream.complete(session, page.records)
        found.append(calls)
        token = page.next_token
        if token is None or len(found) == pages:
            return found


def repeat(session: AnySession, calls: Sequence[Call]) -> None:
    """Make the calls again, and read their answers as the connector does."""
    session.client.begin_page()
    for operation, url, read, options in calls:
        session.client.request(operation, url, read, **options)
