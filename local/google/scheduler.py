"""A local Cloud Scheduler: authenticated ticks with its headers and its retry rules.

Source: cloud.google.com/scheduler/docs (retry-jobs, deduplicate-job-requests): any 2xx is success,
any other answer is retried with a doubling back-off, and all attempts of one tick have the same schedule
time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import urllib3

from orchestrator.runs.start import Started

#: The job's name in a single tick; in ticks of an interval it is `functions.api.INTERVAL_JOB`.
JOB = "local-sync"
#: The maximum seconds of one attempt; the deployed job's deadline.
ATTEMPT_DEADLINE_S = 180.0


class TickFailed(Exception):
    """No attempt got the expected answer."""


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """The retry rules of a failed tick, with the deployed job's values."""

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
        retry: The rules for a failed tick.
    """

    url: str
    token: Callable[[], str]
    secret: str
    job: str = JOB
    retry: RetryConfig = RetryConfig()

    def deliver(self, schedule_time: datetime) -> Started:
        """Deliver one tick, with retries.

        Raises:
            TickFailed: Every attempt failed, or a 2xx answer has an unexpected body; the message contains
                the last answer.
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
                raise TickFailed(f"{self.url} answered 2xx with an unexpected body: {error}") from error
            wait_s = next(waits, None)
            if wait_s is None:
                raise TickFailed(f"{self.url} did not accept the tick: {problem}")
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
