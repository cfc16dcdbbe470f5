"""Idle tasks: CPU time and memory of the real worker, by the number of tasks that it works on at once.

The worker runs under functions-framework with so many threads, on the emulators' store, and gets that many
messages at once. Each connection has a Shopify of its own, on a host of its own, over TLS with an authority
that the system trusts; a call takes 0.3 s. The measured tick finds nothing new; the one before it, which
stores the first records, warms the worker up.

CPU: the worker's milliseconds a task ÷ the same without TLS. A TLS connection's own price is its handshake.
Memory: the worker's peak with 32 threads ÷ with 8.
"""

from __future__ import annotations

import os
import ssl
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import urllib3
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from bench.engine import Messages, connected
from bench.figures import Figure
from bench.peak import peak_of
from bench.site import NO_GRACE_S, Site, fresh_project
from bench.tls_sandbox import KEPT_S, host
from local.processes import ROOT, Processes, free_ports
from orchestrator import wiring
from orchestrator.adapters.attributes import attributes
from orchestrator.adapters.embedded.delivery import Claim, push_envelope
from orchestrator.adapters.google.channels import emulator_channel
from orchestrator.handle import handle
from orchestrator.model import ids
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message, encode
from orchestrator.model.run import Run, RunStatus
from orchestrator.runs.start import start_tick
from orchestrator.services import Services
from orchestrator.settings import Settings

#: Threads of the two workers whose memory is compared: the defaults of the first slices and of back-fills.
MANY, FEW = 32, 8
_TIMEOUT_S = 120.0
_TOPIC = "bench"


class Load(NamedTuple):
    """What one tick of idle tasks took."""

    cpu_ms: float
    #: Median of a task's whole time.
    task_s: float
    peak_mib: float


def measure(site: Site) -> list[Figure]:
    """One figure for CPU time and one for memory."""
    if site.quick:
        # A worker takes seconds to start, and one shows that everything works.
        tls = plain = few = idle_tasks(site, FEW, rounds=1, tls=True)
    else:
        tls, plain = idle_tasks(site, MANY, rounds=4, tls=True), idle_tasks(site, MANY, rounds=4, tls=False)
        few = idle_tasks(site, FEW, rounds=4, tls=True)
    return [
        Figure(
            name="an idle task over TLS",
            value=tls.cpu_ms,
            floor=plain.cpu_ms,
            unit="ms CPU",
            at_most=1.5,
            note=f"Idle tasks: {tls.task_s:.1f} s each with {MANY} at once, {few.task_s:.1f} s with {FEW}",
        ),
        Figure(
            name=f"memory, {MANY} tasks at once",
            value=tls.peak_mib,
            floor=few.peak_mib,
            unit="MiB",
            at_most=1.5,
        ),
    ]


def idle_tasks(site: Site, threads: int, *, rounds: int, tls: bool) -> Load:
    """The load of a worker with so many threads, over some ticks."""
    sandbox, port = free_ports(2)
    folder = site.file()
    folder.mkdir()
    url = f"http://127.0.0.1:{port}"
    with Processes(folder, grace_s=NO_GRACE_S) as processes:
        shops = [str(sandbox), str(folder), str(threads), "tls" if tls else "", str(site.amount(300, 30))]
        arguments = ["-m", "bench.tls_sandbox", *shops]
        processes.start("shops", [sys.executable, *arguments], os.environ)
        processes.wait_ready("shops", f"http://127.0.0.1:{sandbox}")
        variables = _variables(site, folder if tls else None)
        environment = {**os.environ, **variables, "PYTHONPATH": str(ROOT), "THREADS": str(threads)}
        command = ["-m", "functions_framework", f"--source={ROOT / 'main.py'}", "--target=sync_worker"]
        command += ["--signature-type=cloudevent", "--host=127.0.0.1", f"--port={port}"]
        processes.start("worker", [sys.executable, *command], environment)
        processes.wait_ready("worker", url)
        services = wiring.build(Settings.from_environment({**os.environ, **variables}), delivers=False)
        scheme = "https" if tls else "http"
        for number in range(threads):
            services.store.commit(
                [connected(f"c{number:03d}", base_url=f"{scheme}://{host(number)}:{sandbox}")]
            )
        group = processes.group("worker")
        if group is None:
            raise RuntimeError("the worker has ended")
        _tick(services, url, 0, threads)
        before, taken = _cpu_s(group), list[float]()
        for number in range(rounds):
            time.sleep(site.amount(2, 0) * KEPT_S)
            taken += _tick(services, url, number + 1, threads)
        return Load(
            cpu_ms=1000 * (_cpu_s(group) - before) / len(taken),
            task_s=statistics.median(taken),
            peak_mib=max(peak_of(pid) or 0 for pid in _members(group)) / 1024,
        )


def _variables(site: Site, folder: Path | None) -> dict[str, str]:
    """The worker's environment; with a folder, it trusts the authority there beside the system's."""
    project = fresh_project()
    channel = emulator_channel(site.emulators.pubsub_host)
    publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
    publisher.create_topic(name=f"projects/{project}/topics/{_TOPIC}")
    variables = {
        **site.emulators.variables,
        "ENVIRONMENT": "development",
        "GOOGLE_CLOUD_PROJECT": project,
        "SYNC_STORE": "firestore",
        "SYNC_QUEUE": f"pubsub:{_TOPIC}",
        "LOG_LEVEL": "ERROR",
        "SHOPIFY": '{"access_token": "shpat_sandbox_0"}',
    }
    if folder is not None:
        # As large as the system's, whose loading is a part of the measurement.
        trusted = folder / "trusted.pem"
        system = ssl.get_default_verify_paths().cafile
        trusted.write_text((Path(system).read_text() if system else "") + (folder / "tests.pem").read_text())
        variables["SSL_CERT_FILE"] = str(trusted)
    return variables


def _tick(services: Services, url: str, number: int, threads: int) -> list[float]:
    """One tick: its tasks are posted to the worker, as many at once as it has threads; the seconds of each.

    Raises:
        RuntimeError: A task did not succeed, so the measured value means nothing.
    """
    messages = Messages()
    here = replace(services, queue=messages)
    moment = datetime.now(UTC) - timedelta(days=1) + timedelta(minutes=number)
    run_id = start_tick(here, job="bench", schedule_time=moment, requested_by="bench").run_id
    tasks: list[Message] = []
    while messages.waiting:
        message = messages.waiting.popleft()
        if message.kind == "task":
            tasks.append(message)
        else:
            handle(here, message)
    http = urllib3.PoolManager(maxsize=threads, retries=False, timeout=urllib3.Timeout(_TIMEOUT_S))

    def post(message: Message) -> float:
        body = push_envelope(
            Claim(1, encode(message), msgspec.json.encode(attributes(message)).decode(), time.time(), 1)
        )
        begun = time.perf_counter()
        answer = http.request("POST", url, body=body, headers={"Content-Type": "application/json"})
        if answer.status >= 300:
            raise RuntimeError(f"the worker answered {answer.status}")
        return time.perf_counter() - begun

    with ThreadPoolExecutor(threads) as pool:
        taken = list(pool.map(post, tasks))
    snapshot = services.store.get(ids.run_path(run_id))
    run = from_document(Run, snapshot.data) if snapshot is not None else None
    if run is None or run.status is not RunStatus.SUCCEEDED:
        raise RuntimeError(f"run {run_id} did not succeed: {run}")
    return taken


def _members(group: int) -> list[int]:
    """The processes of a group: functions-framework and the worker that it forked."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if os.getpgid(int(entry.name)) == group:
                found.append(int(entry.name))
    return found


def _cpu_s(group: int) -> float:
    """User and system time that a group has taken."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in _members(group)]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")
