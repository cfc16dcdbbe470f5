"""`marketplace-sync ui` as a process of its own."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.processes import free_ports
from orchestrator.cli.app import main
from tests.support.project import ROOT

pytestmark = pytest.mark.processes


def test_it_serves_the_page_until_it_is_told_to_end(tmp_path: Path) -> None:
    """It prints a link that lets a browser in, says nothing of requests, and ends in order."""
    (port,) = free_ports(1)
    environment = {
        **os.environ,
        "ENVIRONMENT": "development",
        "SYNC_STORE": f"sqlite:{tmp_path / 'store.db'}",
        "SYNC_QUEUE": "local:http://127.0.0.1:9",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "ui", "--port", str(port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        link = urlsplit(process.stdout.readline().strip())
        assert link.port == port
        browser = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        browser.request("GET", f"{link.path}?{link.query}")
        answer = browser.getresponse()
        cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        browser.close()
        browser.request("GET", "/", headers={"Cookie": cookie})
        assert "No tick is known" in browser.getresponse().read().decode()
    finally:
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert "token" not in out


@pytest.mark.parametrize("port", ["0", "80", "70000"])
def test_a_port_is_one_that_anybody_may_take(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another is refused before anything is started."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("SYNC_STORE", f"sqlite:{tmp_path / 'store.db'}")
    monkeypatch.setenv("SYNC_QUEUE", "local:http://127.0.0.1:9")
    assert main(["ui", "--port", port]) == 1
    assert "--port: it takes a number from 1,024 to 65,535" in capsys.readouterr().err
