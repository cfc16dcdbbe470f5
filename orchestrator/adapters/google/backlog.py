"""The number of messages in a subscription, by Pub/Sub's own metric: a pull would withhold them."""

from __future__ import annotations

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
