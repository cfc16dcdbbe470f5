"""What rows run in: a folder for files, the processes they start, and how thorough they are."""

from __future__ import annotations

import functools
import os
import sys
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.google.emulators import Emulators, start_emulators
from local.processes import ROOT, Processes, free_ports


@dataclass(frozen=True)
class Site:
    """One run of the benchmarks.

    Args:
        folder: For files; removed afterwards by whoever made it.
        processes: Ends what was started.
        quick: Whether to show only that everything works; the figures are then worth little.
    """

    folder: Path
    processes: Processes
    quick: bool
    #: Nothing in a sandbox is newer: old enough for every stream's window.
    until: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1))

    def amount(self, thorough: int, quick: int) -> int:
        """How many of something."""
        return quick if self.quick else thorough

    @functools.cached_property
    def emulators(self) -> Emulators:
        """Google's emulators, started when a row first needs them.

        Raises:
            EmulatorsMissing: This machine does not have them.
        """
        emulators = start_emulators(self.processes)
        os.environ.update(emulators.variables)  # where Google's client libraries look
        return emulators

    def file(self) -> Path:
        """A path that nothing lies at."""
        return self.folder / uuid.uuid4().hex

    def sandbox(self, marketplace: str, *, orders: int, products: int) -> str:
        """Start a sandbox with two such accounts; returns its URL."""
        (port,) = free_ports(1)
        name, url = f"sandbox-{port}", f"http://127.0.0.1:{port}"
        self.start(
            name,
            url,
            "local.sandbox",
            marketplace,
            f"--port={port}",
            f"--orders={orders}",
            f"--products={products}",
            f"--until={self.until:%Y-%m-%dT%H:%M:%SZ}",
        )
        return url

    def start(self, name: str, url: str, module: str, *arguments: str, **variables: str) -> None:
        """Start a Python module as a process and wait until it answers."""
        strange = {"K_SERVICE", "FUNCTION_TARGET"}
        environment = {name: value for name, value in os.environ.items() if name not in strange}
        environment |= {"PYTHONPATH": str(ROOT), **variables}
        self.processes.start(name, [sys.executable, "-m", module, *arguments], environment)
        self.processes.wait_ready(name, url)


def fresh_project() -> str:
    """A project id that nothing was ever stored under."""
    return f"bench-{uuid.uuid4().hex[:12]}"
