"""The number of dead letters by Pub/Sub's own metric, from Cloud Monitoring's answer."""

from __future__ import annotations

import threading
import time
from typing import Any

import google.auth
import pytest
from google.auth.exceptions import DefaultCredentialsError, TransportError

from orchestrator.adapters.google import backlog
from orchestrator.timed_http import TimedPoolManager

SUBSCRIPTION = "projects/p/subscriptions/sync-tasks-dead"


class _Session:
    """Answers like Cloud Monitoring."""

    status = 200
    asked: dict[str, Any]
    timeout: float

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def request(self, method: str, url: str, **given: Any) -> _Session:
        """Take the request, or fail."""
        self.asked = {"method": method, "url": url, **given}
        if isinstance(self._answer, Exception):
            raise self._answer
        return self

    def over(self, http: TimedPoolManager) -> _Session:
        """Note the connections that are used."""
        self.timeout = http.connection_pool_kw["timeout"]
        return self

    def json(self) -> Any:
        """The body."""
        return self._answer


def answering(patch: pytest.MonkeyPatch, answer: Any) -> _Session:
    """Have the metric answered so."""
    session = _Session(answer)
    patch.setattr(google.auth, "default", lambda **_: (None, "p"))
    patch.setattr(backlog, "AuthorizedHttp", lambda _, http: session.over(http))
    return session


def test_the_newest_point_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the subscription that is named, within a time-out."""
    points = [{"value": {"int64Value": "3"}}, {"value": {"int64Value": "9"}}]
    session = answering(monkeypatch, {"timeSeries": [{"points": points}]})

    assert backlog.undelivered(SUBSCRIPTION) == 3
    assert session.asked["url"] == "https://monitoring.googleapis.com/v3/projects/p/timeSeries"
    assert 'subscription_id = "sync-tasks-dead"' in session.asked["fields"]["filter"]
    assert session.timeout <= 5


@pytest.mark.parametrize(
    "answer",
    [{}, {"timeSeries": []}, {"timeSeries": [{"points": [{"value": {}}]}]}, [], TransportError("away")],
    ids=str,
)
def test_an_unknown_number_is_not_measured(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """A new metric, a malformed answer, no answer."""
    answering(monkeypatch, answer)

    assert backlog.undelivered(SUBSCRIPTION) is None


def test_without_the_right_it_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither without credentials, nor with those of somebody who may not read metrics."""
    session = answering(monkeypatch, {"error": {"code": 403}})
    session.status = 403
    assert backlog.undelivered(SUBSCRIPTION) is None

    def none(**_: object) -> None:
        raise DefaultCredentialsError("none")

    monkeypatch.setattr(google.auth, "default", none)
    assert backlog.undelivered(SUBSCRIPTION) is None


def test_a_slow_metric_keeps_nobody_waiting() -> None:
    """Many callers wait for one question, not long, and the late answer is told to the next ones."""
    answer, asked = threading.Event(), []

    def ask(subscription: str) -> int:
        asked.append(subscription)
        answer.wait(30)
        return 3

    counter = backlog.Backlog([SUBSCRIPTION], ask=ask)
    began = time.monotonic()
    assert [counter.count(0.01) for _ in range(5)] == [None] * 5
    assert time.monotonic() - began < backlog.WAIT_S
    answer.set()
    assert counter.count(10) == 3
    assert asked == [SUBSCRIPTION]


def test_a_number_is_used_for_a_minute() -> None:
    """As often as Pub/Sub measures; a failure counts too, so a failing service is not asked at each call."""
    now, answers = [0.0], iter([None, 3, 0])
    counter = backlog.Backlog([SUBSCRIPTION], ask=lambda _: next(answers), monotonic=lambda: now[0])
    told = []
    for _ in range(3):
        told += [counter.count(), counter.count()]
        now[0] += backlog.KEPT_S

    assert told == [None, None, 3, 3, 0, 0]


def test_all_lanes_are_added_up() -> None:
    """A lane whose number is not known leaves the sum unknown."""
    known: dict[str, int | None] = {"a": 2, "b": 3}

    assert backlog.Backlog(["a", "b"], ask=known.get).count() == 5
    assert backlog.Backlog(["a", "c"], ask=known.get).count() is None
