"""A cold start imports nothing that it may not need."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.edge.conftest import MAIN

HEAVY = (
    "grpc",
    "google.cloud.firestore",
    "google.cloud.pubsub_v1",
    "google.cloud.secretmanager",
    "google.cloud.logging",
    "google.auth",
    "cryptography",
    "requests",
    "rich",
    "tink",
)


@pytest.mark.processes
def test_main_imports_no_client() -> None:
    """Clients, their transports and the command line's libraries are imported at their first use."""
    program = f"import sys, main; print([name for name in {HEAVY!r} if name in sys.modules])"
    # As on a developer's machine: no function is being served.
    env = {name: value for name, value in os.environ.items() if name not in {"FUNCTION_TARGET", "K_SERVICE"}}
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=MAIN.parent,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )

    assert result.stdout.strip() == "[]"
