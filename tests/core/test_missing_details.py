"""Details that cannot be read: one bad apple, an outage, and answers that make no sense."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest

from orchestrator.errors import MarketplaceUnavailable, RecordInvalid, RequestRejected, WriteRejected
from orchestrator.marketplaces.spec import AnySession
from orchestrator.model.records.record import Record
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.ports import Put, Query, Write, Written
from orchestrator.sync import details, normalizer
from tests.core.detailed import DAY_S, asked, stored, told
from tests.support.world import FakeClient, Row, World, fill, normalize


def spoil(world: World, error: Exception, *names: str) -> None:
    """The details of these rows fail whenever they are asked for."""

    def fail(client: FakeClient, asked_for: tuple[str, ...]) -> None:
        if set(names) & set(asked_for):
            raise error

    world.bazaar.at_detail = fail


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize(
    "error", [RequestRejected("answered 404"), MarketplaceUnavailable("answered 500"), KeyError("refunds")]
)
def test_one_bad_apple_is_stored_without_its_details(sparse: World, error: Exception, rows: int) -> None:
    """It fails one tick; at the next it is stored as listed, with a warning, and all others complete."""
    sparse.bazaar.give_details("orders", rows=rows)
    spoil(sparse, error, "r1")
    first, _ = sparse.run_once()
    sparse.clock.advance(900)
    _, second = sparse.run_once()

    assert sparse.task(first, "a").status is TaskStatus.FAILED
    assert second.status is RunStatus.SUCCEEDED
    assert told(sparse) == {f"r{n}": "r1" if n == 1 else "detail of 1" for n in range(6)}
    assert list(stored(sparse)["r1"]["warnings"]) == ["number"]
    assert not stored(sparse)["r0"].get("warnings")
    assert sparse.store.query(Query("connections/a/rejects", limit=10)) == []


def test_the_details_of_a_bad_apple_are_asked_for_again_with_a_back_off(sparse: World) -> None:
    """Not at every tick, but after an hour; once they can be read, the record has no warning any more."""
    spoil(sparse, RequestRejected("answered 404"), "r5")
    sparse.run_once()
    sparse.clock.advance(900)
    sparse.run_once()
    before = asked(sparse)["r5"]
    for _ in range(3):
        sparse.clock.advance(900)
        assert sparse.run_once()[1].status is RunStatus.SUCCEEDED
    assert asked(sparse)["r5"] == before
    sparse.clock.advance(900)
    sparse.run_once()
    assert asked(sparse)["r5"] == before + 1
    sparse.bazaar.at_detail = None
    for _ in range(16):
        sparse.clock.advance(900)
        sparse.run_once()

    assert told(sparse)["r5"] == "detail of 1"
    assert not stored(sparse)["r5"].get("warnings")
    assert asked(sparse)["r5"] == before + 2
    assert sparse.state("a").streams["orders"].hidden == ()


def test_a_reconcile_asks_for_missing_details_and_fails_no_tick(sparse: World) -> None:
    """A row that is known to have none fails alone at once, and is written only when it has them."""
    spoil(sparse, RequestRejected("answered 404"), "r1")
    sparse.run_once()
    sparse.clock.advance(900)
    sparse.run_once()
    before = asked(sparse)["r1"]
    sparse.clock.advance(DAY_S + 3600)
    _, run = sparse.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert asked(sparse)["r1"] > before
    assert run.records.written == 0
    sparse.bazaar.at_detail = None
    sparse.clock.advance(DAY_S + 3600)
    sparse.run_once()
    assert told(sparse)["r1"] == "detail of 1"


def test_an_outage_stores_nothing_without_details(world: World) -> None:
    """If the details of row after row fail, the page fails: it is complete once the outage is over."""
    world.bazaar.page_size = 100
    world.connect("a")
    fill(world, "orders", 8)
    world.bazaar.give_details("orders")
    spoil(world, MarketplaceUnavailable("answered 503"), *(f"r{n}" for n in range(8)))
    for _ in range(3):
        world.run_once()
        world.clock.advance(900)
    assert stored(world) == {}
    world.bazaar.at_detail = None
    world.run_once()

    assert set(told(world).values()) == {"detail of 1"}


def test_an_outage_of_details_ends_in_the_thin_rows(world: World) -> None:
    """What looks like an outage for ever does not hold up the stream for ever."""
    world.bazaar.page_size = 100
    world.connect("a")
    fill(world, "orders", 8)
    world.bazaar.give_details("orders")
    spoil(world, MarketplaceUnavailable("answered 503"), *(f"r{n}" for n in range(8)))
    for _ in range(details.LAST_OUTAGE):
        world.run_once()
        world.clock.advance(900)

    assert set(told(world)) == {f"r{n}" for n in range(8)}


def misread(*names: str, error: Exception | None = None) -> Callable[[bytes, bool], Record]:
    """A connector that cannot read the completed rows of these names."""

    def odd(raw: bytes, keep: bool) -> Record:
        row = msgspec.json.decode(raw, type=Row)
        if row.id in names and row.detail is not None:
            raise error or RecordInvalid("a quantity is none")
        return normalize(raw, keep)

    return odd


@pytest.mark.parametrize("error", [RecordInvalid("a quantity is none"), KeyError("quantity")])
def test_a_record_whose_details_make_no_sense_is_stored_as_listed(sparse: World, error: Exception) -> None:
    """At once, with a warning and without a reject; all others complete, and the tick succeeds."""
    sparse.bazaar.give_details("orders", normalize=misread("r2", error=error))
    _, run = sparse.run_once()

    assert run.status is RunStatus.SUCCEEDED
    assert (run.records.written, run.records.rejected) == (6, 0)
    assert told(sparse) == {f"r{n}": "r2" if n == 2 else "detail of 1" for n in range(6)}
    assert list(stored(sparse)["r2"]["warnings"]) == ["number"]
    assert sparse.store.query(Query("connections/a/rejects", limit=10)) == []


def test_details_that_make_no_sense_are_asked_for_again_with_a_back_off(sparse: World) -> None:
    """Not at every tick, and nothing is written meanwhile; a connector that can read them completes them."""
    sparse.bazaar.give_details("orders", normalize=misread("r5"))
    sparse.run_once()
    assert asked(sparse)["r5"] == 1
    for _ in range(3):
        sparse.clock.advance(900)
        assert sparse.run_once()[1].records.written == 0
    assert asked(sparse)["r5"] == 1
    sparse.clock.advance(900)
    _, run = sparse.run_once()
    assert asked(sparse)["r5"] == 2
    assert (run.records.written, run.records.rejected) == (0, 0)
    sparse.bazaar.give_details("orders", normalize=normalize)
    for _ in range(8):
        sparse.clock.advance(900)
        sparse.run_once()

    assert told(sparse)["r5"] == "detail of 1"
    assert not stored(sparse)["r5"].get("warnings")
    assert sparse.state("a").streams["orders"].hidden == ()


def test_a_record_that_is_too_large_with_its_details_is_stored_without_them(
    sparse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is too large as it is listed is a reject, as ever."""

    def is_too_large(path: str, document: dict[str, object], _: int) -> int:
        if path.endswith("r2") or (path.endswith("r1") and document["number"] == "detail of 1"):
            raise RecordInvalid("too large")
        return 1

    monkeypatch.setattr(normalizer, "fit", is_too_large)
    _, run = sparse.run_once()

    assert (run.records.written, run.records.rejected) == (5, 1)
    assert told(sparse)["r1"] == "r1"
    assert "r2" not in told(sparse)
    [reject] = sparse.store.query(Query("connections/a/rejects", limit=10))
    assert reject.data["record_id"] == "r2"


def test_a_completed_record_that_the_store_refuses_is_not_asked_for_again(
    sparse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reject remembers the row as it is listed."""
    commit = sparse.store.commit

    def refuse(writes: Sequence[Write]) -> list[Written]:
        if any(isinstance(write, Put) and write.data.get("id") == "r1" for write in writes):
            raise WriteRejected("too odd")
        return commit(writes)

    monkeypatch.setattr(sparse.store, "commit", refuse)
    _, run = sparse.run_once()
    sparse.clock.advance(DAY_S + 3600)
    _, later = sparse.run_once()

    assert (run.records.written, run.records.rejected) == (5, 1)
    assert (later.records.written, later.records.rejected) == (0, 1)
    assert asked(sparse) == {f"r{n}": 1 for n in range(6)}


def test_another_record_s_details_are_refused(sparse: World) -> None:
    """A connector that mixes rows up stores none of them under another's name: it stays as it is listed."""

    def mix_up(_: AnySession, raws: Sequence[bytes]) -> list[bytes]:
        return [raw.replace(b'"r1"', b'"r9"') for raw in raws]

    sparse.bazaar.give_details("orders")
    sparse.bazaar.streams["orders"] = replace(sparse.bazaar.streams["orders"], complete=mix_up)
    _, run = sparse.run_once()

    assert run.records.rejected == 0
    assert set(told(sparse)) == {f"r{n}" for n in range(6)}
    assert [name for name, data in stored(sparse).items() if data.get("warnings")] == ["r1"]


@pytest.mark.parametrize("count", [0, 4])
def test_too_few_or_too_many_completed_rows_fail_the_page(sparse: World, count: int) -> None:
    """One at least is completed, so that the others' turn comes."""
    sparse.bazaar.give_details("orders", rows=3)
    stream = sparse.bazaar.streams["orders"]
    sparse.bazaar.streams["orders"] = replace(stream, complete=lambda _, raws: [*raws, *raws][:count])
    run_id, _ = sparse.run_once()

    error = sparse.task(run_id, "a").error
    assert error is not None
    assert error.kind == "response_invalid"
    assert stored(sparse) == {}


def test_details_need_a_durable_token(world: World) -> None:
    """A listing that begins again in each slice has no place for the rows completed so far."""
    with pytest.raises(ValueError, match="durable"):
        world.bazaar.give_details("orders", durable_token=False)
