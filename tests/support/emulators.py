"""Google's emulators for tests: started once, each test in a project of its own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from local.google.emulators import Emulators, EmulatorsMissing, start_emulators
from local.processes import Processes


@contextmanager
def running_emulators(logs: Path) -> Iterator[Emulators]:
    """Both emulators until the block ends; without them a skip, or with REQUIRE_EMULATORS=1 a failure."""
    with Processes(logs) as processes:
        try:
            emulators = start_emulators(processes)
        except EmulatorsMissing as error:
            refuse_or_skip(error)
        yield emulators


def refuse_or_skip(error: EmulatorsMissing) -> NoReturn:
    """Skip the test, because the emulators are missing; fail it if they are required."""
    if os.environ.get("REQUIRE_EMULATORS") == "1":
        pytest.fail(f"REQUIRE_EMULATORS=1: {error}")
    pytest.skip(str(error))


def fresh_project() -> str:
    """A project id without any document."""
    return f"test-{uuid.uuid4().hex[:12]}"
