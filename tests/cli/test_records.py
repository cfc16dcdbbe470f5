"""`records show|envelope`: a record for a person, and the envelopes of an earlier release's documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.app import parser, run
from orchestrator.errors import NotFound, RequestError
from orchestrator.operators import stored_records
from orchestrator.operators.stored_records import complete_envelopes
from orchestrator.ports import Put, Query, Snapshot
from tests.support.people import ME
from tests.support.stores import WrappedStore
from tests.support.world import World, fill

BESIDE = ("organization_id", "connection_id", "marketplace", "schema", "synced_at")


def call(world: World, *words: str) -> int:
    """Run a command."""
    return run(world.services, parser().parse_args(["records", *words]))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fresh world."""
    return World(tmp_path)


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Seven orders and two products of an earlier release, in pages of three."""
    monkeypatch.setattr(stored_records, "PAGE", 3)
    world = World(tmp_path)
    world.connect("a", streams=["orders", "products"])
    fill(world, "products", 2)
    fill(world, "orders", 7)
    world.run_once()
    for path in [*(f"orders/r{n}" for n in range(7)), "products/r0", "products/r1"]:
        data = world.get(f"connections/a/{path}").data
        kept = {name: value for name, value in data.items() if name not in BESIDE}
        world.store.commit([Put(f"connections/a/{path}", kept)])
    return world


def data_of(world: World) -> list[dict[str, Any]]:
    """All documents."""
    return [
        found.data
        for stream in ("orders", "products")
        for found in world.store.query(Query(f"connections/a/{stream}", limit=100))
    ]


def test_envelopes_are_completed_once(old: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Each document tells its owner and schema 1; a second call finds nothing to do."""
    before = data_of(old)
    assert call(old, "envelope", "--connection", "a") == 0
    after = data_of(old)
    assert "9 documents read, 9 completed" in capsys.readouterr().out
    for one, other in zip(before, after, strict=True):
        assert other == one | {
            "organization_id": "org-1",
            "connection_id": "a",
            "marketplace": "shopify",
            "schema": 1,
            "synced_at": old.clock.now(),
        }
    assert call(old, "envelope", "--connection", "a", "--json") == 0
    told = json.loads(capsys.readouterr().out)

    assert told == {"id": "a", "read": 9, "patched": 0}


def test_an_interrupted_call_is_continued_behind_its_last_report(old: World) -> None:
    """What was completed before is not read again."""
    places: list[str] = []

    def interrupt(progress: stored_records.Progress) -> None:
        places.append(progress.place)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete_envelopes(old.services, "a", by=ME, report=interrupt)
    done = complete_envelopes(old.services, "a", by=ME, after=places[0])

    assert places == ["orders/r2"]
    assert (done.read, done.patched) == (6, 6)
    assert all(data["schema"] == 1 for data in data_of(old))


class Between(WrappedStore):
    """Does something once, behind the first query of records."""

    def __init__(self, world: World, act: Callable[[], object]) -> None:
        super().__init__(world.store)
        self._act: Callable[[], object] | None = act

    def query(self, query: Query) -> list[Snapshot]:
        """See DocumentStore."""
        found = super().query(query)
        if query.collection.endswith("/orders") and self._act is not None:
            act, self._act = self._act, None
            act()
        return found


def test_a_record_that_is_synced_meanwhile_stays_as_it_was_written(old: World) -> None:
    """Its version has changed: the page is read again, and the record of schema 2 is not touched."""
    written = old.get("connections/a/orders/r1").data | {
        "organization_id": "org-1",
        "connection_id": "a",
        "marketplace": "shopify",
        "schema": 2,
        "synced_at": None,
    }
    act = Between(old, lambda: old.store.commit([Put("connections/a/orders/r1", written)]))
    done = complete_envelopes(replace(old.services, store=act), "a", by=ME)

    assert done.patched == 8
    assert old.get("connections/a/orders/r1").data == written


def test_records_of_another_owner_get_the_new_one_and_keep_their_schema(world: World) -> None:
    """A connection changed hands; the marketplace no longer lists the record."""
    world.connect("a")
    fill(world, "orders", 1)
    world.run_once()
    world.connect("a", organization_id="org-2")
    complete_envelopes(world.services, "a", by=ME)
    data = world.get("connections/a/orders/r0").data

    assert (data["organization_id"], data["schema"]) == ("org-2", 2)


def test_wrong_names_are_refused(old: World) -> None:
    """Unknown connections, records and places have errors of their own."""
    for name in ("b", "a/b", ""):
        with pytest.raises(NotFound):
            complete_envelopes(old.services, name, by=ME)
        with pytest.raises(NotFound):
            stored_records.show_record(old.services, name, "orders", "r1")
    for record_id in ("none", "", "x" * 2_000):
        with pytest.raises(NotFound):
            stored_records.show_record(old.services, "a", "orders", record_id)
    for after in ("orders", "orders/", "rejects/1", "orders/a/b"):
        with pytest.raises(RequestError):
            complete_envelopes(old.services, "a", by=ME, after=after)


def test_a_record_is_shown_to_a_person(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Amounts with their currency, a table for the lines, no control characters; JSON has all."""
    world.connect("a")
    path = "connections/a/orders/x%2Fy"
    document = {
        "id": "x/y",
        "total": {"amount": "599.00", "currency": "ZAR"},
        "destination": {"country": "ZA"},
        "refunds": [],
        "description": "d\x1b[31m" + "e" * 5_000,
        "lines": [
            {"id": "1", "sku": "S-1", "quantity": 2, "options": [{"name": "Colour", "value": "Blue"}]},
            {"id": "2", "total": {"amount": "1.00", "currency": "ZAR"}},
        ],
        "deleted_at": None,
    }
    world.store.commit([Put(path, document)])
    assert call(world, "show", "a", "orders", "x/y") == 0
    shown = capsys.readouterr().out
    assert call(world, "show", "a", "orders", "x/y", "--json") == 0

    assert json.loads(capsys.readouterr().out) == document
    for text in ("599.00 ZAR", "destination.country", "2 lines", "S-1", "name=Colour value=Blue", "1.00 ZAR"):
        assert text in shown
    assert "\x1b" not in shown
    assert "5,006 characters" in shown
