"""Paths, methods and sizes; outages and defects: rules for every route."""

from __future__ import annotations

from typing import Any

import pytest

from functions import api
from orchestrator.errors import QueueUnavailable, StoreUnavailable
from orchestrator.runs import start
from tests.edge.conftest import Stage, log_lines
from tests.support.issuer import token


@pytest.mark.parametrize(
    "path",
    [
        "/api/sync",
        "/api/sync/",
        "/api/sync/runs/",
        "/api/sync/Status",
        "/api/sync/runs/t-1/delete",
        "/api/sync/runs/t%2F1",
        "/api/sync/runs/t%201",
        "/api/sync/runs/t%00",
        "/openapi.yaml",
    ],
)
def test_unknown_path_is_not_found(stage: Stage, path: str) -> None:
    """No other path exists, and run ids are not paths."""
    assert stage.call("GET", path).status_code == 404


def test_a_browser_is_told_where_the_page_is(stage: Stage) -> None:
    """It has no token, and learns nothing of the sync."""
    answer = stage.client.get("/", query_string="token=x")
    assert (answer.status_code, answer.mimetype, answer.text) == (200, "text/plain", api.PAGE)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "allowed", "wrong"),
    [
        ("/", "GET", ["POST", "HEAD", "OPTIONS"]),
        ("/api/sync/scheduler", "POST", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
        ("/api/sync/trigger", "POST", ["GET"]),
        ("/api/sync/status", "GET", ["POST", "HEAD"]),
        ("/api/sync/runs", "GET", ["POST"]),
        ("/api/sync/runs/t-1", "GET", ["DELETE"]),
        ("/api/sync/runs/t-1/retry", "POST", ["GET"]),
        ("/api/sync/runs/t-1/cancel", "POST", ["GET"]),
    ],
)
def test_wrong_method_is_told_the_right_one(stage: Stage, path: str, allowed: str, wrong: list[str]) -> None:
    """A known path with another method is a 405 that says which one it takes."""
    for method in wrong:
        response = stage.call(method, path)
        assert (response.status_code, response.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/sync/trigger"),
        ("GET", "/api/sync/status"),
        ("GET", "/api/sync/runs"),
        ("GET", "/api/sync/runs/t-1"),
        ("POST", "/api/sync/runs/t-1/retry"),
        ("POST", "/api/sync/runs/t-1/cancel"),
    ],
)
def test_large_body_is_refused(stage: Stage, method: str, path: str) -> None:
    """No route reads a body over 64 KiB."""
    assert stage.call(method, path, data=b" " * (64 * 1024 + 1)).status_code == 413


def test_largest_body_is_read(stage: Stage) -> None:
    """A body of exactly 64 KiB is within bounds, also the scheduler's."""
    body = b"{" + b" " * (64 * 1024 - 2) + b"}"

    assert stage.call("POST", "/api/sync/trigger", data=body).status_code == 202
    assert stage.tick(data=body).status_code == 202
    assert stage.tick(data=body + b" ").status_code == 413


@pytest.mark.parametrize("error", [StoreUnavailable("timed out"), QueueUnavailable("two of three refused")])
def test_outage_asks_to_come_back(stage: Stage, error: Exception) -> None:
    """If store or queue do not answer, the scheduler is asked to deliver again."""
    stage.connect("c-1")
    stage.queue.error = error
    response = stage.tick()

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "timed out" not in response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/sync/trigger"),
        ("POST", "/api/sync/runs/t-1/retry"),
        ("POST", "/api/sync/runs/t-1/cancel"),
    ],
)
def test_defect_tells_nothing(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    method: str,
    path: str,
) -> None:
    """A defect is a plain 500; the log has its traceback, its trace and no credential."""

    def crash(*args: Any, **more: Any) -> None:
        raise RuntimeError("shop said no: access_token=shpat_0123456789abcdef0123456789abcdef")

    for name in ("start_manual", "retry_run"):
        monkeypatch.setattr(start, name, crash)
    monkeypatch.setattr(api, "cancel_run", crash)
    trace = "0af7651916cd43dd8448eb211c80319c"
    response = stage.call(method, path, {"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    line = log_lines(capsys.readouterr().out)[-1]

    assert response.status_code == 500
    assert "shop" not in response.get_data(as_text=True)
    assert line["severity"] == "ERROR"
    assert line["action"] == "request_crashed"
    assert line["logging.googleapis.com/trace"] == f"projects/project-1/traces/{trace}"
    assert line["logging.googleapis.com/spanId"] == "b7ad6b7169203331"
    assert "RuntimeError" in line["stack_trace"]
    assert "shpat_" not in str(line)


def test_requests_are_served_after_a_refused_one(stage: Stage) -> None:
    """One caller's large body leaves nothing behind for the next."""
    stage.call("POST", "/api/sync/trigger", {"Authorization": "Bearer junk"}, data=b"x" * 1_000_000)

    assert stage.tick({"Authorization": f"Bearer {token()}"}).status_code == 202
