"""Starts everything that chaos happens to: emulators, sandboxes, issuer, functions, and who pushes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from local import stack
from local.folder import Folder, SandboxData
from local.google import topics
from local.google.emulators import environment_kept, start_emulators
from local.google.issuer import Issuer
from local.google.scheduler import RetryConfig, Scheduler
from local.processes import Processes, free_ports
from local.samples import MARKETPLACES, add_samples
from orchestrator import wiring
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.system.chaos.fleet import APIS, POOLS, WORKERS, Fleet
from tests.system.chaos.pusher import Pusher
from tests.system.chaos.sellers import ACCOUNTS, SELLERS

#: So short that each of them runs out within minutes, and in the order that the product asks for.
FIRST_SLICE_S, SLICE_S, LEASE_S, RUN_S = 1, 5, 40, 60
#: From the end of the harm until everything is at rest, at most.
REST_S = 2.0 * RUN_S
DELIVERY = topics.Delivery(ack_deadline_s=LEASE_S, min_backoff_s=1, max_backoff_s=3)
#: A tick that is not accepted is tried again, faster than Cloud Scheduler does.
_RETRY = RetryConfig(retry_count=5, min_backoff_s=1.0, max_backoff_s=4.0)
JOB = "chaos"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much each account holds at the start."""

    orders: int
    products: int


@dataclass(frozen=True, kw_only=True)
class Site:
    """All that runs."""

    fleet: Fleet
    #: One for each lane.
    pushers: tuple[Pusher, ...]
    services: Services
    issuer: Issuer
    sandboxes: Mapping[str, str]
    #: One for each HTTP function.
    schedulers: tuple[Scheduler, ...]
    audience: str
    #: What has to live all the time.
    steady: Processes

    def token(self) -> str:
        """An operator's identity token."""
        return self.issuer.mint(email=stack.OPERATOR, audience=self.audience)


@contextmanager
def running(folder: Folder, seed: int, size: Size) -> Iterator[Site]:
    """Start everything, and end it all on leaving, however that happens.

    Raises:
        EmulatorsMissing: This machine lacks Google's emulators.
        StackFailed: Something did not start, or another chaos uses the same folder.
    """
    ports = free_ports(len(APIS) + len(WORKERS) + len(MARKETPLACES) + 1)
    listening = dict(zip((*APIS, *WORKERS), ports, strict=False))
    certs, *sandbox_ports = ports[len(listening) :]
    with (
        folder.lock(),
        Processes(folder.logs) as steady,
        Processes(folder.logs) as processes,
        environment_kept(),
    ):
        folder.reset()
        emulators = start_emulators(steady)
        os.environ.update(emulators.variables)  # where Google's client libraries look, in this process too
        variables = {
            **stack.variables_of(folder, listening[APIS[0]], listening[WORKERS[0]], certs),
            **emulators.variables,
            "FIRST_SLICE_SECONDS": str(FIRST_SLICE_S),
            "SLICE_SECONDS": str(SLICE_S),
            "LEASE_SECONDS": str(LEASE_S),
            "RUN_SECONDS": str(RUN_S),
            "GOOGLE_CLOUD_PROJECT": stack.PROJECT,
            "SYNC_STORE": "firestore",
            "SYNC_QUEUE": f"pubsub:{topics.FIRST_LANE.topic}",
            "SYNC_QUEUE_BACKFILL": f"pubsub:{topics.BACKFILL_LANE.topic}",
        }
        environment = {**stack.inherited(), **variables}
        # Old enough for every stream, and in whole seconds, as marketplaces tell time.
        until = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
        data = SandboxData(orders=size.orders, products=size.products, seed=seed, until=until)
        sandboxes = stack.start_sandboxes(steady, environment, sandbox_ports, data, accounts=ACCOUNTS)
        command = [
            sys.executable,
            "-m",
            "local.google.issuer",
            f"--port={certs}",
            f"--directory={folder.issuer}",
        ]
        steady.start("issuer", command, environment)
        for name, url in sandboxes.items():
            steady.wait_ready(f"sandbox-{name}", url)
        steady.wait_ready("issuer", variables["OIDC_CERTS_URL"])
        services = wiring.build(Settings.from_environment(variables))
        if services.vault is not None and services.vault.published() is None:
            # No worker runs yet that could make it.
            services.vault.add_key()
            services.vault.publish()
        add_samples(services, folder, sandboxes, SELLERS)
        fleet = Fleet(processes, environment, listening)
        fleet.start()
        for lane in POOLS:
            topics.create(stack.PROJECT, None, DELIVERY, lane)
        issuer, audience = Issuer.open(folder.issuer), variables["SCHEDULER_AUDIENCE"]
        with ExitStack() as pushing:
            pushers = [Pusher(stack.PROJECT, lane, partial(fleet.living, lane), seed) for lane in POOLS]
            yield Site(
                fleet=fleet,
                pushers=tuple(map(pushing.enter_context, pushers)),
                services=services,
                issuer=issuer,
                sandboxes=sandboxes,
                schedulers=tuple(
                    Scheduler(
                        url=f"{fleet.url(name)}/api/sync/scheduler",
                        token=lambda: issuer.mint(email=stack.SCHEDULER_ACCOUNT, audience=audience),
                        secret=folder.scheduler_secret(),
                        job=JOB,
                        retry=_RETRY,
                    )
                    for name in APIS
                ),
                audience=audience,
                steady=steady,
            )
