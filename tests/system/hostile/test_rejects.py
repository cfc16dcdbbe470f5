"""Records that no document can hold: each is kept as a reject, cut, and goes when it is understood."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from orchestrator.marketplaces.spec import AnySession, Page, Window
from orchestrator.model.records.record import Order, Record
from orchestrator.model.run import RunStatus
from orchestrator.ports import DocumentStore, Snapshot
from orchestrator.sync.rejects import MAX_RAW_BYTES
from tests.marketplaces.conformance.case import every
from tests.support.world import START, World

AT = START.isoformat().encode()


@pytest.fixture
def world(store: DocumentStore, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A made-up marketplace with one connection, on either store."""
    made = World(tmp_path_factory.mktemp("world"))
    made.store = store
    made.services = replace(made.services, store=store)
    made.connect("a", store_buyer_pii=True)
    return made


def served(world: World, *records: bytes) -> None:
    """Have the marketplace answer with these records and nothing else."""
    stream = world.bazaar.connector.streams["orders"]

    def fetch(session: AnySession, window: Window, token: str | None) -> Page:
        return Page(records, None)

    stream = replace(stream, fetch=fetch, normalize=_normalize, record_id=_identify)
    connector = replace(world.bazaar.connector, streams={"orders": stream})
    world.services = replace(world.services, connectors={"shopify": connector})


def _normalize(raw: bytes, _: bool) -> Record:
    row, record_id = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]), _identify(raw)
    value = msgspec.json.decode(row["value"], type=str)
    return Order(
        id=record_id,
        number=record_id,
        status="open",
        marketplace_status=value,
        created_at=START,
        updated_at=START,
    )


def _identify(raw: bytes) -> str:
    return msgspec.json.decode(msgspec.json.decode(raw, type=dict[str, msgspec.Raw])["id"], type=str)


def row(record_id: str, value: bytes = b'"v"') -> bytes:
    """A raw record."""
    return b'{"id":%b,"updated_at":"%b","value":%b}' % (msgspec.json.encode(record_id), AT, value)


def synced(world: World) -> tuple[RunStatus, dict[str, Snapshot], dict[str, Snapshot]]:
    """A tick's outcome: the run's status, the stored records by id, and the rejects by document id."""
    world.clock.advance(3600)
    _, run = world.run_once()
    stored = {each.data["id"]: each for each in every(world.store, "connections/a/orders")}
    return run.status, stored, {each.id: each for each in every(world.store, "connections/a/rejects")}


def test_ids_are_kept_as_they_are_or_rejected(world: World) -> None:
    """Any id that a document can have is stored, slashes and reserved names too; any other is a reject."""
    good = ["a/b", "..", ".", "__all__", "%2F", "a\0b", "x" * 1500, "ü" * 750, "\ufffe\U0001f600\u202e"]
    bad = ["", "x" * 1501, "ü" * 751, "y" * 70_000, "z" * 2_000_000]
    served(world, *map(row, [*good, *bad]))
    status, stored, rejects = synced(world)

    assert status is RunStatus.SUCCEEDED
    assert sorted(stored) == sorted(good)
    assert len(rejects) == len(bad)
    assert world.state("a").streams["orders"].cursor.since is not None


def test_a_reject_s_raw_body_is_cut(world: World) -> None:
    """What is kept of five megabytes, also where no byte of them is UTF-8, fits a document."""
    whole = row("large", b'"' + b"\xff" * 5_000_000 + b'"')
    served(world, whole, row("good"))
    status, stored, rejects = synced(world)
    (kept,) = rejects.values()

    assert status is RunStatus.SUCCEEDED
    assert list(stored) == ["good"]
    assert kept.id == "orders-large"
    assert kept.data["raw_bytes"] == len(whole)
    assert MAX_RAW_BYTES - 4 < len(kept.data["raw"].encode()) <= MAX_RAW_BYTES


def test_a_reject_with_the_longest_id_goes_when_it_is_understood(world: World) -> None:
    """An id that a record can bear, and its reject's name cannot, is rejected and later stored."""
    served(world, row("x" * 1500, b"17"))
    _, before, rejected = synced(world)
    served(world, row("x" * 1500))
    status, after, left = synced(world)

    assert (before, len(rejected)) == ({}, 1)
    assert status is RunStatus.SUCCEEDED
    assert list(after) == ["x" * 1500]
    assert left == {}


def test_a_reason_is_one_bearable_line(world: World) -> None:
    """What is said about a record does not quote it at length."""
    served(world, row("a", b'{"' + b"k" * 1_000_000 + b'\\n":1}'))
    _, _, rejects = synced(world)
    (kept,) = rejects.values()

    assert len(kept.data["reason"]) < 2_100
    assert kept.data["reason"].isprintable()
