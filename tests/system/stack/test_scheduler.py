"""The local scheduler follows Cloud Scheduler's rules."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.google.scheduler import RetryConfig, Scheduler, TickFailed, next_tick

TICK = datetime(2026, 3, 1, 12, 15, tzinfo=UTC)
ACCEPTED = b'{"run_id": "t-1", "status": "dispatching", "tasks": 4, "duplicate": false}'


@dataclass
class Function:
    """A stand-in for the HTTP function: answers with these statuses, then accepts."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    requests: list[Message] = field(default_factory=list)


@pytest.fixture
def function() -> Iterator[Function]:
    """A server on a free port."""
    function = Function()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            function.requests.append(self.headers)
            status = function.statuses.pop(0) if function.statuses else 202
            body = ACCEPTED if status == 202 else b'{"title": "no"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        function.url = f"http://127.0.0.1:{server.server_address[1]}/api/sync/scheduler"
        yield function
        server.shutdown()
        thread.join()


def scheduler(function: Function) -> Scheduler:
    """A scheduler for the function that does not wait between attempts."""
    return Scheduler(
        url=function.url, token=lambda: "token", secret="secret", retry=RetryConfig(min_backoff_s=0.0)
    )


def test_a_tick_carries_cloud_schedulers_headers(function: Function) -> None:
    """The headers contain identity, secret, job and schedule time; the answer is decoded."""
    started = scheduler(function).deliver(TICK.astimezone())

    assert started.run_id == "t-1"
    headers = function.requests[0]
    assert headers["Authorization"] == "Bearer token"
    assert headers["x-scheduler-secret"] == "secret"
    assert headers["X-CloudScheduler-JobName"] == "local-sync"
    assert headers["X-CloudScheduler-ScheduleTime"] == "2026-03-01T12:15:00Z"


def test_a_refused_tick_is_delivered_again_with_the_same_time(function: Function) -> None:
    """Any answer but 2xx is retried, and all attempts carry the same schedule time."""
    function.statuses = [503, 500]

    assert scheduler(function).deliver(TICK).run_id == "t-1"
    times = [request["X-CloudScheduler-ScheduleTime"] for request in function.requests]
    assert times == ["2026-03-01T12:15:00Z"] * 3


def test_retries_end(function: Function) -> None:
    """After the last retry, the error contains the function's answer."""
    function.statuses = [401] * 10

    with pytest.raises(TickFailed, match=r"did not accept the tick: 401"):
        scheduler(function).deliver(TICK)
    assert len(function.requests) == 4


def test_back_off_doubles_up_to_its_limit() -> None:
    """The waits between attempts are the deployed job's."""
    config = RetryConfig(retry_count=5, min_backoff_s=5.0, max_backoff_s=60.0)

    assert list(config.backoffs()) == [5.0, 10.0, 20.0, 40.0, 60.0]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (TICK, TICK + timedelta(minutes=15)),
        (TICK + timedelta(seconds=1), TICK + timedelta(minutes=15)),
        (TICK - timedelta(microseconds=1), TICK),
        (datetime(2026, 3, 1, 23, 59, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
    ],
)
def test_ticks_fall_on_multiples_of_the_interval(now: datetime, expected: datetime) -> None:
    """The next tick is the first multiple of the interval after now, as with a cron schedule."""
    assert next_tick(now, timedelta(minutes=15)) == expected
