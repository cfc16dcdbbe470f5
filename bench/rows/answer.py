"""Answer to a tick: p50 of the authenticated trigger ÷ p50 of five counts, one create and one publish.

Product: `POST /api/sync/scheduler` of a real functions-framework process with the default OIDC token and
secret, on the Firestore and Pub/Sub emulators. Each request is a new tick, so each creates a run; there
are 100 connections on each of two marketplaces. The topic has no subscription, so that no worker competes for
the machine. For comparison, a third of the connections in another project has an interval of its own: then a
tick makes two more rounds of questions.

Floor: `bench.floor_function` under the same server on the same emulators, with the product's own clients, in
a project with the same connections. It counts those of each of the five marketplaces at once, as the product
does, but does not ask whether some have an interval of their own.

Requests go to all three in turn, one at a time, over connections that stay open.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import urllib3

from bench.figures import Figure
from bench.site import Site, fresh_project
from local.google.issuer import Issuer
from local.processes import ROOT, free_ports
from orchestrator import wiring
from orchestrator.model.paces import pace_of
from orchestrator.ports import Put
from orchestrator.settings import Settings

_TOPIC = "ticks"
_CONNECTIONS = 100
_ACCOUNT = "scheduler@bench.iam.gserviceaccount.com"
_SECRET = "a-secret-of-the-benchmark"  # noqa: S105 - made up for this run
_MAIN = ROOT / "main.py"
_FLOOR = ROOT / "bench" / "floor_function.py"
_OWN = {"interval_minutes": 60}
_TIMEOUT_S = 30.0


def measure(site: Site) -> list[Figure]:
    """The figure, with two marketplaces."""
    issuer = Issuer.open(site.folder / "issuer")
    certs = _serve_certificates(site)
    urls = {
        "floor": _begin(site, "floor", _FLOOR, _project(site), certs),
        "product": _begin(site, "product", _MAIN, _project(site), certs),
        "paced": _begin(site, "paced", _MAIN, _project(site, paced=_CONNECTIONS // 3), certs),
    }
    for name, url in urls.items():
        site.processes.wait_ready(name, url)
    floor = _Caller(urls["floor"], lambda _: {})
    product, paced = (_ticks(issuer, urls[name]) for name in ("product", "paced"))
    callers = (product, floor, paced)
    taken: dict[_Caller, list[float]] = {caller: [] for caller in callers}
    warm_up, requests = site.amount(20, 2), site.amount(400, 10)
    for number in range(warm_up + requests):
        for caller in callers if number % 2 else reversed(callers):
            taken[caller].append(caller.call())
    p50 = {caller: 1000 * statistics.median(times[warm_up:]) for caller, times in taken.items()}
    return [
        Figure(
            name="answer to a tick",
            value=p50[product],
            floor=p50[floor],
            unit="ms",
            at_most=1.25,
            note=f"Answer: {p50[paced] / p50[floor]:.2f} if some connections have an interval of their own",
        )
    ]


class _Caller:
    """Calls one function over one connection.

    Args:
        url: The function's URL.
        headers: Makes the request's headers from a time that no other call has.
    """

    def __init__(self, url: str, headers: Callable[[datetime], Mapping[str, str]]) -> None:
        self._url, self._headers = url, headers
        self._http = urllib3.PoolManager(maxsize=1, retries=False, timeout=urllib3.Timeout(_TIMEOUT_S))
        self._moments = _moments()

    def call(self) -> float:
        """Make one call; returns its seconds."""
        headers = self._headers(next(self._moments))
        started = time.perf_counter()
        answer = self._http.request("POST", self._url, headers=headers, body=b"{}")
        taken = time.perf_counter() - started
        if answer.status != 202:
            raise RuntimeError(f"{self._url} answered {answer.status}: {answer.data[:300]!r}")
        return taken


def _moments() -> Iterator[datetime]:
    """A tick each quarter of an hour, going back in time."""
    moment = datetime.now(UTC)
    while True:
        moment -= timedelta(minutes=15)
        yield moment


def _ticks(issuer: Issuer, url: str) -> _Caller:
    """The product's function, called as Cloud Scheduler does."""
    token = issuer.mint(email=_ACCOUNT, audience=url)

    def headers(moment: datetime) -> Mapping[str, str]:
        return {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "X-CloudScheduler-JobName": "sync",
            "X-CloudScheduler-ScheduleTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "x-scheduler-secret": _SECRET,
        }

    return _Caller(f"{url}/api/sync/scheduler", headers)


def _begin(site: Site, name: str, source: Path, project: str, certs: str) -> str:
    """Start the function in a file, `sync_api` or `floor`; returns its URL, which does not answer yet."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    target = "floor" if source == _FLOOR else "sync_api"
    arguments = (f"--source={source}", f"--target={target}", "--host=127.0.0.1", f"--port={port}")
    access = {
        "SCHEDULER_AUDIENCE": url,
        "SCHEDULER_SERVICE_ACCOUNT": _ACCOUNT,
        "SCHEDULER_SECRET": _SECRET,
        "OIDC_CERTS_URL": certs,
    }
    site.begin(name, "functions_framework", *arguments, **_variables(site, project), **access)
    return url


def _variables(site: Site, project: str) -> dict[str, str]:
    return {
        **site.emulators.variables,
        "ENVIRONMENT": "development",
        "GOOGLE_CLOUD_PROJECT": project,
        "SYNC_STORE": "firestore",
        "SYNC_QUEUE": f"pubsub:{_TOPIC}",
    }


def _project(site: Site, *, paced: int = 0) -> str:
    """A project with a topic and connections, some of which have an interval of their own."""
    from google.cloud.pubsub_v1 import PublisherClient  # noqa: PLC0415 - slow to import

    project = fresh_project()
    variables = _variables(site, project)
    with PublisherClient() as publisher:
        publisher.create_topic(name=publisher.topic_path(project, _TOPIC), timeout=_TIMEOUT_S)
    store = wiring.build(Settings.from_environment(variables)).store
    for marketplace in ("shopify", "takealot"):
        puts = []
        for number in range(_CONNECTIONS):
            name, own = f"{marketplace}-{number}", _OWN if number < paced else {}
            document = {"marketplace": marketplace, "status": "active", **own, "pace": pace_of(name, own)}
            puts.append(Put(f"connections/{name}", document))
        store.commit(puts)
    return project


def _serve_certificates(site: Site) -> str:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/certs"
    site.start(
        "issuer", url, "local.google.issuer", f"--port={port}", f"--directory={site.folder / 'issuer'}"
    )
    return url
