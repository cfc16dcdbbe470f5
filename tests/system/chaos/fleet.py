"""Two HTTP functions and both lanes' workers under functions-framework: killed, stopped, started again."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.google.topics import BACKFILL_LANE, FIRST_LANE, Lane
from local.processes import ROOT, Processes
from tests.support.linux import children_of, peak_bytes

APIS = ("api-0", "api-1")
#: The workers of each lane: as deployed, they share no message.
POOLS: Mapping[Lane, tuple[str, ...]] = {
    FIRST_LANE: ("worker-0", "worker-1", "worker-2"),
    BACKFILL_LANE: ("backfill-0", "backfill-1"),
}
WORKERS = tuple(name for pool in POOLS.values() for name in pool)
#: Cloud Run kills so many seconds after SIGTERM.
TERM_S = 10.0
_WORKER = ROOT / "tests" / "system" / "chaos" / "worker.py"
#: Calls that a worker takes at once, as deployed.
_THREADS = "8"


@dataclass
class Fleet:
    """The functions' processes. All calls come from one thread, which outlives them.

    Args:
        processes: Starts and, at the end, ends them.
        environment: Theirs.
        ports: Where each listens.
    """

    processes: Processes
    environment: Mapping[str, str]
    ports: Mapping[str, int]
    counts: Counter[str] = field(default_factory=Counter)
    #: The most memory that any worker process has held, in bytes.
    peak: int = 0
    #: When stopped ones go on, and those that were told to end are killed (monotonic seconds).
    _stopped: dict[str, float] = field(default_factory=dict)
    _ending: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Start all and wait until they answer."""
        for name in self.ports:
            self._start(name)
        for name in self.ports:
            self.processes.wait_ready(name, self.url(name))

    def url(self, name: str) -> str:
        """An instance's base URL."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def living(self, lane: Lane) -> list[str]:
        """The URLs of a lane's workers that have not ended; a stopped one does not answer, and counts."""
        return [self.url(name) for name in POOLS[lane] if self.processes.group(name) is not None]

    def kill(self, name: str) -> None:
        """Kill an instance, or where it is down just now the next one that is not."""
        if (victim := self._running(name)) is not None:
            self.processes.signal(victim, signal.SIGKILL)
            self.counts["kills"] += 1
            self.counts["backfill_kills"] += victim in POOLS[BACKFILL_LANE]

    def end(self, name: str) -> None:
        """Tell an instance to end, as Cloud Run does, and kill it some seconds later."""
        if (victim := self._running(name)) is not None and victim not in self._ending:
            self.processes.signal(victim, signal.SIGTERM)
            self._ending[victim] = time.monotonic() + TERM_S
            self.counts["terms"] += 1

    def stop(self, name: str, seconds: float) -> None:
        """Stop an instance for so long; what it held goes on afterwards as if nothing had happened."""
        if (victim := self._running(name)) is not None and victim not in self._stopped:
            self.processes.signal(victim, signal.SIGSTOP)
            self._stopped[victim] = time.monotonic() + seconds
            self.counts["stops"] += 1

    def look_after(self, *, continue_all: bool = False) -> None:
        """Continue, kill and start again what is due."""
        now = time.monotonic()
        for name, due in list(self._stopped.items()):
            if continue_all or now >= due:
                self.processes.signal(name, signal.SIGCONT)
                del self._stopped[name]
        for name, due in list(self._ending.items()):
            if now >= due:
                self.processes.signal(name, signal.SIGKILL)
                del self._ending[name]
        for name in self.ports:
            if self.processes.group(name) is None:
                self._stopped.pop(name, None)
                self._ending.pop(name, None)
                self._start(name)

    def measure(self) -> None:
        """Note the most memory that the workers that live now have held (Linux tells)."""
        for name in WORKERS:
            group = self.processes.group(name)
            if group is not None:
                self.peak = max(self.peak, *(peak_bytes(pid) for pid in (group, *children_of(group))))

    def _running(self, name: str) -> str | None:
        """The instance, or the next one of its sort that lives."""
        sort = next(sort for sort in (APIS, *POOLS.values()) if name in sort)
        index = sort.index(name)
        candidates = (*sort[index:], *sort[:index])
        return next((each for each in candidates if self.processes.group(each) is not None), None)

    def _start(self, name: str) -> None:
        command = [sys.executable, "-m", "functions_framework", "--host=127.0.0.1"]
        command.append(f"--port={self.ports[name]}")
        if name in APIS:
            command.append("--target=sync_api")
        else:
            command += [f"--source={_WORKER}", "--target=sync_worker", "--signature-type=cloudevent"]
        variables = {"PYTHONPATH": str(ROOT), "THREADS": _THREADS, "PYTHONUNBUFFERED": "1"}
        self.processes.start(name, command, {**self.environment, **variables})
