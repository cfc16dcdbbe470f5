"""The surroundings of the rows: a folder for files, the processes they start, and their thoroughness."""

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

#: The last commit of release 0.1.
RELEASE_0_1 = "c372857b1bc77b15c5cff5dda126a005c926b33f"

#: Nothing that a row has started has anything to finish, and a server waits seconds for open connections.
NO_GRACE_S = 0.0


class SourceMissing(Exception):
    """The source of an earlier release cannot be had here; the message says which."""


class PeerMissing(Exception):
    """The loader that the product is compared with cannot be had here; the message says why."""


@dataclass(frozen=True)
class Site:
    """One run of the benchmarks.

    Args:
        folder: For files; its maker removes it afterwards.
        processes: Ends the started processes.
        quick: Whether to show only that everything works; the figures then mean little.
        before: The release that records are compared with: a commit, or the folder of its source.
    """

    folder: Path
    processes: Processes
    quick: bool
    before: str = RELEASE_0_1
    #: No record of a sandbox is newer, so that every stream's window covers it.
    until: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1))
    #: URLs of the processes that repeat a sandbox's answers: of a marketplace, its orders and products.
    _ready: dict[tuple[str, int, int], str] = field(default_factory=dict, init=False)

    def amount(self, thorough: int, quick: int) -> int:
        """A number of repetitions or records: the first, or the second if `quick`."""
        return quick if self.quick else thorough

    @functools.cached_property
    def emulators(self) -> Emulators:
        """Google's emulators, started when a row first needs them.

        Raises:
            EmulatorsMissing: This machine does not have them.
        """
        emulators = start_emulators(self.processes)
        os.environ.update(emulators.variables)  # read by Google's client libraries
        return emulators

    def file(self) -> Path:
        """The path of a new file, which does not exist."""
        return self.folder / uuid.uuid4().hex

    def sandbox(self, marketplace: str, *, orders: int, products: int) -> str:
        """Start a sandbox with two accounts of this kind; returns its URL."""
        name, url = self._sandbox(marketplace, orders, products)
        self.processes.wait_ready(name, url)
        return url

    def _sandbox(self, marketplace: str, orders: int, products: int) -> tuple[str, str]:
        """Start a sandbox without waiting for it; returns its name and its URL."""
        (port,) = free_ports(1)
        name, url = f"sandbox-{port}", f"http://127.0.0.1:{port}"
        self.begin(
            name,
            "local.sandbox",
            marketplace,
            f"--port={port}",
            f"--orders={orders}",
            f"--products={products}",
            f"--until={self.until:%Y-%m-%dT%H:%M:%SZ}",
        )
        return name, url

    def ready(self, marketplace: str, *, orders: int, products: int) -> str:
        """The URL of a process that repeats a sandbox's answers from memory; the first use starts both."""
        wanted = (marketplace, orders, products)
        if wanted not in self._ready:
            sandbox, its_url = self._sandbox(*wanted)
            (port,) = free_ports(1)
            name, url = f"ready-{port}", f"http://127.0.0.1:{port}"
            until = f"{self.until:%Y-%m-%dT%H:%M:%S}"
            self.begin(name, "bench.ready", f"--port={port}", f"--sandbox={its_url}", f"--until={until}")
            self.processes.wait_ready(sandbox, its_url)
            self.processes.wait_ready(name, url)
            self._ready[wanted] = url
        return self._ready[wanted]

    def start(self, name: str, url: str, module: str, *arguments: str, **variables: str) -> None:
        """Start a Python module as a process and wait until it answers."""
        self.begin(name, module, *arguments, **variables)
        self.processes.wait_ready(name, url)

    def begin(self, name: str, module: str, *arguments: str, **variables: str) -> None:
        """Start a Python module as a process."""
        strange = {"K_SERVICE", "FUNCTION_TARGET"}
        environment = {name: value for name, value in os.environ.items() if name not in strange}
        environment |= {"PYTHONPATH": str(ROOT), **variables}
        self.processes.start(name, [sys.executable, "-m", module, *arguments], environment)


def fresh_project() -> str:
    """The id of a new, empty project."""
    return f"bench-{uuid.uuid4().hex[:12]}"
