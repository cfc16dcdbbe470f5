"""The answer of a command, for programs and for people."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from rich.console import Console

#: A command's parser has this one as its parent.
JSON = argparse.ArgumentParser(add_help=False)
JSON.add_argument("--json", action="store_true", help="print JSON")


class Answer(NamedTuple):
    """A command's answer."""

    #: For programs, printed with `--json`; a function is called for it.
    value: object
    #: For people: a text, or a function that prints to the screen.
    text: str | Callable[[Console], None]
    exit_code: int = 0
