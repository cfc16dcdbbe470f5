"""A function in a process of its own, under the server that it is deployed with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from local.processes import free_ports
from tests.support.project import ROOT
from tests.support.waiting import wait_until

_ENDED_S = 15


class Served(NamedTuple):
    """A served function: its port, and the process of its server."""

    port: int
    pid: int


@contextmanager
def serving(target: str, variables: Mapping[str, str], folder: Path) -> Iterator[Served]:
    """Start a function as the README says; its store lies in the folder."""
    (port,) = free_ports(1)
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"K_SERVICE", "FUNCTION_TARGET"}
    }
    env = {
        **inherited,
        **variables,
        "SYNC_STORE": f"sqlite:{folder / 'store.db'}",
        "XDG_RUNTIME_DIR": str(folder),
        "THREADS": "4",
    }
    kind = ["--signature-type=cloudevent"] if target == "sync_worker" else []
    command = [sys.executable, "-m", "functions_framework", f"--target={target}", f"--port={port}", *kind]
    process = subprocess.Popen(
        [*command, "--host=127.0.0.1"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: process.poll() is not None or is_listening(port))
        assert process.poll() is None, f"{target} ended with {process.returncode}"
        yield Served(port, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=_ENDED_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def is_listening(port: int) -> bool:
    """Whether a port of this machine accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
