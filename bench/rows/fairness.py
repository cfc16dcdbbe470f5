"""Fairness: time until 95 % of ordinary connections are done, beside two hard ones ÷ without these.

Four worker processes under functions-framework, eight threads each, on one embedded store and queue; 200
connections in one run. In the value, one of them has a hundred times the orders of another, and one takes
ten seconds for every page; in the floor, these two are like the others. The measure is the time from the
tick until 95 % of the other 198 tasks have ended. The two take two of 32 threads, and the large one takes
its share of the machine's cores; 1.25 leaves room for that. A connection that had to wait for the two would
take several times as long, because they work long after the others.

Memory under load: the largest worker's peak in the runs with the two ÷ in a run that has one ordinary
connection for each thread.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import urllib3

from bench.engine import connected
from bench.figures import Figure
from bench.site import NO_GRACE_S, Site
from local.processes import ROOT, Processes, free_ports
from orchestrator import wiring
from orchestrator.adapters.embedded.delivery import Claim, push_envelope
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message, encode
from orchestrator.model.run import Run, RunStatus, Task
from orchestrator.ports import Put, Query
from orchestrator.runs.start import start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings

_WORKERS, _THREADS = 4, 8
_SOURCE = ROOT / "bench" / "fairness_worker.py"
_TIMEOUT_S = 600.0
_POLL_S = 0.2
_MIB = 1024


class _Load(NamedTuple):
    """The measurements of one run."""

    p95_s: float
    #: When the last connection was done.
    last_s: float
    peak_kib: int


def measure(site: Site) -> list[Figure]:
    """One figure for time and one for memory."""
    rounds, others = site.amount(3, 1), site.amount(198, 10)
    floors: list[_Load] = []
    values: list[_Load] = []
    for number in range(rounds):
        # In alternating order, so that a temporary slowdown of the machine affects both.
        for two in (False, True) if number % 2 else (True, False):
            (values if two else floors).append(_load(site, others=others, two=two))
    # The workers take seconds to start, and the ordinary run shows that everything works.
    few = floors[0] if site.quick else _load(site, others=_WORKERS * _THREADS - 2, two=False)
    ratios = [value.p95_s / floor.p95_s for value, floor in zip(values, floors, strict=True)]
    note = (
        f"Fairness: {min(ratios):.2f} to {max(ratios):.2f} in single rounds; the two were done after "
        f"{statistics.median(value.last_s for value in values):.0f} s"
    )
    return [
        Figure(
            name="fairness",
            value=statistics.median(value.p95_s for value in values),
            floor=statistics.median(floor.p95_s for floor in floors),
            unit="s",
            at_most=1.25,
            note=note,
        ),
        Figure(
            name="memory under load",
            value=max(value.peak_kib for value in values) / _MIB,
            floor=few.peak_kib / _MIB,
            unit="MiB",
            at_most=1.25,
        ),
    ]


def _load(site: Site, *, others: int, two: bool) -> _Load:
    """One run over a number of connections and two more, on its own workers."""
    names = {f"c{n:03d}": "shopify" for n in range(others)}
    names |= {"large": "takealot" if two else "shopify", "slow": "ebay" if two else "shopify"}
    store = site.file()
    with Processes(site.folder / "logs", grace_s=NO_GRACE_S) as processes:
        workers = range(site.amount(_WORKERS, 2))
        urls = [_start(site, processes, store, number) for number in workers]
        for number, url in enumerate(urls):
            processes.wait_ready(f"worker-{number}", url)
            _wake(url)
        services = wiring.build(_settings(store, urls[0]), delivers=False)
        for name, marketplace in names.items():
            _connect(services, name, marketplace)
        run_id = start_tick(
            services, job="bench", schedule_time=datetime.now(UTC), requested_by="bench"
        ).run_id
        run = _await(services, processes, run_id)
        found = services.store.query(Query(f"{ids.run_path(run_id)}/tasks", limit=len(names)))
        tasks = [from_document(Task, snapshot.data) for snapshot in found]
    peak = max(int(_peak_file(store, number).read_text()) for number in workers)
    done = {task.connection_id: (task.finished_at - run.started_at).total_seconds() for task in tasks}
    last = max(done.values())
    ordinary = sorted(seconds for name, seconds in done.items() if name not in {"large", "slow"})
    return _Load(ordinary[len(ordinary) * 95 // 100 - 1], last, peak)


def _settings(store: Path, url: str) -> Settings:
    return Settings.from_environment(_variables(store, url))


def _variables(store: Path, url: str) -> dict[str, str]:
    return {
        "ENVIRONMENT": "development",
        "SYNC_STORE": f"sqlite:{store}",
        "SYNC_QUEUE": f"local:{url}",
        "LOG_LEVEL": "ERROR",
        "SHOPIFY": '{"access_token": "unused"}',
    }


def _peak_file(store: Path, number: int) -> Path:
    return store.with_name(f"{store.name}-peak-{number}")


def _start(site: Site, processes: Processes, store: Path, number: int) -> str:
    """Start one worker, which delivers messages of the shared queue to itself; returns its URL."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        **_variables(store, url),
        "PYTHONPATH": str(ROOT),
        "THREADS": str(_THREADS),
        "PEAK_FILE": str(_peak_file(store, number)),
        "LARGE_PAGES": str(site.amount(100, 5)),
        "SLOW_PAGE_S": "0.3" if site.quick else "10",
    }
    command = [sys.executable, "-m", "functions_framework", f"--source={_SOURCE}", "--target=work"]
    command += ["--signature-type=cloudevent", "--host=127.0.0.1", f"--port={port}"]
    processes.start(f"worker-{number}", command, environment)
    return url


def _wake(url: str) -> None:
    """Have a worker make its services, which then deliver messages, by a message without effect."""
    body = push_envelope(Claim(1, encode(Message(kind="heal")), "{}", time.time(), 1))
    headers = {"Content-Type": "application/json"}
    answer = urllib3.request("POST", url, body=body, headers=headers, timeout=60.0, retries=False)
    if answer.status >= 300:
        raise RuntimeError(f"a worker answered {answer.status} when it was woken")


def _connect(services: Services, name: str, marketplace: str) -> None:
    # The made-up marketplaces have one form of settings and one credential.
    write = connected(name, streams=["orders"])
    services.store.commit([Put(write.path, {**write.data, "marketplace": marketplace})])


def _await(services: Services, processes: Processes, run_id: str) -> Run:
    """Wait until the run has succeeded; returns it."""
    give_up_at = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < give_up_at:
        processes.check()
        snapshot = services.store.get(ids.run_path(run_id))
        run = from_document(Run, snapshot.data) if snapshot is not None else None
        if run is not None and run.status is RunStatus.SUCCEEDED:
            return run
        if run is not None and run.status.is_final:
            raise RuntimeError(f"the run ended as {run.status.value}: {run.tasks}")
        time.sleep(_POLL_S)
    raise RuntimeError(f"the run was not over after {_TIMEOUT_S:.0f} s")
