"""Stands for Cloud Scheduler: authenticated ticks, its headers, its retry rules.

Source: cloud.google.com/scheduler/docs (retry-jobs, deduplicate-job-requests): any 2xx is success,
everything else is tried again with a doubling back-off, and the schedule time stays the same over
all attempts of one tick.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import urllib3

from orchestrator.runs.start import Started

#: The job's name in a single tick; the interval scheduler's is `functions.api.INTERVAL_JOB`.
JOB = "local-sync"
#: Seconds one attempt may take; the deployed job's deadline.
ATTEMPT_DEADLINE_S = 180.0


class TickFailed(Exception):
    """No attempt was answered with 2xx."""


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """How a failed tick is tried again; the deployed job's values."""

    retry_count: int = 3
    min_backoff_s: float = 5.0
    max_backoff_s: float = 60.0
    max_doublings: int = 5

    def backoffs(self) -> Iterator[float]:
        """Seconds to wait before each retry."""
        for retry in range(self.retry_count):
            yield min(self.max_backoff_s, self.min_backoff_s * 2 ** min(retry, self.max_doublings))


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Delivers ticks to one HTTP function.

    Args:
        url: The scheduler route.
        token: Mints a fresh OIDC token for each attempt.
        secret: The value of `x-scheduler-secret`.
        job: The job's short name.
    """

    url: str
    token: Callable[[], str]
    secret: str
    job: str = JOB
    retry: RetryConfig = RetryConfig()

    def deliver(self, schedule_time: datetime) -> Started:
        """Deliver one tick, with retries.

        Raises:
            TickFailed: Every attempt failed; the message holds the last answer.
        """
        http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(ATTEMPT_DEADLINE_S))
        waits = self.retry.backoffs()
        while True:
            try:
                answer = http.request("POST", self.url, headers=self._headers(schedule_time), body=b"{}")
                if 200 <= answer.status < 300:
                    return msgspec.json.decode(answer.data, type=Started)
                problem = f"{answer.status} {answer.data[:500].decode(errors='replace')}"
            except urllib3.exceptions.HTTPError as error:
                problem = f"no answer ({type(error).__name__})"
            except msgspec.DecodeError as error:
                raise TickFailed(f"{self.url} answered 2xx, but not what is expected: {error}") from error
            wait_s = next(waits, None)
            if wait_s is None:
                raise TickFailed(f"the tick was not accepted by {self.url}: {problem}")
            time.sleep(wait_s)

    def _headers(self, schedule_time: datetime) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token()}",
            "Content-Type": "application/json",
            "User-Agent": "Google-Cloud-Scheduler",
            "X-CloudScheduler": "true",
            "X-CloudScheduler-JobName": self.job,
            "X-CloudScheduler-ScheduleTime": f"{schedule_time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "x-scheduler-secret": self.secret,
        }


def next_tick(now: datetime, interval: timedelta) -> datetime:
    """The first multiple of the interval, counted from midnight UTC, after `now`."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((now - midnight) // interval + 1) * interval
