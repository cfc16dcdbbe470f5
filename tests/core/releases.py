"""A release that raises the versions of its streams, for tests of migrations."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from orchestrator.marketplaces.spec import AnyConnector
from orchestrator.model.records.record import Order, Record
from orchestrator.model.run import Task
from orchestrator.model.state import StreamState
from orchestrator.ports import Query
from tests.support.world import World, fill, normalize

TICK_S = 900.0


def deploy(world: World, version: int, **changes: Any) -> None:
    """A release whose streams have another version, which each record names as its number."""

    def numbered(raw: bytes, keep_buyer: bool) -> Record:
        record = normalize(raw, keep_buyer)
        assert isinstance(record, Order)
        return msgspec.structs.replace(record, number=f"version {version}")

    connectors: dict[str, AnyConnector] = {}
    for name, connector in world.services.connectors.items():
        streams = {
            each.name: dataclasses.replace(each, version=version, normalize=numbered, **changes)
            for each in connector.streams.values()
        }
        connectors[name] = dataclasses.replace(connector, streams=streams)
    world.services = dataclasses.replace(world.services, connectors=connectors)


def slow(world: World, seconds: float = 2.0) -> None:
    """Each call takes a while: one page is a turn."""
    world.bazaar.at_call = lambda *_: world.clock.advance(seconds)


def versions(world: World, stream: str = "orders", connection_id: str = "a") -> dict[str, str]:
    """The version that each stored record was written in."""
    found = world.store.query(Query(f"connections/{connection_id}/{stream}", limit=10_000))
    return {snapshot.data["id"]: snapshot.data["number"] for snapshot in found}


def written_in(world: World, version: int, stream: str = "orders") -> int:
    """How many records were written in a version."""
    return list(versions(world, stream).values()).count(f"version {version}")


def state(world: World, stream: str = "orders") -> StreamState:
    """The stored state of a stream of connection a."""
    return world.state("a").streams[stream]


def tick(world: World) -> Task:
    """A tick later: the task of connection a."""
    world.clock.advance(TICK_S)
    run_id, _ = world.run_once()
    return world.task(run_id, "a")


def finish(world: World, most: int = 30) -> list[Task]:
    """Tick until no history is left to be rewritten; the tasks."""
    tasks = []
    while any(each.migration for each in world.state("a").streams.values()):
        tasks.append(tick(world))
        assert len(tasks) <= most, "the migration does not end"
    return tasks


def migrating(world: World, count: int = 12, stream: str = "orders") -> None:
    """A connection with some history in version 1, and a release with version 2."""
    world.connect("a", streams=[stream])
    fill(world, stream, count)
    world.run_once()
    deploy(world, 2)
    slow(world)
