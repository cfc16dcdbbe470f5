"""Ports of the local stack: the same for each process at each start.

A stack remembers its ports. A new one takes the preferred ones, or for a taken one the next that is some
steps higher. A stack claims its ports on this machine as long as it runs: a port that was chosen but is not
listened to yet would look free to another stack that starts at the same time.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import msgspec

_FIRST = 8080
#: The worker of the lane of continuations.
BACKFILL_WORKER = "sync_worker_backfill"
#: Processes whose ports do not depend on the number of marketplaces.
_LAST = {BACKFILL_WORKER: 8097, "firestore-emulator": 8098, "pubsub-emulator": 8099}
#: Distance between a port and the next that is tried, and the number of those.
_STEP, _TRIED = 20, 50


def preferred(marketplaces: Sequence[str]) -> dict[str, int]:
    """The ports of a machine's first stack, by process: from 8080 on, the emulators' last."""
    names = ("sync_api", "sync_worker", "issuer", *(f"sandbox-{name}" for name in marketplaces))
    return {name: _FIRST + place for place, name in enumerate(names)} | _LAST


@contextmanager
def claimed(remembered: Path, wanted: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Ports by process, claimed until the end of the block.

    Args:
        remembered: The file of the last start's ports; it is written again.
        wanted: The preferred ports, by process.
    """
    known = _read(remembered)
    with ExitStack() as claims, ExitStack() as probes:
        ports = {}
        for name, first in wanted.items():
            tried = [first + _STEP * turn for turn in range(_TRIED)]
            if name in known:
                tried.insert(0, known[name])
            ports[name] = next((port for port in tried if _claim(port, claims)), 0) or _any(probes)
        probes.close()
        remembered.write_bytes(msgspec.json.format(msgspec.json.encode(ports)) + b"\n")
        yield ports


def _read(file: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _claim(port: int, claims: ExitStack) -> bool:
    """Whether the port is free for this stack; if so, it is claimed until the claims are closed."""
    try:
        file = _claim_file(port)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with _listening(port):
            claims.enter_context(file)
            return True
    except OSError:
        file.close()
        return False


def _claim_file(port: int) -> IO[str]:
    folder = Path(tempfile.gettempdir(), f"marketplace-sync-ports-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return (folder / str(port)).open("a")


def _any(probes: ExitStack) -> int:
    """A free port that the kernel chooses, and chooses for nobody else until the probes are closed."""
    return int(probes.enter_context(_listening(0)).getsockname()[1])


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        # As servers do: a port of connections that have ended is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()  # only a listening port is refused to the next listener
    except OSError:
        listener.close()
        raise
    return listener
