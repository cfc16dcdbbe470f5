"""Questions to a person at a terminal. They go to standard error, so that an answer's JSON stays clean.

A secret is typed without being shown, and is never part of a message.
"""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.cli.tables import safe
from orchestrator.errors import RequestError

#: The most that Secret Manager takes (64 KiB).
_MOST_BYTES = 65_536
_ENDED = "the input ended; nothing is stored"


def is_interactive() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def text(question: str, *, default: str = "", choices: Sequence[str] = (), required: bool = True) -> str:
    """Ask for a line; an empty one means the default.

    Raises:
        RequestError: The input ended.
    """
    offered = f" ({', '.join(choices)})" if choices else ""
    hint = f" [{safe(default)}]" if default else ""
    while True:
        given = _line(f"{safe(question)}{offered}{hint}: ") or default
        if choices and given and given not in choices:
            say(f"It takes one of {', '.join(choices)}.")
        elif given or not required:
            return given


def hidden(question: str, *, required: bool = True) -> str:
    """Ask for a secret, which is not shown.

    Raises:
        RequestError: The input ended.
    """
    while True:
        try:
            given = getpass.getpass(f"{safe(question)} (not shown): ", stream=sys.stderr).strip()
        except EOFError:
            raise RequestError(_ENDED) from None
        if given or not required:
            return given


def agrees(question: str) -> bool:
    """Ask a question that yes is the default answer to."""
    return text(question, default="yes", choices=("yes", "no")) == "yes"


def confirm(question: str) -> None:
    """Ask a question that no is the default answer to.

    Raises:
        RequestError: The answer is no, or there is nobody to ask.
    """
    if not is_interactive():
        raise RequestError(f"{question} Nobody is at a terminal to answer", action="add --yes")
    if text(question, default="no", choices=("yes", "no")) != "yes":
        raise RequestError("not confirmed: nothing is changed")


def say(line: str) -> None:
    """Tell the person something between questions."""
    print(safe(line), file=sys.stderr)


def secret_file(path: str) -> str:
    """The content of a file with a secret, `-` for standard input, without the line end that editors add.

    Raises:
        RequestError: Empty, too long, or not text; the message shows none of it.
        OSError: The file cannot be read.
    """
    if path == "-":
        if sys.stdin.isatty():
            say("Paste the secret's JSON (it is not shown), press Enter, then Ctrl-D.")
        with _without_echo():
            content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    else:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    source = "standard input" if path == "-" else f"file {path}"
    if len(content) > _MOST_BYTES:
        raise RequestError(f"{source}: a secret takes at most {_MOST_BYTES} bytes")
    try:
        found = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise RequestError(f"{source}: is not text in UTF-8") from None
    if not found:
        raise RequestError(f"{source}: is empty", action="give the JSON that docs/connections.md shows")
    return found


def _line(prompt: str) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise RequestError(_ENDED)
    return line.strip()


@contextlib.contextmanager
def _without_echo() -> Iterator[None]:
    """Keep the terminal, if there is one, from showing the input."""
    if not sys.stdin.isatty():
        yield
        return
    import termios  # noqa: PLC0415 - there is none on Windows

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    silent = [*before]
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(handle, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSAFLUSH, before)
