"""A guard: a line of the product that a promise rests on, and the test that fails without it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """One line of the product that a promise rests on."""

    #: The promise, by number and in words: an invariant of the design, a rule or a failure history of the
    #: protocol.
    keeps: str
    #: The file, and the text that is replaced in it.
    path: str
    line: str
    without: str
    #: The test that fails without it.
    test: str
