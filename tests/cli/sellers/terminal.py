"""The command line as a process, with pipes or on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from fcntl import ioctl
from select import select

from local.processes import ROOT

PROGRAM = [sys.executable, "-m", "orchestrator"]
_LONGEST_S = 60.0


def piped(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command with a text as standard input."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=text,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=_LONGEST_S,
        check=False,
    )


def typed(arguments: Sequence[str], answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Run a command on a terminal of its own, as a person who answers each question as it comes.

    Args:
        arguments: The command.
        answers: The end of each question, and what is typed then.

    Returns:
        The exit code, and all that the terminal showed.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no thread holds a lock here
    )
    os.close(theirs)
    shown, begin = "", 0
    try:
        for question, answer in answers:
            shown = _until(ours, shown, question, begin)
            begin = shown.index(question, begin) + len(question)
            # getpass flushes what was typed before it turned the echo off.
            time.sleep(0.2)
            os.write(ours, answer.encode())
        shown = _until(ours, shown, None, begin)
        return process.wait(_LONGEST_S), shown
    finally:
        process.kill()
        process.wait(_LONGEST_S)
        os.close(ours)


def _until(handle: int, shown: str, question: str | None, begin: int) -> str:
    """Read until the question is asked, or to the end."""
    give_up_at = time.monotonic() + _LONGEST_S
    while question is None or question not in shown[begin:]:
        assert time.monotonic() < give_up_at, f"waited for {question!r} after:\n{shown}"
        if not select([handle], [], [], 1.0)[0]:
            continue
        part = b""
        with suppress(OSError):  # the other side is closed
            part = os.read(handle, 65_536)
        if not part:
            assert question is None, f"ended before {question!r}:\n{shown}"
            break
        shown += part.decode(errors="replace")
    return shown
