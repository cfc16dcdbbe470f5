"""Documents of records: each tells its owner, its form and the time of its write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from orchestrator.model.record import Order
from orchestrator.model.record_document import SCHEMA, Envelope, vanished_fields
from orchestrator.ports import Write, Written
from orchestrator.sync import changes
from tests.support.stores import WrappedStore
from tests.support.world import START, World, fill


def test_every_document_has_the_envelope(world: World) -> None:
    """It names organization, connection and marketplace, and no field of it is the record's."""
    world.connect("a", organization_id="org-7", marketplace="takealot")
    fill(world, "orders", 2)
    world.run_once()
    data = world.get("connections/a/orders/r0").data
    envelope = msgspec.convert(data, Envelope)

    assert (envelope.organization_id, envelope.connection_id) == ("org-7", "a")
    assert (envelope.marketplace, envelope.schema) == ("takealot", SCHEMA)
    assert (envelope.synced_at, envelope.deleted_at) == (world.clock.now(), None)
    assert not set(Envelope.__struct_fields__) & set(Order.__struct_fields__)
    assert set(Envelope.__struct_fields__) < data.keys()


def test_a_record_is_written_once_more_when_its_connection_changes_hands(world: World) -> None:
    """The next run puts the new owner's id into each record; the one after it writes nothing."""
    world.connect("a", organization_id="org-1")
    fill(world, "orders", 3)
    world.run_once()
    world.connect("a", organization_id="org-2")
    world.clock.advance(900)
    _, run = world.run_once()
    assert run.records.written == 3
    assert {world.get(f"connections/a/orders/r{n}").data["organization_id"] for n in range(3)} == {"org-2"}
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.written == 0


def test_a_vanished_order_leaves_the_lists_and_sums(tmp_path: Path) -> None:
    """It is no longer to ship and counts nothing; readers of changes see it go."""
    world = World(tmp_path)
    stream = world.bazaar.connector.streams["orders"]
    object.__setattr__(stream, "long_span", timedelta.max)
    object.__setattr__(stream, "remembers_all", True)
    world.connect("a", streams=["orders", "products"])
    for name in ("orders", "products"):
        fill(world, name, 3)
    world.run_once()
    for name in ("orders", "products"):
        world.bazaar.shop("a").rows[name].pop("r1")
    for after_s in (24 * 3600, 900):
        world.clock.advance(after_s)
        world.run_once()
    order = world.get("connections/a/orders/r1").data
    product = world.get("connections/a/products/r1").data

    assert (order["to_ship"], order["net_micros"]) == (False, None)
    assert order["deleted_at"] == order["synced_at"] == world.clock.now()
    assert product["deleted_at"] == product["synced_at"] == world.clock.now() - timedelta(seconds=900)
    assert "to_ship" not in vanished_fields("products", START, START)


class Slow(WrappedStore):
    """Takes a minute for each commit of records, and tells its own time."""

    def __init__(self, world: World) -> None:
        super().__init__(world.store)
        self._clock = world.clock

    def now(self) -> datetime:
        """Ten minutes behind this process's clock."""
        return self._clock.now() - timedelta(minutes=10)

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Take a minute if there are records."""
        if any("/orders/" in write.path for write in writes):
            self._clock.advance(60)
        return super().commit(writes)


def test_synced_at_is_the_commit_s_time_by_the_store_s_clock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that waited for earlier commits does not tell the time at which it was made."""
    monkeypatch.setattr(changes, "PART_DOCUMENTS", 1)
    world.connect("a")
    fill(world, "orders", 3)
    world.services = replace(world.services, store=Slow(world))
    world.run_once()
    told = [world.get(f"connections/a/orders/r{n}").data["synced_at"] for n in range(3)]

    assert told == [START - timedelta(minutes=10) + n * timedelta(minutes=1) for n in range(3)]
