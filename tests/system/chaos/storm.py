"""Carries the plan out: harm, ticks, faults, changes and people, all at once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import urllib3

from local.google.scheduler import TickFailed
from orchestrator.errors import StoreUnavailable
from orchestrator.operators import pause
from orchestrator.services import Services
from tests.support.people import ME
from tests.system.chaos.background import Background
from tests.system.chaos.fleet import APIS
from tests.system.chaos.plan import BUSIEST, LATE_S, Event
from tests.system.chaos.sellers import SELLERS
from tests.system.chaos.site import Site
from tests.system.chaos.verdict import Tick

#: Seconds that a call of a person, or to a sandbox, may take.
_CALL_S = 20.0
_SANDBOX_S = 60.0
#: Seconds that a marketplace takes for an answer.
_LATENCY_S = 0.05
_LOOK_S = 0.05
_MEASURE_S = 0.5


@dataclass
class Storm:
    """What happens to a site. The methods that a plan names are called by the main thread alone."""

    site: Site
    counts: Counter[str] = field(default_factory=Counter)
    #: The runs that each tick's accepted deliveries named.
    ticks: dict[datetime, set[str]] = field(default_factory=dict)
    calls: Background = field(default_factory=Background)

    def __post_init__(self) -> None:
        self._http = urllib3.PoolManager(maxsize=32, retries=False, timeout=urllib3.Timeout(_CALL_S))
        self._measured = 0.0
        self._lock = threading.Lock()

    def rage(self, events: Sequence[Event], seconds: float) -> None:
        """Let everything happen when it is due, for so long."""
        for marketplace in self.site.sandboxes:
            self.mend(marketplace)
        begun = time.monotonic()
        due = list(reversed(events))
        while (passed := time.monotonic() - begun) < seconds:
            while due and due[-1].at_s <= passed:
                event = due.pop()
                getattr(self, event.what)(*event.arguments)
            self.attend(_LOOK_S)

    def attend(self, seconds: float) -> None:
        """Look after the processes, and wait a moment."""
        self.site.fleet.look_after()
        self.site.steady.check()
        if time.monotonic() - self._measured > _MEASURE_S:
            self.site.fleet.measure()
            self._measured = time.monotonic()
        time.sleep(seconds)

    def end(self) -> datetime:
        """Undo all harm, and wait for what is under way; since when nothing has been disturbed."""
        site = self.site
        for pusher in site.pushers:
            pusher.is_wild = False
        site.fleet.look_after(continue_all=True)
        self._wait()
        for marketplace in site.sandboxes:
            self._sandbox(marketplace, "DELETE", "faults", None)
        for sample in SELLERS:
            pause.resume(site.services, sample.id, by=ME)
        return datetime.now(UTC)

    def _wait(self) -> None:
        """Wait until everything that was asked for has been answered."""
        while not self.calls.is_idle:
            self.attend(_LOOK_S)

    def _count(self, name: str) -> None:
        with self._lock:
            self.counts[name] += 1

    # Harm

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.site.fleet.kill(self._named(name))

    def end_one(self, name: str) -> None:
        """SIGTERM."""
        self.site.fleet.end(self._named(name))

    def stop(self, name: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        self.site.fleet.stop(self._named(name), seconds)

    def _named(self, name: str) -> str:
        if name not in BUSIEST:
            return name
        under_way = next(each.under_way for each in self.site.pushers if each.lane.topic == name)
        return max(BUSIEST[name], key=lambda worker: under_way[self.site.fleet.url(worker)])

    # The scheduler

    def tick(self, deliveries: Sequence[tuple[float, int]]) -> None:
        """A tick, delivered to some HTTP functions after some seconds each."""
        schedule_time = datetime.now(UTC).replace(microsecond=0)
        self.ticks.setdefault(schedule_time, set())
        for after_s, number in deliveries:
            self.calls.start(self._deliver, schedule_time, after_s, number)

    def _deliver(self, schedule_time: datetime, after_s: float, number: int) -> None:
        time.sleep(after_s)
        try:
            started = self.site.schedulers[number].deliver(schedule_time)
        except TickFailed:
            return  # as often as Cloud Scheduler would have tried
        self._count("tick_deliveries")
        self.ticks[schedule_time].add(started.run_id)

    def accepted(self) -> list[Tick]:
        """All ticks so far."""
        return [Tick(moment, frozenset(run_ids)) for moment, run_ids in sorted(self.ticks.items())]

    # Marketplaces

    def fault(self, marketplace: str, fault: dict[str, Any]) -> None:
        """Something goes wrong there from now on."""
        self.counts["faults"] += 1
        self.calls.start(self._sandbox, marketplace, "POST", "faults", fault)

    def mend(self, marketplace: str) -> None:
        """Nothing goes wrong there any more; it is only as slow as marketplaces are."""
        self.calls.start(self._mend, marketplace)

    def _mend(self, marketplace: str) -> None:
        self._sandbox(marketplace, "DELETE", "faults", None)
        self._sandbox(marketplace, "POST", "faults", {"kind": "slow", "seconds": _LATENCY_S})

    def change(self, connection_id: str, change: dict[str, int]) -> None:
        """Data change there."""
        self.counts["changes"] += sum(change.values())
        marketplace, _, account = connection_id.rpartition("-")
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=LATE_S)
        body = {**change, "account": int(account), "at": at}
        self.calls.start(self._sandbox, marketplace, "POST", "change", body)

    def _sandbox(self, marketplace: str, method: str, path: str, body: object) -> None:
        url = f"{self.site.sandboxes[marketplace]}/_sandbox/{path}"
        content = None if body is None else msgspec.json.encode(body)
        answer = self._http.request(method, url, body=content, timeout=_SANDBOX_S)
        if answer.status != 200:
            raise RuntimeError(f"{method} {url}: {answer.status} {answer.data[:200]!r}")

    # People

    def cancel(self) -> None:
        """A person cancels the latest run that is not over."""
        self.calls.start(self._to_latest, "cancel", ("dispatching", "running"))

    def retry(self) -> None:
        """A person retries the latest run of which something failed."""
        self.calls.start(self._to_latest, "retry", ("partial", "failed", "cancelled"))

    def trigger(self, connection_ids: Sequence[str], full: bool) -> None:
        """A person starts a run of some connections."""
        self.calls.start(self._ask, "POST", "trigger", {"connection_ids": list(connection_ids), "full": full})

    def pause(self, connection_id: str) -> None:
        """A person pauses a connection."""
        self.calls.start(self._by_command, partial(pause.pause, by=ME), connection_id)

    def resume(self, connection_id: str) -> None:
        """A person lets it take part again."""
        self.calls.start(self._by_command, partial(pause.resume, by=ME), connection_id)

    def _by_command(self, command: Callable[[Services, str], None], connection_id: str) -> None:
        try:
            command(self.site.services, connection_id)
        except StoreUnavailable:
            return  # the person is told to try again
        self._count("operator_actions")

    def _to_latest(self, action: str, statuses: Sequence[str]) -> None:
        answers = [self._ask("GET", f"runs?status={status}", None) for status in statuses]
        runs = [run for answer in answers if answer is not None for run in answer["runs"]]
        if runs:
            latest = max(runs, key=lambda run: run["started_at"])
            self._ask("POST", f"runs/{latest['run_id']}/{action}", {})

    def _ask(self, method: str, path: str, body: object) -> Any:
        """A call to one of the HTTP functions; None where it was not answered or not possible."""
        site = self.site
        url = f"{site.fleet.url(random.choice(APIS))}/api/sync/{path}"
        headers = {"Authorization": f"Bearer {site.token()}", "Content-Type": "application/json"}
        content = None if body is None else msgspec.json.encode(body)
        try:
            answer = self._http.request(method, url, body=content, headers=headers)
        except urllib3.exceptions.HTTPError:
            return None
        if answer.status in {409, 503}:
            return None
        if answer.status not in {200, 202}:
            raise RuntimeError(f"{method} {url}: {answer.status} {answer.data[:300]!r}")
        if method == "POST":
            self._count("operator_actions")
        return answer.json()
