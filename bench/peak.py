"""A process's peak of memory."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_kib() -> int:
    """This process's peak resident memory."""
    # getrusage would include this process's memory from before it became Python.
    if (told := peak_of("self")) is not None:
        return told
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def peak_of(pid: int | str) -> int | None:
    """The peak resident memory of a process, in KiB; None if the system has no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), flags=re.MULTILINE)
    return int(found[1]) if found is not None else None
