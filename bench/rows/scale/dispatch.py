"""Dispatch: connections/s from a run to its published tasks ÷ connections/s of bare reading and publishing.

Product: one run's dispatch messages, over connections of one marketplace. Its shards, its progress and the
check for earlier runs are in it; the tasks are published and not worked on.

Floor: pages of the same size of the same connections, and one task message for each, on the same store and
queue. It writes no document.

Embedded: the SQLite store and the SQLite queue. On the emulators: Firestore and Pub/Sub.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from bench.figures import Figure, Rounds, Spent, cpu_figure, spent_in_turn, spread
from bench.rows.scale import fleet
from bench.site import Site, fresh_project
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.adapters.google.pubsub import PubSubQueue
from orchestrator.ports import DocumentStore, TaskQueue

_TOPIC = "tasks"
_TIMEOUT_S = 30.0


def measure(site: Site) -> list[Figure]:
    """For each store one figure of wall time and one of CPU time."""
    many, few = site.amount(10_000, 100), site.amount(1_000, 50)
    with closing(SqliteStore(site.file())) as store:
        queue = LocalQueue(site.file(), "http://127.0.0.1:9", delivers=False)
        figures = _figures("embedded", many, _measured(site, store, queue, many))
    host, project = site.emulators.firestore_host, fresh_project()
    with closing(FirestoreStore(project=project, database="(default)", emulator_host=host)) as cloud:
        figures += _figures("emulators", few, _measured(site, cloud, _topic(site, project), few))
    return figures


def _measured(site: Site, store: DocumentStore, queue: TaskQueue, connections: int) -> list[Rounds]:
    fleet.fill(store, connections)
    with fleet.engine(store) as engine:
        measures: list[Callable[[], Spent]] = [
            lambda: fleet.dispatched(engine, queue, connections),
            lambda: fleet.read_and_published(store, queue, connections),
        ]
        return spent_in_turn(site.amount(5, 0), *measures)


def _figures(where: str, connections: int, measured: list[Rounds]) -> list[Figure]:
    product, floor = measured
    return [
        Figure(
            name=f"dispatch, {where}",
            value=connections / product.wall.median,
            floor=connections / floor.wall.median,
            unit="connections/s",
            at_least=0.8,
            note=f"Dispatch, {where}: {spread(floor.wall, product.wall)}",
        ),
        cpu_figure(f"CPU of a dispatched connection, {where}", product, floor, connections, at_most=1.6),
    ]


def _topic(site: Site, project: str) -> PubSubQueue:
    """A topic without a subscription, so that no worker competes for the machine."""
    from google.cloud.pubsub_v1 import PublisherClient  # noqa: PLC0415 - slow to import

    with PublisherClient() as publisher:
        publisher.create_topic(name=publisher.topic_path(project, _TOPIC), timeout=_TIMEOUT_S)
    return PubSubQueue(project=project, topic=_TOPIC, emulator_host=site.emulators.pubsub_host)
