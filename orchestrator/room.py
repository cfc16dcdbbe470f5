"""Room for large answers: the tasks of a process take turns with them, so that its memory has a bound.

Beside the 127 MiB of idle tasks, a task with small answers takes up to 40 MiB: two joined pages, one of them
read while the other is stored. One with the largest answers takes up to 110 MiB (docs/benchmarks.md, "Tasks
at once"). Four of those fit an instance of 2 GiB that works on 32 tasks at once, and one of the second lane
with 1 GiB and 8 tasks: 127 + 28 * 40 + 4 * 110 and 127 + 4 * 40 + 4 * 110 MiB.

A task takes one place for all of a page, and keeps it until the page is stored. It never waits for a place
while it has one: waiting tasks cannot block each other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

#: An answer, or the answers for one page together, with more bytes than these is large, ...
LARGE_BYTES = 4 * 1024 * 1024
#: ... and so is an answer with more values: decoded, a value takes up to forty times its length.
LARGE_VALUES = 200_000
#: Tasks of the process that may have large answers at once.
PLACES = 4
#: A wait for a place checks this often whether the slice is over.
LOOK_S = 1.0


class Crowded(Exception):
    """An answer is large, and there is no room for it now: nothing of it is kept."""


class Room:
    """The places of a process; first come, first served.

    Args:
        places: Tasks with large answers at once.
    """

    def __init__(self, places: int = PLACES) -> None:
        self._changing = threading.Lock()
        self._free = places
        self._waiting: deque[threading.Event] = deque()

    def enter_at_once(self) -> bool:
        """Take a free place; False if there is none. None is free while somebody waits."""
        with self._changing:
            if self._free == 0:
                return False
            self._free -= 1
            return True

    def enter(self, check: Callable[[], None]) -> None:
        """Take a place, after those who came before.

        Args:
            check: Called now and then during the wait; an exception that it raises ends the wait.
        """
        with self._changing:
            if self._free > 0:
                self._free -= 1
                return
            given = threading.Event()
            self._waiting.append(given)
        try:
            check()
            while not given.wait(LOOK_S):
                check()
        except BaseException:
            self._withdraw(given)
            raise

    def leave(self) -> None:
        """Give a place back: to the first who waits, if somebody does."""
        with self._changing:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1

    def _withdraw(self, given: threading.Event) -> None:
        """Wait no longer; a place that was given meanwhile is given back."""
        with self._changing:
            if given in self._waiting:
                self._waiting.remove(given)
                return
        self.leave()


#: The places of this process.
ROOM = Room()


class Place:
    """The place of one session, whose calls one thread at a time makes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.is_held = False
        #: Whether the thread that makes the calls waits for it now.
        self.is_awaited = False
        #: False once nobody wants the answer any more: then the wait ends.
        self.is_wanted = True

    def take_at_once(self) -> bool:
        """Take a place if that needs no wait; whether the session has one."""
        self.is_held = self.is_held or self._room.enter_at_once()
        return self.is_held

    def take(self, check: Callable[[], None]) -> None:
        """Wait for a place, unless the session has one.

        Args:
            check: As in `Room.enter`.

        Raises:
            Crowded: Nobody wants the answer any more.
        """
        if self.is_held:
            return

        def check_both() -> None:
            if not self.is_wanted:
                raise Crowded
            check()

        self.is_awaited = True
        try:
            self._room.enter(check_both)
        finally:
            self.is_awaited = False
        self.is_held = True

    def give_back(self) -> None:
        """Give the place back, if the session has one: nothing of its large answers is kept any more."""
        if self.is_held:
            self.is_held = False
            self._room.leave()
