"""A function with wrong settings does not start, and says why in one line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.edge.conftest import MAIN, environment

pytestmark = pytest.mark.processes


def _import_main(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return _run(["-c", "import main"], env)


def _run(arguments: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    passed_on = {
        name: os.environ[name] for name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=MAIN.parent,
        env={**passed_on, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"FUNCTION_TARGET": "sync_api", "SCHEDULER_AUTH": "none"}, "SCHEDULER_AUTH"),
        ({"FUNCTION_TARGET": "sync_api", "SCHEDULER_SECRET": ""}, "SCHEDULER_SECRET"),
        ({"FUNCTION_TARGET": "sync_worker", "SLICE_SECONDS": "0"}, "SLICE_SECONDS"),
        ({"K_SERVICE": "sync", "SKIP_SCHEDULER_AUTH": "true"}, "SKIP_SCHEDULER_AUTH"),
        ({"FUNCTION_TARGET": "sync_worker", "ENVIRONMENT": "production"}, "OIDC_CERTS_URL"),
    ],
)
def test_wrong_settings_stop_the_start(changes: dict[str, str], named: str) -> None:
    """The import fails with one line that names the variable, without a traceback or a secret."""
    env = {**environment("http://127.0.0.1:9/certs"), **changes}
    result = _import_main(env)
    lines = result.stderr.splitlines()

    assert result.returncode == 1
    assert len(lines) == 1
    assert named in lines[0]
    assert env["SCHEDULER_SECRET"] not in lines[0] or not env["SCHEDULER_SECRET"]


@pytest.mark.parametrize("target", ["sync_api", "sync_worker"])
def test_good_settings_start(target: str) -> None:
    """With its settings a function starts in silence."""
    result = _import_main({**environment("http://127.0.0.1:9/certs"), "FUNCTION_TARGET": target})

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_worker_needs_no_authentication_settings() -> None:
    """The worker starts without the HTTP function's own settings."""
    env = {"SYNC_QUEUE": "pubsub:work", "GOOGLE_CLOUD_PROJECT": "project-1", "FUNCTION_TARGET": "sync_worker"}

    assert _import_main(env).returncode == 0
    assert _import_main({**env, "FUNCTION_TARGET": "sync_api"}).returncode == 1


def test_plain_import_checks_nothing() -> None:
    """Outside of a function `main` can be imported without any settings."""
    assert _import_main({}).returncode == 0


def test_server_does_not_start() -> None:
    """The framework's own server ends at once, with the same line."""
    env = {**environment("http://127.0.0.1:9/certs"), "OPERATORS": "ana"}
    result = _run(["-m", "functions_framework", "--target=sync_api", "--port=0"], env)

    assert result.returncode == 1
    assert result.stderr.startswith("settings: OPERATORS holds 'ana'")
    assert len(result.stderr.splitlines()) == 1
