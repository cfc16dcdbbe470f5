"""Starts the whole system on one machine, and stops it.

Sandbox marketplaces, issuer and both functions are processes of their own; the functions run under
functions-framework with the environment that the README documents, as they do on Google Cloud.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import urllib3

from local.folder import Folder, SandboxData
from local.google import topics
from local.google.emulators import start_emulators
from local.google.issuer import Issuer
from local.google.scheduler import JOB, Scheduler
from local.processes import Processes, free_ports
from local.recovery import end_leases
from local.samples import ACCOUNTS, MARKETPLACES, add_samples
from orchestrator import wiring
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.services import Services
from orchestrator.settings import Settings
from orchestrator.settings_table import SETTINGS

SCHEDULER_ACCOUNT = "scheduler@local.iam.gserviceaccount.com"
OPERATOR = "operator@example.com"
PROJECT = "local-project"
#: Where `make dev` listens if nobody else does: both functions, issuer, sandboxes.
DEV_PORTS = (8080, 8081, 8082, 8083, 8084)
_WAKE_TIMEOUT_S = 30.0
#: What a developer may set for the functions; all other settings are the stack's own.
_TUNABLE = frozenset(
    {"LOG_LEVEL", "LOOKBACK_SECONDS", "LEASE_SECONDS", "MAX_ATTEMPTS", "RUN_SECONDS", "SLICE_SECONDS"}
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the person who starts the stack may choose."""

    folder: Folder
    orders: int
    products: int
    seed: int
    #: A folder of real data, in place of generated data.
    data: str | None = None
    reset: bool = False
    emulators: bool = False
    preferred_ports: tuple[int, ...] = ()
    #: Under which name ticks are delivered.
    job: str = JOB


@dataclass(frozen=True, slots=True)
class Stack:
    """The running system."""

    options: Options
    processes: Processes
    services: Services
    scheduler: Scheduler
    environment: Mapping[str, str]
    sandbox_urls: Mapping[str, str]

    @property
    def api_url(self) -> str:
        """The HTTP function's base URL, which is also its tokens' audience."""
        return self.environment["SCHEDULER_AUDIENCE"]

    def wake(self) -> None:
        """Have the HTTP function make its services, which deliver what an earlier start left in the queue."""
        token = Issuer.open(self.options.folder.issuer).mint(email=OPERATOR, audience=self.api_url)
        urllib3.request(
            "GET",
            f"{self.api_url}/api/sync/status",
            headers={"Authorization": f"Bearer {token}"},
            timeout=_WAKE_TIMEOUT_S,
            retries=False,
        )


@contextmanager
def running(options: Options) -> Iterator[Stack]:
    """Start everything, and end it all on leaving, however that happens.

    Raises:
        StackFailed: Something did not start, or another stack uses the same folder.
    """
    folder = options.folder
    with folder.lock(), Processes(folder.logs) as processes:
        data = _sandbox_data(options)
        api, worker, certs, *sandbox_ports = free_ports(3 + len(MARKETPLACES), options.preferred_ports)
        variables = variables_of(folder, api, worker, certs)
        if options.emulators:
            variables |= _start_emulators(processes)
        else:
            store = SqliteStore(folder.store)
            end_leases(store)
            store.close()
        environment = {**inherited(), **variables}
        sandbox_urls = start_sandboxes(processes, environment, sandbox_ports, data)
        issuer_options = (f"--port={certs}", f"--directory={folder.issuer}")
        _start(processes, environment, "issuer", "local.google.issuer", *issuer_options)
        # The worker first: what an earlier stop left in the queue is delivered as soon as the other one runs.
        _start_function(processes, environment, "sync_worker", worker, "--signature-type=cloudevent")
        _start_function(processes, environment, "sync_api", api)
        processes.wait_ready("issuer", variables["OIDC_CERTS_URL"])
        for name, url in sandbox_urls.items():
            processes.wait_ready(f"sandbox-{name}", url)
        if options.emulators:
            topics.create(PROJECT, f"http://127.0.0.1:{worker}")
        services = wiring.build(Settings.from_environment(variables), delivers=False)
        add_samples(services, folder, sandbox_urls)
        folder.write_environment(variables)
        yield Stack(options, processes, services, _scheduler(options, variables), variables, sandbox_urls)


def _sandbox_data(options: Options) -> SandboxData:
    if options.reset:
        options.folder.reset()
    return options.folder.sandbox_data(
        SandboxData(
            orders=options.orders,
            products=options.products,
            seed=options.seed,
            data=options.data,
            # Old enough for every stream: what is too young for one run would be new in the next.
            until=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1),
        )
    )


def _scheduler(options: Options, variables: Mapping[str, str]) -> Scheduler:
    issuer = Issuer.open(options.folder.issuer)
    url = variables["SCHEDULER_AUDIENCE"]
    return Scheduler(
        url=f"{url}/api/sync/scheduler",
        token=lambda: issuer.mint(email=SCHEDULER_ACCOUNT, audience=url),
        secret=options.folder.scheduler_secret(),
        job=options.job,
    )


def inherited() -> dict[str, str]:
    """This process's environment without what would make the functions run otherwise than here."""
    strange = SETTINGS.keys() - _TUNABLE | {"K_SERVICE"}
    return {name: value for name, value in os.environ.items() if name not in strange}


def _start_emulators(processes: Processes) -> dict[str, str]:
    emulators = start_emulators(processes)
    os.environ.update(emulators.variables)  # where Google's client libraries look, in this process too
    return {
        **emulators.variables,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "SYNC_STORE": "firestore",
        "SYNC_QUEUE": f"pubsub:{topics.TOPIC}",
    }


def variables_of(folder: Folder, api: int, worker: int, certs: int) -> dict[str, str]:
    """The functions' environment on an embedded store and queue; the numbers are ports."""
    folder.scheduler_secret()
    return {
        "ENVIRONMENT": "development",
        "SYNC_STORE": f"sqlite:{folder.store}",
        "SYNC_QUEUE": f"local:http://127.0.0.1:{worker}",
        "SCHEDULER_AUDIENCE": f"http://127.0.0.1:{api}",
        "SCHEDULER_SERVICE_ACCOUNT": SCHEDULER_ACCOUNT,
        "SCHEDULER_SECRET": f"file:{folder.path / 'secrets' / 'scheduler'}",
        "OPERATORS": OPERATOR,
        "OIDC_CERTS_URL": f"http://127.0.0.1:{certs}/certs",
    }


def start_sandboxes(
    processes: Processes, environment: Mapping[str, str], ports: list[int], data: SandboxData
) -> dict[str, str]:
    """Start a sandbox of each marketplace; their URLs by marketplace."""
    urls = {}
    for marketplace, port in zip(MARKETPLACES, ports, strict=True):
        arguments = [
            marketplace,
            f"--port={port}",
            f"--seed={data.seed}",
            f"--orders={data.orders}",
            f"--products={data.products}",
            f"--accounts={ACCOUNTS}",
            f"--until={data.until:%Y-%m-%dT%H:%M:%SZ}",
        ]
        if data.data is not None:
            arguments.append(f"--data={data.data}")
        _start(processes, environment, f"sandbox-{marketplace}", "local.sandbox", *arguments)
        urls[marketplace] = f"http://127.0.0.1:{port}"
    return urls


def _start_function(
    processes: Processes, environment: Mapping[str, str], target: str, port: int, *arguments: str
) -> None:
    _start(
        processes,
        environment,
        target,
        "functions_framework",
        f"--target={target}",
        "--host=127.0.0.1",
        f"--port={port}",
        *arguments,
    )
    processes.wait_ready(target, f"http://127.0.0.1:{port}/")


def _start(
    processes: Processes, environment: Mapping[str, str], name: str, module: str, *arguments: str
) -> None:
    processes.start(name, [sys.executable, "-m", module, *arguments], environment)
