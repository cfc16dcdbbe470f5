"""A floor makes the requests for details that the product makes, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from bench.details import noted, repeat
from bench.simulated import connector
from orchestrator.marketplaces.spec import Window

NOW = datetime.now(UTC)


class _Client:
    """Notes its requests."""

    calls = 0

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def begin_page(self) -> None:
        """See Client."""

    def request(self, operation: str, url: str, read: Any, **options: Any) -> Any:
        """Note, and answer nothing."""
        self.asked.append((url, options))
        return read(operation)


def test_the_requests_for_details_are_noted_by_page_and_made_again() -> None:
    """Two pages, of 250 rows and one: each row's request belongs to its page."""
    client = _Client()
    session: Any = SimpleNamespace(client=client)
    seen: list[str] = []

    def complete(session: Any, rows: Sequence[bytes]) -> Sequence[bytes]:
        for number, _ in enumerate(rows):
            session.client.request("details", f"/{number}", seen.append, params=[("n", str(number))])
        return rows

    stream = replace(connector(251).streams["orders"], complete=complete)
    window = Window(NOW - timedelta(days=800), NOW)
    found = noted(session, stream, window)
    assert [len(calls) for calls in found] == [250, 1]
    assert noted(session, stream, window, pages=1) == found[:1]

    client.asked.clear()
    seen.clear()
    repeat(session, found[1])

    assert client.asked == [("/0", {"params": [("n", "0")]})]
    assert seen == ["details"]
