"""Log lines have Cloud Logging's form, and hold no credential."""

from __future__ import annotations

import contextvars
import json
import logging
import threading
from typing import Any

import pytest

from functions import logs
from orchestrator import log_context

TRACE = "0af7651916cd43dd8448eb211c80319c"
_log = logging.getLogger("tests.edge")


def _line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    [text] = capsys.readouterr().out.removesuffix("\n").split("\n")
    line: dict[str, Any] = json.loads(text)
    return line


def test_line_has_cloud_loggings_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """A line carries severity, message, time, trace, labels, bound and extra fields."""
    logs.configure("INFO", "project-1")
    with log_context.bind(
        run_id="t-1", connection_id="c-1", trace=TRACE, span="b7ad6b7169203331", traceparent="00-"
    ):
        _log.warning("page %d done", 3, extra={"action": "page_done", "records": 250})
    line = _line(capsys)

    assert line.pop("time").endswith("Z")
    assert line == {
        "severity": "WARNING",
        "message": "c-1: page 3 done",
        "logger": "tests.edge",
        "action": "page_done",
        "records": 250,
        "run_id": "t-1",
        "connection_id": "c-1",
        "logging.googleapis.com/trace": f"projects/project-1/traces/{TRACE}",
        "logging.googleapis.com/spanId": "b7ad6b7169203331",
        "logging.googleapis.com/labels": {"run_id": "t-1", "connection_id": "c-1"},
    }


def test_a_message_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """The text names the connection and its marketplace; a line about all connections names none."""
    logs.configure("INFO", "")
    with log_context.bind(run_id="t-1", connection_id="my-shop", marketplace="shopify", task="task"):
        _log.info("throttled for 3 s")
        with log_context.apart("connection_id", "marketplace"):
            _log.info("run t-1 is over")
    first, second = capsys.readouterr().out.splitlines()

    assert json.loads(first)["message"] == "my-shop (shopify): throttled for 3 s"
    assert json.loads(second)["message"] == "run t-1 is over"
    assert json.loads(second)["logging.googleapis.com/labels"] == {"run_id": "t-1"}


def test_line_without_context(capsys: pytest.CaptureFixture[str]) -> None:
    """Without bound fields none is invented, and a trace without its project is dropped."""
    logs.configure("INFO", "")
    with log_context.bind(trace=TRACE):
        _log.info("ready")

    assert set(_line(capsys)) == {"severity", "message", "time", "logger"}


def test_configuring_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    """A second call leaves one handler, with the new level."""
    logs.configure("ERROR", "")
    logs.configure("DEBUG", "")
    _log.debug("once")

    assert _line(capsys)["severity"] == "DEBUG"


def test_libraries_stay_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """At DEBUG the HTTP client still does not write URLs."""
    logs.configure("DEBUG", "")
    logging.getLogger("urllib3.connectionpool").debug("GET /orders?key=private")

    assert capsys.readouterr().out == ""


def test_message_of_many_lines_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks inside a message do not break the line."""
    logs.configure("INFO", "")
    _log.info("one\ntwo\u2028three", extra={"list": ["a\nb", {"c": 1}, None, object]})

    assert _line(capsys)["message"] == "one\ntwo\u2028three"


def test_traceback_is_kept_for_error_reporting(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception's traceback is in `stack_trace`, without the credential it quotes."""
    logs.configure("INFO", "")
    try:
        raise RuntimeError("GET https://shop.example.test/x?access_token=private-1 failed")
    except RuntimeError:
        _log.exception("crashed")
    line = _line(capsys)

    assert line["severity"] == "ERROR"
    assert line["stack_trace"].startswith("Traceback (most recent call last)")
    assert "private" not in str(line)


def test_broken_log_call_breaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A field that cannot be written costs its line and not the work."""

    class Broken:
        def __str__(self) -> str:
            raise ValueError("cannot be shown")

    logs.configure("INFO", "")
    _log.info("seen", extra={"field": Broken()})
    captured = capsys.readouterr()

    assert captured.out == ""
    assert "Logging error" in captured.err


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer private",
        "authorization=private",
        '{"Authorization": "Bearer private"}',
        "bearer private",
        "Basic private",
        "x-scheduler-secret: private",
        "X-Shopify-Access-Token: private",
        "{'X-Amz-Access-Token': 'private'}",
        "access_token=private&x=1",
        '"refresh_token": "private"',
        "client_secret='private'",
        "GET /orders?consumer_key=private&consumer_secret=private",
        "GET /?key=private",
        "GET /?a=1&token=private",
        "POST /?code=private HTTP/1.1",
        "https://ana:private@shop.example.test/",
        "eyJhbGciOiJSUzI1NiJ9.eyJwcml2YXRlIjoxfQ.private",
        "token shpat_0123456789abcdefprivate",
        "refresh Atzr|private",
        "got ya29.private",
        "v^1.1#i^1#private",
        "api_key: private",
        "password=private",
        "-----BEGIN PRIVATE KEY-----\nprivate\n-----END PRIVATE KEY-----",
    ],
)
def test_credentials_are_redacted(text: str) -> None:
    """Whatever looks like a credential is replaced."""
    assert "private" not in logs.redact(f"before {text} after")
    assert logs.redact(f"before {text} after").startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "page token expired; the window starts again",
        "secret projects/p/secrets/s/versions/latest: does not exist",
        "https://shop.example.test:8443/orders?page=2",
        "run t-20261123T120000Z-marketplace-sync accepted",
        "key id is unknown",
    ],
)
def test_prose_is_left_alone(text: str) -> None:
    """Words that only name credentials stay readable."""
    assert logs.redact(text) == text


def test_endless_text_is_cut() -> None:
    """A text of megabytes does not become a line that Cloud Logging refuses."""
    cut = logs.redact("x" * 1_000_000)

    assert len(cut) < 64 * 1024
    assert "(1000000 characters)" in cut


@pytest.mark.parametrize("text", ["x-" * 15_000, "a." * 15_000, "a://" * 8_000, "eyJ" * 10_000])
def test_hostile_text_is_left_alone(text: str) -> None:
    """Text made to keep the filter busy (it must not backtrack without end) passes unchanged."""
    assert logs.redact(f"{text}://") == f"{text}://"


def test_fields_are_redacted_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Extra and bound fields pass the same filter, however deep."""
    logs.configure("INFO", "")
    with log_context.bind(task="access_token=private"):
        _log.info(
            "x",
            extra={
                "detail": {"headers": ["Authorization: Bearer private"]},
                "error": ValueError("Bearer private"),
            },
        )

    assert "private" not in capsys.readouterr().out


def test_bound_fields_nest_and_end() -> None:
    """Inner fields add to outer ones, None changes nothing, and all end with their block."""
    with log_context.bind(run_id="t-1", task="task"):
        with log_context.bind(connection_id="c-1", run_id=None, task="sweep"):
            inner = dict(log_context.current())
        outer = dict(log_context.current())

    assert inner == {"run_id": "t-1", "task": "sweep", "connection_id": "c-1"}
    assert outer == {"run_id": "t-1", "task": "task"}
    assert dict(log_context.current()) == {}


def test_bound_fields_end_with_an_error() -> None:
    """An exception unbinds as well."""
    with pytest.raises(RuntimeError), log_context.bind(run_id="t-1"):
        raise RuntimeError

    assert dict(log_context.current()) == {}


def test_threads_see_what_their_context_was_copied_from() -> None:
    """A thread sees the fields only when run in a copy of the context."""
    seen: list[dict[str, str]] = []

    def look() -> None:
        seen.append(dict(log_context.current()))

    with log_context.bind(run_id="t-1"):
        copied = contextvars.copy_context()
        threads = [threading.Thread(target=look), threading.Thread(target=copied.run, args=(look,))]
        for thread in threads:
            thread.start()
            thread.join()

    assert seen == [{}, {"run_id": "t-1"}]
