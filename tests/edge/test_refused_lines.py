"""A refused caller leaves one log line: who, the fault and the path, readable and without a credential."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.edge.conftest import SECRET, Stage, log_lines
from tests.support.issuer import OPERATOR, SCHEDULER, token

UNKNOWN = "an unknown caller"


def _as(**claims: Any) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token(**claims)}"}


@pytest.mark.parametrize(
    ("path", "headers", "status", "who", "fault"),
    [
        ("/api/sync/status", {}, 401, UNKNOWN, "no token"),
        (
            "/api/sync/status",
            {"Authorization": "Basic YTpi"},
            401,
            UNKNOWN,
            "the Authorization header holds no token",
        ),
        (
            "/api/sync/status",
            {"Authorization": "Bearer a.b"},
            401,
            UNKNOWN,
            "the token proves nothing: not three base64url segments within the length limit",
        ),
        ("/api/sync/status", _as(), 403, SCHEDULER, "it is not one of OPERATORS"),
        (
            "/api/sync/status",
            _as(email=OPERATOR, exp=time.time() - 60),
            401,
            f"a caller who claims to be {OPERATOR}",
            "the token proves nothing: expired",
        ),
        (
            "/api/sync/scheduler",
            {**_as(email=OPERATOR), "x-scheduler-secret": SECRET},
            403,
            OPERATOR,
            "it is not the scheduler's account",
        ),
        ("/api/sync/scheduler", _as(), 403, SCHEDULER, "x-scheduler-secret is missing"),
        (
            "/api/sync/scheduler",
            {**_as(), "x-scheduler-secret": "guessed"},
            403,
            SCHEDULER,
            "x-scheduler-secret is wrong",
        ),
    ],
)
def test_who_was_refused_and_why(
    stage: Stage,
    capsys: pytest.CaptureFixture[str],
    path: str,
    headers: Mapping[str, str],
    status: int,
    who: str,
    fault: str,
) -> None:
    """The text alone tells it, and the redaction leaves it as it is."""
    method = "POST" if path.endswith("scheduler") else "GET"
    response = stage.call(method, path, headers, as_operator=False)
    output = capsys.readouterr().out
    (line,) = [each for each in log_lines(output) if each["action"] == "caller_refused"]

    assert response.status_code == status
    assert line["message"] == f"caller refused: {method} {path} answered {status} to {who}: {fault}"
    assert (line["caller"], line["reason"], line["path"], line["status"]) == (who, fault, path, status)
    assert not {"redacted", SECRET, "guessed", "YTpi"} & set(output.replace('"', " ").split())
    assert "redacted" not in output
