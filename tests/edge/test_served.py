"""The functions under the real server: requests that a test client cannot send."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.conftest import MAIN, SECRET, environment
from tests.support.issuer import Issuer, token

pytestmark = pytest.mark.processes


@pytest.fixture
def port(certs: Issuer, tmp_path: Path) -> Iterator[int]:
    """The port of `sync_api`, started as the README says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    env = {
        **{name: value for name, value in os.environ.items() if name not in {"K_SERVICE", "FUNCTION_TARGET"}},
        **environment(certs.url),
        "SYNC_STORE": f"sqlite:{tmp_path / 'store.db'}",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "THREADS": "4",
    }
    command = [sys.executable, "-m", "functions_framework", "--target=sync_api", "--host=127.0.0.1"]
    server = subprocess.Popen(
        [*command, f"--port={number}"],
        cwd=MAIN.parent,
        env=env,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", number)) == 0:
                    break
            time.sleep(0.1)
        yield number
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _post(port: int, path: str, headers: dict[str, str], body: bytes | Iterator[bytes]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
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
