"""A seeded scheduler: actors run until they touch the world, then somebody else may go first.

Every port call of the product pauses its actor, so all interleavings of port calls can happen, and a
seed replays exactly.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

from tests.system.simulation.process import Killed, Process

P = ParamSpec("P")
T = TypeVar("T")

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


class Actor:
    """One flow of control."""

    def __init__(self, loop: Loop, body: Callable[[], object], process: Process) -> None:
        self.process = process
        self._loop = loop
        self._let = greenlet(self._run, loop.home)
        self._body = body

    def _run(self) -> None:
        try:
            if not self.process.is_dead:
                self._body()
        except Killed:
            return

    def resume(self) -> None:
        """Go on until the next pause."""
        self._loop.current = self
        try:
            self._let.switch()
        finally:
            self._loop.current = None


class Loop:
    """Virtual time and the choice of who goes next."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_s = 0.0
        self.current: Actor | None = None
        self.steps = 0
        #: The first thing that must not have happened; it ends the history wherever it was noticed.
        self.failure: BaseException | None = None
        self._ready: list[Actor] = []
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._counter = itertools.count()
        self.home = getcurrent()

    @property
    def now(self) -> datetime:
        """The true time."""
        return START + timedelta(seconds=self.now_s)

    def spawn(self, body: Callable[[], object], process: Process) -> Actor:
        """A new actor, ready to run."""
        actor = Actor(self, body, process)
        self._ready.append(actor)
        return actor

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something so many seconds from now."""
        heapq.heappush(self._timers, (self.now_s + seconds, next(self._counter), action))

    def pause(self) -> None:
        """Let others go first; does not return to a process that has died meanwhile."""
        actor = self.current
        if actor is None:
            return
        self._check(actor)
        self._ready.append(actor)
        self.home.switch()
        self._check(actor)

    def sleep(self, seconds: float) -> None:
        """Let time pass for the current actor."""
        actor = self.current
        if actor is None:
            self.now_s += seconds
            return
        self._check(actor)
        self.at(seconds, lambda: self._ready.append(actor))
        self.home.switch()
        self._check(actor)

    def wait(self, *subscriptions: Callable[[Callable[[object], None]], None]) -> None:
        """Stop the current actor until one of the things it subscribes to has happened."""
        actor = self.current
        assert actor is not None
        self._check(actor)
        waiting = [actor]

        def wake(_: object) -> None:
            if waiting:
                self._ready.append(waiting.pop())

        for subscribe in subscriptions:
            subscribe(wake)
        self.home.switch()
        self._check(actor)

    def run(self, until_s: float, *, steps: int = 1_000_000) -> None:
        """Run until nothing is left to do before `until_s`; raises what must not have happened."""
        while self.failure is None:
            self.steps += 1
            if self.steps >= steps:
                raise AssertionError("the history does not come to rest")
            if self._ready:
                actor = self._ready.pop(self.rng.randrange(len(self._ready)))
                if actor.process.thaws_at_s > self.now_s:
                    self.at(actor.process.thaws_at_s - self.now_s, lambda it=actor: self._ready.append(it))  # type: ignore[misc]
                else:
                    actor.resume()
                continue
            if not self._timers or self._timers[0][0] > until_s:
                self.now_s = max(self.now_s, until_s)
                return
            when, _, action = heapq.heappop(self._timers)
            self.now_s = max(self.now_s, when)
            action()
        raise self.failure

    def _check(self, actor: Actor) -> None:
        if actor.process.is_dead:
            raise Killed


class SimClock:
    """The clock of one process, which may be off."""

    def __init__(self, loop: Loop, process: Process) -> None:
        self._loop, self._process = loop, process

    def now(self) -> datetime:
        """What this process takes the time to be."""
        return START + timedelta(seconds=round(self._loop.now_s + self._process.skew_s, 6))

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._loop.now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._loop.sleep(max(seconds, 0.001))


class SimFuture(Future[T]):
    """A future whose waiter lets others run."""

    loop: Loop
    process: Process

    def result(self, timeout: float | None = None) -> T:
        """The outcome, once there is one."""
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The error, once there is an outcome."""
        self._wait(timeout)
        return super().exception(0)

    def _wait(self, timeout: float | None) -> None:
        """Wait; who waits with a time-out looks whether its time is over, or its process has to end."""
        if timeout is None:
            while not self.done():
                self.loop.wait(self.add_done_callback)
        elif not self.done():
            self.loop.wait(self.add_done_callback, lambda wake: self.loop.at(timeout, lambda: wake(None)))
            if not self.done():
                raise TimeoutError


class SimExecutor(Executor):
    """Runs submitted work as an actor of the same process."""

    def __init__(self, loop: Loop, process: Process) -> None:
        self._loop, self._process = loop, process

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin the work; it goes on while the caller does."""
        future: SimFuture[T] = SimFuture()
        future.loop, future.process = self._loop, self._process

        def body() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - a future carries any error to whoever asks for it
                future.set_exception(error)

        self._loop.spawn(body, self._process)
        return future


def chance(rng: random.Random, probability: float) -> bool:
    """Whether something happens."""
    return rng.random() < probability
