"""The process that serves a sandbox's answers from memory asks it once for each request."""

from __future__ import annotations

import pytest

from bench.ready import Answers

UNTIL = "2026-11-01T10:00:00"


@pytest.mark.parametrize("colon", [":", "%3A"])
def test_requests_that_differ_only_in_the_end_of_their_window_are_the_same(colon: str) -> None:
    """A window ends at the moment it is read, but no record is that young."""
    answers = Answers("http://127.0.0.1:9", UNTIL)

    def key(moment: str) -> tuple[str, str, str]:
        return answers.key("GET", f"/orders?before={moment.replace(':', colon)}", b"")

    assert key("2026-11-01T10:58:00") == key("2026-11-01T11:02:31")
    assert key("2026-11-01T09:58:00") != key("2026-11-01T09:58:01")
    assert key("2026-11-01T09:58:00") != key("2026-11-01T10:58:00")
