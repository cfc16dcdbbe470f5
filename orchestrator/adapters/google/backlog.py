"""The number of messages in a subscription, by Pub/Sub's own metric: a pull would withhold them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import google.auth
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.urllib3 import AuthorizedHttp
from urllib3.exceptions import HTTPError

from orchestrator.timed_http import TimedPoolManager

#: https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-pubsub: sampled every 60 s.
_METRIC = "pubsub.googleapis.com/subscription/num_undelivered_messages"
_LOOKED_BACK = timedelta(minutes=10)
_TIMEOUT_S = 5.0
#: Seconds that `Backlog.count` waits, and that a number is used again: Pub/Sub measures once a minute.
WAIT_S = 2.0
KEPT_S = 60.0


class Backlog:
    """Counts the messages of some subscriptions for many callers, none of which waits long; safe for threads.

    One thread of its own asks at a time. A slow answer is used by a later call, and a failure, which a slow
    service may cause too, is not repeated at once.

    Args:
        subscriptions: `projects/PROJECT/subscriptions/ID`, each.
        ask: Asks for the number of one.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self,
        subscriptions: Sequence[str],
        *,
        ask: Callable[[str], int | None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._subscriptions = subscriptions
        self._ask = ask or undelivered
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        #: The latest number, None if it is not known, and when it was told.
        self._told: tuple[int | None, float] | None = None

    def count(self, wait_s: float = WAIT_S) -> int | None:
        """The number of some minutes ago, in `wait_s` seconds at most; None if it is not known by then."""
        with self._lock:
            if self._is_fresh():
                return self._told[0] if self._told is not None else None
            if self._asking is None:
                self._asking = threading.Thread(target=self._fetch, name="backlog", daemon=True)
                self._asking.start()
            asking = self._asking
        asking.join(wait_s)
        with self._lock:
            return self._told[0] if self._told is not None and self._is_fresh() else None

    def _is_fresh(self) -> bool:
        return self._told is not None and self._monotonic() - self._told[1] < KEPT_S

    def _fetch(self) -> None:
        number = None
        try:
            numbers = [self._ask(each) for each in self._subscriptions]
            known = [each for each in numbers if each is not None]
            number = sum(known) if len(known) == len(numbers) else None
        finally:
            with self._lock:
                self._told, self._asking = (number, self._monotonic()), None


def undelivered(subscription: str) -> int | None:
    """The number of some minutes ago; None if it is not known, or this identity may not read metrics.

    Args:
        subscription: `projects/PROJECT/subscriptions/ID`.
    """
    _, project, _, name = subscription.split("/")
    now = datetime.now(UTC)
    asked = {
        "filter": f'metric.type = "{_METRIC}" AND resource.labels.subscription_id = "{name}"',
        "interval.startTime": f"{now - _LOOKED_BACK:%Y-%m-%dT%H:%M:%SZ}",
        "interval.endTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
    }
    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/monitoring.read"])
        answer = AuthorizedHttp(credentials, http=TimedPoolManager(timeout=_TIMEOUT_S)).request(
            "GET", f"https://monitoring.googleapis.com/v3/projects/{project}/timeSeries", fields=asked
        )
        return latest(answer.json()) if answer.status == 200 else None
    except (GoogleAuthError, HTTPError, ValueError):
        return None


def latest(answer: Any) -> int | None:
    """The newest point of the first time series; None if there is none."""
    try:
        return int(answer["timeSeries"][0]["points"][0]["value"]["int64Value"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
