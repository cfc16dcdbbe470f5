"""The product in one process: sandbox marketplaces, the embedded store and queue, both functions."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import flask
import msgspec
import pytest

from functions.api import Api
from functions.auth.certificates import CertificateCache
from functions.auth.gate import Gate
from functions.auth.scheduler_secret import SchedulerSecret
from local.samples import SAMPLES
from orchestrator import wiring
from orchestrator.adapters.embedded import delivery, queue
from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.secrets import Secrets
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.operators import connections
from orchestrator.ports import Write, Written
from orchestrator.services import Services
from orchestrator.settings import Settings, http_settings
from tests.support import issuer
from tests.support.clocks import VirtualClock
from tests.support.issuer import Issuer
from tests.support.lines import Lines, kept
from tests.support.people import ME
from tests.support.scripted import Sandbox, sandbox
from tests.support.stores import Killed, WrappedStore
from tests.support.world import Inline
from tests.system.situations.courier import Courier

TICK = timedelta(minutes=15)
#: A person looks this long after a tick, unless the situation says otherwise.
LATER_S = 180


class MortalStore(WrappedStore):
    """A store in the middle of which its process may be killed."""

    #: The worker dies once, behind a commit that writes below this path; None if it lives.
    dies_at: str | None = None
    #: No code of the process runs any more: what it would clean up is not stored.
    is_dead: bool = False

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """See DocumentStore."""
        if self.is_dead:
            raise Killed
        written = super().commit(writes)
        if self.dies_at is not None and any(write.path.startswith(self.dies_at) for write in writes):
            self.dies_at, self.is_dead = None, True
            raise Killed
        return written


class Time:
    """The module `time`, in virtual time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.monotonic, self.sleep = clock.monotonic, clock.advance

    def time(self) -> float:
        """Seconds since 1970."""
        return self._clock.now().timestamp()

    def __getattr__(self, name: str) -> Any:
        """All that does not tell the time."""
        return getattr(time, name)


@dataclass
class Stage:
    """The product, and the hands that cause situations."""

    clock: VirtualClock
    services: Services
    #: The worker's store.
    store: MortalStore
    queue: LocalQueue
    letters: LocalDeadLetters
    folder: Path
    log: Lines
    api: Api
    stack: ExitStack
    marketplaces: dict[str, Sandbox] = field(default_factory=dict)
    #: Dead letters from a time on, for the alert that counts them.
    dead: list[tuple[datetime, int]] = field(default_factory=list)
    _due: datetime | None = None

    def __post_init__(self) -> None:
        """The worker works through the store that a test may break."""
        self._worker = replace(self.services, store=self.store)
        self._courier = Courier(self.queue, self._process)
        self.stack.callback(self._courier.unlock)

    def _process(self) -> Services:
        """The services of a worker's process, which is started anew if the last one died."""
        self.store.is_dead = False
        return self._worker

    def sell(self, *names: str, orders: int = 6, products: int = 3, **fields: Any) -> None:
        """Add sellers of the local stack's samples by their ids, each marketplace with its sandbox."""
        for sample in SAMPLES:
            if sample.id not in names:
                continue
            if sample.marketplace not in self.marketplaces:
                made = sandbox(sample.marketplace, orders=orders, products=products, until=self.clock.now())
                self.marketplaces[sample.marketplace] = self.stack.enter_context(made)
            secret = self.folder / f"{sample.id}.json"
            secret.write_bytes(msgspec.json.encode(sample.credential))
            given = {
                "organization_id": sample.organization_id,
                "marketplace": sample.marketplace,
                "name": sample.name,
                "credential": f"file:{secret}",
                "settings": self.settings_of(sample.id),
                "streams": ["orders", "products"],
            }
            connections.add(self.services, sample.id, by=ME, **{**given, **fields})

    def settings_of(self, name: str) -> dict[str, Any]:
        """The settings of a sample."""
        (sample,) = [each for each in SAMPLES if each.id == name]
        return {**sample.settings, "base_url": self.marketplaces[sample.marketplace].url}

    def secret_of(self, name: str) -> str:
        """The secret that a marketplace gives a sample's seller."""
        return (self.folder / f"{name}.json").read_text()

    def fault(self, marketplace: str, **switch: Any) -> datetime:
        """Turn a fault of a sandbox on; returns the time."""
        self.marketplaces[marketplace].control("POST", "faults", switch)
        return self.clock.now()

    def mend(self, marketplace: str) -> datetime:
        """Turn all of its faults off; returns the time."""
        self.marketplaces[marketplace].control("DELETE", "faults")
        return self.clock.now()

    def poison(self, name: str) -> datetime:
        """The worker has a defect that the next message of a connection meets each time; returns the time."""
        self._courier.poisoned = name
        return self.clock.now()

    def tick(self, count: int = 1) -> datetime:
        """Wait for the schedule's next tick and let the worker finish; returns the time of the last one."""
        at = self.clock.now()
        for _ in range(count):
            if self._due is not None:
                self.wait((self._due - self.clock.now()).total_seconds())
            at = self.clock.now()
            self._due = at + TICK
            headers = {
                "X-CloudScheduler-JobName": "sync-tick",
                "X-CloudScheduler-ScheduleTime": at.isoformat(),
            }
            assert self.ask("POST", "/api/sync/scheduler", headers)["run_id"]
            self.work()
        return at

    def silence(self, days: int) -> None:
        """The scheduler is dead; the schedule begins anew afterwards."""
        self.wait(days * 86_400)
        self._due = None

    def work(self) -> None:
        """Let the worker do all that is due."""
        self._courier.deliver()
        self.look_at_the_dead()

    def wait(self, seconds: float) -> None:
        """Let time pass, in which the worker does what becomes due."""
        end = self.clock.now() + timedelta(seconds=max(seconds, 0))
        while (due := self._courier.next_due()) is not None and due <= end.timestamp():
            self.clock.advance(max(0.0, due - self.clock.now().timestamp()) + 0.001)
            self.work()
        self.clock.advance(max(0.0, (end - self.clock.now()).total_seconds()))

    def tick_until(self, is_over: Callable[[], bool]) -> datetime:
        """Ticks until something is over, for a day at most; returns the time of the last one."""
        for _ in range(96):
            at = self.tick()
            if is_over():
                return at
        raise AssertionError("it does not end")

    def look_at_the_dead(self) -> None:
        """Note the number of dead letters, as Pub/Sub's own metric does."""
        self.dead.append((self.clock.now(), self.letters.count()))

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> Any:
        """A call of the HTTP function by the scheduler or an operator; the answer's JSON."""
        caller = {"Authorization": f"Bearer {issuer.token(email=issuer.OPERATOR)}"}
        with flask.Flask("api").test_request_context(
            path, method=method, headers={**caller, **(headers or {})}
        ):
            answer = self.api(flask.request)
        assert answer.status_code < 300, answer.data
        return msgspec.json.decode(answer.data)

    def stored(self, name: str, stream: str = "orders") -> int:
        """The number of a connection's records."""
        return self.services.store.count(f"connections/{name}/{stream}")


@contextmanager
def staged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, certificates: Issuer, **more: str
) -> Iterator[Stage]:
    """The product, with its files in a folder; everything in it goes by one virtual clock."""
    clock = VirtualClock()
    for name, module in list(sys.modules.items()):
        if name.startswith("local.sandbox.") and getattr(module, "time", None) is time:
            monkeypatch.setattr(module, "time", Time(clock))
    for each in (delivery, queue):
        monkeypatch.setattr(each, "time", Time(clock))
    environment = {
        "ENVIRONMENT": "development",
        "SYNC_STORE": f"sqlite:{folder / 'store.db'}",
        "SYNC_QUEUE": "local:http://127.0.0.1:9",
        "SKIP_SCHEDULER_AUTH": "true",
        "SCHEDULER_AUTH": "oidc",
        "SCHEDULER_AUDIENCE": issuer.AUDIENCE,
        "SCHEDULER_SERVICE_ACCOUNT": issuer.SCHEDULER,
        "OPERATORS": issuer.OPERATOR,
        "OIDC_CERTS_URL": certificates.url,
        "TICK_SECONDS": str(int(TICK.total_seconds())),
        **more,
    }
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("K_SERVICE", raising=False)
    settings, auth = http_settings(environment)
    path = wiring.queue_path(settings)
    with ExitStack() as stack:
        store, waiting = SqliteStore(folder / "store.db"), LocalQueue(path, "", delivers=False)
        letters = LocalDeadLetters(path)
        for closed in (store, waiting, letters):
            stack.callback(closed.close)
        services = Services(
            settings=Settings.from_environment(environment),
            store=store,
            queue=waiting,
            secrets=Secrets(is_development=True),
            clock=clock,
            connectors=REGISTRY,
            executor=Inline(),
            random=random.Random(1),
        )
        monkeypatch.setattr(wiring, "build", lambda *_, **__: services)
        gate = Gate(auth, CertificateCache(auth.certs_url), SchedulerSecret(auth, _no_secrets))
        log = stack.enter_context(kept(clock))
        api = Api(gate, lambda: services)
        yield Stage(clock, services, MortalStore(store), waiting, letters, folder, log, api, stack)


def _no_secrets() -> Any:
    raise AssertionError("the scheduler shows a token")
