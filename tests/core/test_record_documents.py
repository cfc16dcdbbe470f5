"""Documents of records: each tells its owner, its form and the time of its write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from orchestrator.model.documents import document_bytes
from orchestrator.model.records.document import (
    MAX_RAW_BYTES,
    MAX_RECORD_BYTES,
    SCHEMA,
    Envelope,
    add_raw,
    document_of,
    fit,
    vanished_fields,
)
from orchestrator.model.records.record import Attribute, Barcode, Order, OrderLine, Product, Variant
from orchestrator.ports import Update, Write, Written
from orchestrator.sync import changes
from tests.support.stores import WrappedStore
from tests.support.world import START, World, fill

ENVELOPE = Envelope(organization_id="o", connection_id="a", marketplace="shopify", synced_at=START, id_hash=0)


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
    shown = Update("connections/a/orders/r1", {"to_ship": True, "net_micros": 10_000_000})
    world.store.commit([shown])
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
    assert vanished_fields("products", START, START).keys() == {"deleted_at", "synced_at"}


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


def product(variants: int, image_url: str) -> Product:
    """A product of many variants, with all that can be shed."""
    return Product(
        id="p",
        status="active",
        marketplace_status="ACTIVE",
        description="d" * 20_000,
        description_html="h" * 100_000,
        skus=("kept",),
        truncated=("title",),
        variants=tuple(
            Variant(
                id=str(n),
                sku=f"sku-{n}",
                image_url=image_url,
                barcodes=(Barcode(kind="other", value="b" * 100),),
                options=(Attribute(name="Colour", value="c" * 100),),
            )
            for n in range(variants)
        ),
    )


@pytest.mark.parametrize(
    ("variants", "image_bytes", "shed"),
    [
        pytest.param(100, 300, [], id="it fits"),
        pytest.param(1_600, 150, ["raw"], id="without its row"),
        pytest.param(1_800, 200, ["description_html", "raw"], id="and without its HTML"),
        pytest.param(
            1_900, 200, ["description", "description_html", "raw", "variants.image_url"], id="and images"
        ),
    ],
)
def test_a_large_document_sheds_optional_fields(variants: int, image_bytes: int, shed: list[str]) -> None:
    """In the documented order, until it fits; the names are told, and nothing else changes."""
    record = product(variants, "u" * image_bytes)
    encoded = msgspec.json.encode(record)
    document = document_of(record, ENVELOPE, 1)
    add_raw(document, b'"' + b"r" * 200_000 + b'"')
    whole = dict(document)
    size = fit("connections/a/products/p", document, len(encoded))

    assert size <= MAX_RECORD_BYTES
    assert [*document["truncated"]] == sorted(["title", *shed])
    assert {name for name in whole if document[name] != whole[name]} <= {
        *(name.partition(".")[0] for name in shed),
        "truncated",
    }
    assert all(document[name] is None for name in shed if "." not in name)
    assert len(document["variants"]) == variants
    assert ("image_url" in document["variants"][0]) == ("variants.image_url" not in shed)
    assert {"id", "sku"} <= document["variants"][0].keys()


def test_the_size_of_a_small_document_is_never_underrated() -> None:
    """A document that is not counted is small enough, whatever it is made of."""
    for lines in (
        tuple(OrderLine(id="1", quantity=1) for _ in range(4_000)),
        (OrderLine(id="1", quantity=1, options=tuple(Attribute(name="a", value="b") for _ in range(7_000))),),
    ):
        record = Order(
            id="o", number="o", status="open", marketplace_status="", created_at=START, lines=lines
        )
        document = document_of(record, ENVELOPE, 1)
        json_bytes = len(msgspec.json.encode(record))
        if fit("connections/a/orders/o", document, json_bytes) == json_bytes:
            assert document_bytes("connections/a/orders/o", document) <= MAX_RECORD_BYTES


def test_a_record_that_fits_no_document_is_a_reject_beside_the_others(world: World) -> None:
    """It is counted once, and stored once it is small enough."""
    world.connect("a")
    fill(world, "orders", 2)
    world.bazaar.shop("a").put("orders", "big", START - timedelta(hours=3), "x" * 950_000)
    _, run = world.run_once()
    assert (run.records.written, run.records.rejected) == (2, 1)
    assert "a document takes 900000" in world.get("connections/a/rejects/orders-big").data["reason"]
    world.bazaar.shop("a").put("orders", "big", world.clock.now(), "1")
    world.clock.advance(900)
    world.run_once()

    assert world.records("a", "orders") == {"r0": "1", "r1": "1", "big": "1"}
    assert world.store.get("connections/a/rejects/orders-big") is None


@pytest.mark.parametrize("wanted", [False, True])
def test_a_row_is_kept_as_text_if_that_is_wanted(world: World, wanted: bool) -> None:
    """Without personal data unless they are stored; switching it on writes each record once more."""
    world.connect("a", store_buyer_pii=wanted)
    fill(world, "orders", 1)
    world.run_once()
    assert "raw" not in world.get("connections/a/orders/r0").data
    world.connect("a", store_buyer_pii=wanted, keep_raw=True)
    world.clock.advance(900)
    _, run = world.run_once()
    raw = world.get("connections/a/orders/r0").data["raw"]
    assert run.records.written == 1
    assert msgspec.json.decode(raw)["id"] == "r0"
    assert ("buyer@example.test" in raw) == wanted
    world.bazaar.shop("a").rows["orders"]["r0"].email = "other@example.test"
    world.clock.advance(900)
    _, run = world.run_once()

    assert run.records.written == 0, "a row that changes without its record is no write"


def test_a_row_that_is_too_large_is_left_out() -> None:
    """256 KiB are kept; more is null and named."""
    for raw, kept in ((b"1" * MAX_RAW_BYTES, True), (b"1" * (MAX_RAW_BYTES + 1), False), (None, False)):
        document: dict[str, object] = {"truncated": ["title"]}
        add_raw(document, raw)
        assert (document["raw"] is not None) == kept
        assert document["truncated"] == (["title"] if kept else ["raw", "title"])
