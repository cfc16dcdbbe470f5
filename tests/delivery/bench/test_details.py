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
    """Three pages, of 250 rows twice and of one: a request for each batch, and a long row is alone."""
    client = _Client()
    session: Any = SimpleNamespace(client=client)
    seen: list[str] = []

    def complete(session: Any, rows: Sequence[bytes]) -> Sequence[bytes]:
        session.client.request("details", "/rows", seen.append, params=[("n", str(len(rows)))])
        return rows

    stream = replace(
        connector(501).streams["orders"],
        complete=complete,
        complete_rows=100,
        completed_alone=lambda raw: b'"#1301"' in raw,
    )
    window = Window(NOW - timedelta(days=800), NOW)
    found = noted(session, stream, window)
    assert [[call.options["params"][0][1] for call in calls] for calls in found] == [
        ["100", "100", "50"],
        ["50", "1", "100", "99"],
        ["1"],
    ]
    assert noted(session, stream, window, pages=1) == found[:1]

    client.asked.clear()
    seen.clear()
    repeat(session, found[2])

    assert client.asked == [("/rows", {"params": [("n", "1")]})]
    assert seen == ["details"]
