"""Processes as Linux's /proc tells of them: their arguments, their children, their memory."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

#: Elsewhere nothing here finds a process, so that such a test would pass without looking.
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of processes in /proc")


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def processes_of(directory: Path) -> dict[int, str]:
    """Command lines of living processes with this folder in their arguments or environment, by id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes()
            belongs = str(directory).encode() in arguments + (entry / "environ").read_bytes()
        except OSError:
            continue
        if belongs and arguments:
            found[int(entry.name)] = arguments.replace(b"\0", b" ").decode()
    return found


def children_of(pid: int) -> list[int]:
    """The ids of a process's children; none if it is gone."""
    try:
        threads = list(Path(f"/proc/{pid}/task").glob("*/children"))
        return [int(child) for thread in threads for child in thread.read_text().split()]
    except OSError:
        return []


def peak_bytes(pid: int | str = "self") -> int:
    """The most memory that a process has had; 0 if it is gone.

    `getrusage` would count its parent's before it was started.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
