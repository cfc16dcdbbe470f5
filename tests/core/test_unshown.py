"""Records that a marketplace lists and cannot show: the others are stored, and these are asked for again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.spec import Unshown
from orchestrator.model.run import RunStatus
from orchestrator.ports import Query
from orchestrator.sync import hidden
from tests.core.test_rejects import once_a_commit
from tests.support.world import START, FakeClient, Row, World, fill

HOUR = timedelta(hours=1)
REASON = "bazaar order: answered 500 (text/html)"


def named(row: Row) -> Unshown:
    """The connector knows the id and the time."""
    return Unshown(row.id, REASON, row.id, row.updated_at, row.updated_at)


def placed(row: Row) -> Unshown:
    """The connector knows only that something is there."""
    return Unshown(f"row {row.id[1:]}", REASON, None, row.updated_at, row.updated_at)


@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_a_record_that_the_marketplace_cannot_show_stops_no_other(world: World, stream: str) -> None:
    """It becomes a reject that says so, and counts as seen and rejected; the stream succeeds."""
    world.connect("a", streams=[stream])
    fill(world, stream, 8)
    world.bazaar.unshown["r4"] = named
    _, run = world.run_once()
    reject = world.get(f"connections/a/rejects/{stream}-r4").data

    assert run.status is RunStatus.SUCCEEDED
    assert (run.records.seen, run.records.written, run.records.rejected) == (8, 7, 1)
    assert reject["reason"] == f"the marketplace cannot show it: {REASON}"
    assert (reject["stream"], reject["record_id"], reject["run_id"]) == (stream, "r4", run_id_of(world))
    world.clock.advance(900)
    _, run = world.run_once()
    # The next window of orders does not reach it: then nothing is to be told, and no record is left.
    assert run.cost.document_writes == (2 if stream == "orders" else 3)


def run_id_of(world: World) -> str:
    """The latest run."""
    last = world.state("a").last_run
    assert last is not None
    return last.run_id


@pytest.mark.parametrize("how", [named, placed])
def test_a_hidden_product_is_not_taken_as_vanished_and_its_reject_goes_with_the_next_listing(
    world: World, how: Callable[[Row], Unshown]
) -> None:
    """A product that was stored, cannot be shown for a while, and is shown again as it was."""
    world.connect("a", streams=["products"])
    fill(world, "products", 8)
    world.run_once()
    world.bazaar.unshown["r4"] = how
    world.clock.advance(900)
    _, run = world.run_once()
    assert run.records.deleted == 0
    assert len(rejects(world)) == 1
    world.bazaar.unshown.clear()
    world.clock.advance(900)
    world.run_once()

    assert rejects(world) == []
    assert len(world.records("a", "products")) == 8
    assert world.state("a").streams["products"].hidden == ()


@pytest.mark.parametrize("how", [named, placed])
def test_a_hidden_order_is_asked_for_again_after_an_hour_and_then_less_often(
    world: World, how: Callable[[Row], Unshown]
) -> None:
    """The span of an old order is read again with a doubling back-off; once it is shown, the reject goes."""
    world.connect("a")
    fill(world, "orders", 8)
    world.bazaar.unshown["r4"] = how
    world.run_once()
    asked: list[float] = []
    for _ in range(4 * 50):
        world.clock.advance(900)
        before = len(world.bazaar.calls)
        world.run_once()
        if len(world.bazaar.calls) > before + 1:
            asked.append((world.clock.now() - START) / HOUR)
    assert asked == [1, 3, 7, 15, 31]
    world.bazaar.unshown.clear()
    world.clock.advance(24 * 3600)
    world.run_once()

    assert rejects(world) == []
    assert len(world.records("a", "orders")) == 8
    assert world.state("a").streams["orders"].hidden == ()


def test_a_hidden_record_is_asked_for_thirty_days_and_at_most_twenty_are(world: World) -> None:
    """What is remembered is bounded in number and in time; the rejects stay."""
    world.connect("a")
    fill(world, "orders", 30)
    world.bazaar.unshown.update({f"r{n}": named for n in range(30)})
    world.run_once()
    assert len(world.state("a").streams["orders"].hidden) == hidden.MAX_HIDDEN
    for _ in range(33):
        world.clock.advance(86_400)
        world.run_once()
    before = len(world.bazaar.calls)
    world.clock.advance(86_400)
    world.run_once()

    assert len(world.bazaar.calls) == before + 1
    assert len(rejects(world)) == 30


def test_a_connector_is_told_that_the_last_tick_failed_here(world: World) -> None:
    """The second attempt at one token is counted as such, so that a passing outage narrows nothing down."""
    world.connect("a")
    fill(world, "orders", 9)

    def fail(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "3" and world.bazaar.calls[-1][2].attempt < 3:
            raise MarketplaceUnavailable("bazaar orders: answered 500")

    world.bazaar.at_call = fail
    for _ in range(3):
        world.run_once()
        world.clock.advance(900)
    world.run_once()

    assert [call[2].attempt for call in world.bazaar.calls[:-1] if call[3] == "3"] == [1, 2, 3]
    assert all(call[2].attempt == 1 for call in world.bazaar.calls if call[3] != "3")
    assert len(world.records("a", "orders")) == 9


def test_a_listing_whose_token_dies_counts_failures_of_its_window(world: World) -> None:
    """The next tick comes to the failing page from the start, and each of its pages is a second attempt."""
    world.connect("a", streams=["products"])
    fill(world, "products", 9)
    object.__setattr__(world.bazaar.connector.streams["products"], "durable_token", False)

    def fail(client: FakeClient, stream: str, token: str | None) -> None:
        if token == "6" and world.bazaar.calls[-1][2].attempt == 1:
            raise MarketplaceUnavailable("bazaar products: answered 500")

    world.bazaar.at_call = fail
    for _ in range(3):
        world.run_once()
        world.clock.advance(900)

    assert [call[2].attempt for call in world.bazaar.calls] == [1, 1, 1, 2, 2, 2, 1, 1, 1]
    assert len(world.records("a", "products")) == 9


def rejects(world: World) -> list[str]:
    """The ids of the connection's rejects."""
    return [found.id for found in world.store.query(Query("connections/a/rejects", limit=100))]


def test_a_record_that_one_page_names_twice_is_one_reject(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that overlap are joined to one: a commit writes the reject once, and it counts once."""
    world.connect("a", streams=["products"])
    fill(world, "products", 2)
    shop = world.bazaar.shop("a")
    shop.rows["products"]["again"] = shop.rows["products"]["r1"]
    world.bazaar.unshown["r1"] = named
    once_a_commit(world, monkeypatch)
    _, run = world.run_once()

    assert rejects(world) == ["products-r1"]
    assert run.records.rejected == 1
