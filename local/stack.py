"""Starts the whole system on one machine, and stops it.

Each sandbox marketplace, the issuer and both functions are separate processes. As on Google Cloud, the
functions run under functions-framework, with the environment that the README documents.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import urllib3

from local import ports
from local.folder import DataSet, Folder, SandboxData
from local.google import topics
from local.google.emulators import environment_kept, start_emulators
from local.google.issuer import Issuer
from local.google.scheduler import JOB, Scheduler
from local.ports import BACKFILL_WORKER
from local.processes import Processes, StackFailed
from local.recovery import end_leases
from local.samples import ACCOUNTS, MARKETPLACES, add_samples
from local.sandbox import retail
from orchestrator import wiring
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.model.audit import Actor, Face
from orchestrator.operators.sellers import keysets
from orchestrator.services import Services
from orchestrator.settings import Settings
from orchestrator.settings_table import SETTINGS

SCHEDULER_ACCOUNT = "scheduler@local.iam.gserviceaccount.com"
OPERATOR = "operator@example.com"
PROJECT = "local-project"
_WAKE_TIMEOUT_S = 30.0
_GONE = "The emulators have ended, and their data with them"
#: Settings that a developer may change for the functions; the stack sets all others.
_TUNABLE = frozenset(
    {
        *("FIRST_SLICE_SECONDS", "LEASE_SECONDS", "LOG_LEVEL", "LOOKBACK_SECONDS", "MAX_ATTEMPTS"),
        *("RUN_SECONDS", "SLICE_SECONDS"),
    }
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
    data: Path | None = None
    #: Whether to empty the store of this data first.
    reset: bool = False
    #: Whether to use Google's emulators instead of the embedded store and queue.
    emulators: bool = False
    #: The name of the scheduler's job in each tick.
    job: str = JOB
    #: The time between two ticks, in seconds.
    tick_s: int = 900


@dataclass(frozen=True, slots=True)
class Stack:
    """The running system."""

    options: Options
    #: The sandboxes' data, and the embedded store of it; the emulators' store is always new.
    data_set: DataSet
    #: By process.
    ports: Mapping[str, int]
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
        """See `wake`."""
        wake(self.options.folder, self.api_url)


def wake(folder: Folder, api_url: str) -> None:
    """Make the HTTP function deliver the messages that are in the embedded queue.

    Any request does it: the function creates its services, and with them the queue's delivery, on its
    first one.
    """
    token = Issuer.open(folder.issuer).mint(email=OPERATOR, audience=api_url)
    urllib3.request(
        "GET",
        f"{api_url}/api/sync/status",
        headers={"Authorization": f"Bearer {token}"},
        timeout=_WAKE_TIMEOUT_S,
        retries=False,
    )


def make_keyset(services: Services, folder: Folder, api_url: str) -> None:
    """Have the worker make the vault's keyset, if the folder has none."""
    if services.vault is not None and services.vault.published() is None:
        wake(folder, api_url)
        keysets.init(services, by=Actor(wiring.caller(services.settings), Face.COMMAND_LINE))


@contextmanager
def running(options: Options, tell: Callable[[str], None] = lambda _: None) -> Iterator[Stack]:
    """Start everything; end it all when the block ends, for any reason.

    Args:
        options: The choices.
        tell: Called with each line that a person should see.

    Raises:
        StackFailed: A process did not start, the real data cannot be read, or another stack uses the folder.
        EmulatorsMissing: This machine lacks Google's emulators.
    """
    folder = options.folder
    wanted = _wanted(options)
    with (
        folder.lock(),
        ports.claimed(folder.path / "ports.json", ports.preferred(MARKETPLACES)) as taken,
        Processes(folder.logs) as processes,
        environment_kept(),
    ):
        data_set = folder.data_set(wanted, reset=options.reset and not options.emulators)
        for line in _start_lines(options, data_set, taken):
            tell(line)
        api, worker, certs = (taken[name] for name in ("sync_api", "sync_worker", "issuer"))
        backfill = taken[BACKFILL_WORKER]
        variables = variables_of(folder, api, worker, certs, store=data_set.store) | _changes()
        variables["SYNC_QUEUE_BACKFILL"] = f"local:http://127.0.0.1:{backfill}"
        variables["TICK_SECONDS"] = str(options.tick_s)
        if options.emulators:
            variables |= _start_emulators(processes, taken)
        else:
            data_set.keep()
            store = SqliteStore(data_set.store)
            end_leases(store)
            store.close()
        environment = {**inherited(), **variables}
        sandbox_ports = [taken[f"sandbox-{name}"] for name in MARKETPLACES]
        sandbox_urls = start_sandboxes(processes, environment, sandbox_ports, data_set.data)
        start_functions(processes, environment, taken, folder)
        for name, url in sandbox_urls.items():
            processes.wait_ready(f"sandbox-{name}", url)
        if options.emulators:
            topics.create(PROJECT, f"http://127.0.0.1:{worker}")
            topics.create(PROJECT, f"http://127.0.0.1:{backfill}", lane=topics.BACKFILL_LANE)
            topics.create_changes(PROJECT, variables.get("SYNC_CHANGES", ""))
        services = wiring.build(Settings.from_environment(variables), delivers=False)
        make_keyset(services, folder, variables["SCHEDULER_AUDIENCE"])
        add_samples(services, folder, sandbox_urls)
        folder.write_environment(variables)
        scheduler = scheduler_of(folder, variables, options.job)
        try:
            yield Stack(options, data_set, taken, processes, services, scheduler, variables, sandbox_urls)
        finally:
            if options.emulators:
                tell(f"{_GONE}: start again before you use {folder.environment}")
                folder.write_environment(variables, note=f"{_GONE}.")


def _wanted(options: Options) -> SandboxData:
    """The sandboxes' data as the person asks for it.

    Raises:
        StackFailed: The folder of real data cannot be read. Nothing has been touched.
    """
    data = SandboxData(
        orders=options.orders,
        products=options.products,
        seed=options.seed,
        data=None if options.data is None else str(options.data),
        # Old enough for every stream: a run skips too recent data, and the next would find it new.
        until=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1),
    )
    if options.data is None:
        return data
    try:
        data = msgspec.structs.replace(data, content=retail.content(options.data))
        if options.folder.data_set(data).is_new:  # a known one was read before
            retail.check(options.data)
    except retail.DataInvalid as error:
        raise StackFailed(f"SANDBOX_DATA: {error}") from error
    return data


def _start_lines(options: Options, data_set: DataSet, taken: Mapping[str, int]) -> Iterator[str]:
    yield f"Starting the local stack; logs in {options.folder.logs}/"
    if options.emulators:
        yield f"Store: the Firestore emulator, new at each start, for {data_set.data}"
    else:
        new = ", new" if data_set.is_new else ""
        yield f"Store: {data_set.store}{new}, for {data_set.data}"
    used = [
        f"{name.removeprefix('sandbox-')} {port}"
        for name, port in taken.items()
        if options.emulators or not name.endswith("-emulator")
    ]
    yield f"Ports: {', '.join(used)}"


def scheduler_of(folder: Folder, variables: Mapping[str, str], job: str) -> Scheduler:
    """The scheduler of the HTTP function that these variables are of."""
    issuer = Issuer.open(folder.issuer)
    url = variables["SCHEDULER_AUDIENCE"]
    return Scheduler(
        url=f"{url}/api/sync/scheduler",
        token=lambda: issuer.mint(email=SCHEDULER_ACCOUNT, audience=url),
        secret=folder.scheduler_secret(),
        job=job,
    )


def _changes() -> dict[str, str]:
    """The person's own SYNC_CHANGES, for the functions and the command line."""
    given = os.environ.get("SYNC_CHANGES", "")
    return {"SYNC_CHANGES": given} if given else {}


def inherited() -> dict[str, str]:
    """This process's environment without the settings that the stack itself decides."""
    # The sandboxes would read SANDBOX_DATA too.
    decided = SETTINGS.keys() - _TUNABLE | {"K_SERVICE", "SANDBOX_DATA"}
    return {name: value for name, value in os.environ.items() if name not in decided}


def _start_emulators(processes: Processes, taken: Mapping[str, int]) -> dict[str, str]:
    hosts = [taken[f"{name}-emulator"] for name in ("firestore", "pubsub")]
    emulators = start_emulators(processes, hosts)
    os.environ.update(emulators.variables)  # this process's client libraries read them from here
    return {
        **emulators.variables,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "SYNC_STORE": "firestore",
        "SYNC_QUEUE": f"pubsub:{topics.TOPIC}",
        "SYNC_QUEUE_BACKFILL": f"pubsub:{topics.BACKFILL_LANE.topic}",
    }


def variables_of(
    folder: Folder, api: int, worker: int, certs: int, *, store: Path | None = None
) -> dict[str, str]:
    """The functions' environment with the embedded store and queue; the numbers are ports."""
    folder.scheduler_secret()
    return {
        "ENVIRONMENT": "development",
        "SYNC_STORE": f"sqlite:{store or folder.store}",
        "SYNC_QUEUE": f"local:http://127.0.0.1:{worker}",
        "SCHEDULER_AUDIENCE": f"http://127.0.0.1:{api}",
        "SCHEDULER_SERVICE_ACCOUNT": SCHEDULER_ACCOUNT,
        "SCHEDULER_SECRET": f"file:{folder.path / 'secrets' / 'scheduler'}",
        "OPERATORS": OPERATOR,
        "OIDC_CERTS_URL": f"http://127.0.0.1:{certs}/certs",
        **folder.vault_keysets(),
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


def start_functions(
    processes: Processes,
    environment: Mapping[str, str],
    ports: Mapping[str, int],
    folder: Folder,
    *,
    worker: bool = True,
) -> None:
    """Start the issuer and both functions, and wait until they answer.

    Args:
        processes: Starts them.
        environment: Theirs.
        ports: By process.
        folder: Has the issuer's key.
        worker: Whether to start the worker, too.
    """
    issuer_options = (f"--port={ports['issuer']}", f"--directory={folder.issuer}")
    _start(processes, environment, "issuer", "local.google.issuer", *issuer_options)
    # The worker first: `sync_api` delivers messages of an earlier start as soon as it runs.
    lanes = {"sync_worker": "SYNC_QUEUE", BACKFILL_WORKER: "SYNC_QUEUE_BACKFILL"}
    workers = [name for name, setting in lanes.items() if worker and setting in environment]
    for name in workers:
        _start_function(
            processes, environment, name, "sync_worker", ports[name], "--signature-type=cloudevent"
        )
    for name in workers:
        processes.wait_ready(name, f"http://127.0.0.1:{ports[name]}/")
    _start_function(processes, environment, "sync_api", "sync_api", ports["sync_api"])
    processes.wait_ready("sync_api", f"http://127.0.0.1:{ports['sync_api']}/")
    processes.wait_ready("issuer", environment["OIDC_CERTS_URL"])


def _start_function(
    processes: Processes, environment: Mapping[str, str], name: str, target: str, port: int, *arguments: str
) -> None:
    _start(
        processes,
        environment,
        name,
        "functions_framework",
        f"--target={target}",
        "--host=127.0.0.1",
        f"--port={port}",
        *arguments,
    )


def _start(
    processes: Processes, environment: Mapping[str, str], name: str, module: str, *arguments: str
) -> None:
    processes.start(name, [sys.executable, "-m", module, *arguments], environment)
