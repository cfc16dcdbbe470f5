"""The functions under the real server: requests that a test client cannot send."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.conftest import SECRET, environment
from tests.support.issuer import Issuer, token
from tests.support.serving import serving

pytestmark = pytest.mark.processes


@pytest.fixture
def port(certs: Issuer, tmp_path: Path) -> Iterator[int]:
    """The port of `sync_api`, started as the README says."""
    with serving("sync_api", environment(certs.url), tmp_path) as served:
        yield served.port


def _post(port: int, path: str, headers: dict[str, str], body: bytes | Iterator[bytes]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        is_chunked = not isinstance(body, bytes)
        connection.request("POST", path, body=body, headers=headers, encode_chunked=is_chunked)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def test_body_is_bounded_without_its_length(port: int) -> None:
    """A chunked body is read as far as the limit, refused or accepted, and the server keeps serving."""
    scheduler = {
        "Authorization": f"Bearer {token()}",
        "x-scheduler-secret": SECRET,
        "Transfer-Encoding": "chunked",
    }
    stranger = {"Transfer-Encoding": "chunked"}
    path = "/api/sync/scheduler"

    assert _post(port, path, scheduler, iter([b"x" * 1024] * 65)) == 413
    assert _post(port, path, stranger, iter([b"x" * 65_536] * 64)) == 401
    assert _post(port, path, {}, b"") == 401
    assert (
        _post(port, path, {**scheduler, "X-CloudScheduler-ScheduleTime": "soon"}, iter([b"x" * 1024])) == 400
    )
