"""Starts the whole system on one machine, and stops it.

Each sandbox marketplace, the issuer and both functions are separate processes. As on Google Cloud, the
functions run under functions-framework, with the environment that the README documents.
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
#: Ports that `make dev` takes if they are free: both functions, issuer, sandboxes.
DEV_PORTS = tuple(range(8080, 8083 + len(MARKETPLACES)))
_WAKE_TIMEOUT_S = 30.0
#: Settings that a developer may change for the functions; the stack sets all others.
_TUNABLE = frozenset(
    {"LOG_LEVEL", "LOOKBACK_SECONDS", "LEASE_SECONDS", "MAX_ATTEMPTS", "RUN_SECONDS", "SLICE_SECONDS"}
)


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of the person who starts the stack."""

    folder: Folder
    #: Per account.
    orders: int
    #: Per account.
    products: int
    seed: int
    #: A folder of real data, in place of generated data.
    data: str | None = None
    #: Whether to start with an empty store.
    reset: bool = False
    #: Whether to use Google's emulators instead of the embedded store and queue.
    emulators: bool = False
    preferred_ports: tuple[int, ...] = ()
    #: The name of the scheduler's job in each tick.
    job: str = JOB
    #: The time between two ticks, in seconds.
    tick_s: int = 900


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
        """Make the HTTP function deliver the messages that an earlier start left in the queue.

        Any request does it: the function creates its services, and with them the queue's delivery, on its
        first one.
        """
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
    """Start everything; end it all when the block ends, for any reason.

    Raises:
        StackFailed: A process did not start, or another stack uses the same folder.
        EmulatorsMissing: This machine lacks Google's emulators.
    """
    folder = options.folder
    with folder.lock(), Processes(folder.logs) as processes:
        data = _sandbox_data(options)
        api, worker, certs, *sandbox_ports = free_ports(3 + len(MARKETPLACES), options.preferred_ports)
        variables = variables_of(folder, api, worker, certs) | _changes()
        variables["TICK_SECONDS"] = str(options.tick_s)
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
        # The worker first: `sync_api` delivers messages of an earlier start as soon as it runs.
        _start_function(processes, environment, "sync_worker", worker, "--signature-type=cloudevent")
        _start_function(processes, environment, "sync_api", api)
        processes.wait_ready("issuer", variables["OIDC_CERTS_URL"])
        for name, url in sandbox_urls.items():
            processes.wait_ready(f"sandbox-{name}", url)
        if options.emulators:
            topics.create(PROJECT, f"http://127.0.0.1:{worker}")
            topics.create_changes(PROJECT, variables.get("SYNC_CHANGES", ""))
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
            # Old enough for every stream: a run skips too recent data, and the next would find it new.
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


def _changes() -> dict[str, str]:
    """The person's own SYNC_CHANGES, for the functions and the command line."""
    given = os.environ.get("SYNC_CHANGES", "")
    return {"SYNC_CHANGES": given} if given else {}


def inherited() -> dict[str, str]:
    """This process's environment without the settings that the stack itself decides."""
    decided = SETTINGS.keys() - _TUNABLE | {"K_SERVICE"}
    return {name: value for name, value in os.environ.items() if name not in decided}


def _start_emulators(processes: Processes) -> dict[str, str]:
    emulators = start_emulators(processes)
    os.environ.update(emulators.variables)  # this process's client libraries read them from here
    return {
        **emulators.variables,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "SYNC_STORE": "firestore",
        "SYNC_QUEUE": f"pubsub:{topics.TOPIC}",
    }


def variables_of(folder: Folder, api: int, worker: int, certs: int) -> dict[str, str]:
    """The functions' environment with the embedded store and queue; the numbers are ports."""
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
    processes: Processes,
    environment: Mapping[str, str],
    ports: list[int],
    data: SandboxData,
    *,
    accounts: int = ACCOUNTS,
) -> dict[str, str]:
    """Start a sandbox of each marketplace; returns their URLs by marketplace."""
    urls = {}
    for marketplace, port in zip(MARKETPLACES, ports, strict=True):
        arguments = [
            marketplace,
            f"--port={port}",
            f"--seed={data.seed}",
            f"--orders={data.orders}",
            f"--products={data.products}",
            f"--accounts={accounts}",
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
