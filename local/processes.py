"""Child processes that never outlive their parent.

Each child leads its own process group, so that a terminal's Ctrl-C reaches only the parent. The parent
then ends the groups: SIGTERM, a grace period, SIGKILL. If the parent itself is killed, Linux sends the
children SIGTERM (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3

ROOT = Path(__file__).resolve().parent.parent
#: The maximum seconds until a process answers its first request.
READY_S = 60.0
#: Seconds between SIGTERM and SIGKILL, unless their starter says otherwise.
GRACE_S = 5.0
_TAIL_LINES = 15
_POLL_S = 0.05
_PR_SET_PDEATHSIG = 1
#: Signals that end this program.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class StackFailed(Exception):
    """The local stack must stop; the message is for the person who started it."""


@dataclass(frozen=True, slots=True)
class Child:
    """A started process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """The last lines of its log, indented."""
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"  | {line}" for line in lines) or "  | (the log is empty)"


class Processes:
    """Starts processes, watches them, and ends them all at the end of the `with` block.

    Args:
        logs: Folder of log files, one per process.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, logs: Path, *, grace_s: float = GRACE_S) -> None:
        self._logs, self._grace_s = logs, grace_s
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process in the project's root; its output goes to `NAME.log`.

        An earlier process of this name must have ended; the new one appends to its log.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        with log.open("ab" if name in self._children else "wb") as output, _uninterrupted():
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if _libc is not None else None,  # noqa: PLW1509 - no other way to set it; it takes no lock
            )
            self._children[name] = Child(name, process, log)

    def group(self, name: str) -> int | None:
        """The id of a living process, which is also its group's; None if the process has ended."""
        process = self._children[name].process
        return process.pid if process.poll() is None else None

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the group of a process, unless it has ended."""
        if (group := self.group(name)) is not None:
            _signal_group(group, number)

    def check(self) -> None:
        """Check that all children live.

        Raises:
            StackFailed: A child has ended; the message contains the end of its log.
        """
        for child in self._children.values():
            code = child.process.poll()
            if code is not None:
                raise StackFailed(
                    f"{child.name} ended unexpectedly ({_ending(code)}); the end of {child.log}:\n"
                    f"{child.tail()}"
                )

    def wait_ready(self, name: str, url: str) -> None:
        """Wait until the process answers HTTP, with any status.

        Raises:
            StackFailed: It ended, or did not answer within `READY_S` seconds.
        """
        http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(2.0))
        deadline = time.monotonic() + READY_S
        while True:
            self.check()
            try:
                http.request("GET", url)
                return
            except urllib3.exceptions.HTTPError as error:
                if time.monotonic() > deadline:
                    child = self._children[name]
                    raise StackFailed(
                        f"{name} did not answer at {url} within {READY_S:.0f} s; the end of {child.log}:\n"
                        f"{child.tail()}"
                    ) from error
                time.sleep(_POLL_S)

    def stop(self) -> None:
        """End every process group, the latest first; a second call does nothing."""
        children = [child.process for child in reversed(self._children.values())]
        for process in children:
            _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        for process in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in children:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        self._children.clear()


def free_ports(count: int) -> list[int]:
    """Distinct unused ports of the loopback interface."""
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay the signals that end this program until the end of the block.

    If a handler raised between the fork and the child's registration, nobody would end the child. If it
    raised in Python's own fork hooks, Python would drop the exception.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread runs handlers
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda given, _: held.append(given)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for arrived in held:
        signal.raise_signal(arrived)


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
