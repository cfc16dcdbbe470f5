"""The benchmarks' own parts do what their rows say they do."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.engine import Engine
from bench.simulated import PAGE_ROWS, connector, row
from bench.touches import Touched, touched_by
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.marketplaces.shopify.order_records import order
from tests.support.stores import CountingStore

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


def test_simulated_orders_are_distinct_and_come_in_order_of_modification() -> None:
    """Each row is an order that the product's own normalizer takes whole."""
    orders = [order(row(index, 500, UNTIL), False) for index in range(500)]

    assert {len(each.lines) for each in orders} == {2}
    assert len({each.id for each in orders}) == 500
    moments = [each.updated_at for each in orders if each.updated_at is not None]
    assert moments == sorted(moments)
    assert len(moments) == 500
    assert (UNTIL - moments[0]).days in {728, 729}
    assert moments[-1] < UNTIL


@pytest.mark.parametrize("ready", [False, True])
def test_an_engine_runs_a_tick_to_its_end(tmp_path: Path, ready: bool) -> None:
    """Every order of several pages is written, whether the pages are made on the way or lie ready."""
    count = 2 * PAGE_ROWS + 1
    shop = connector(count, ready=ready)
    with (
        closing(SqliteStore(tmp_path / "store")) as store,
        closing(Engine(store, {"shopify": shop})) as engine,
    ):
        engine.connect("c", "shopify", streams=["orders"])
        written = engine.task(engine.run(), "c").streams["orders"].written

        assert written == count
        assert store.count("connections/c/orders") == count


def test_documents_touched_are_counted_apart_from_the_tasks_own_counting(tmp_path: Path) -> None:
    """Where nothing is new, the store's port saw exactly what the task says it used."""
    with closing(SqliteStore(tmp_path / "store")) as store:
        counting = CountingStore(store)
        with closing(Engine(counting, {"shopify": connector(10)})) as engine:
            engine.connect("a", "shopify", streams=["orders"])
            engine.connect("b", "shopify", streams=["orders"])
            engine.run()
            counted, recorded = touched_by(engine, counting, "a")

            assert counted == recorded
            assert counted == Touched(reads=2, writes=2)
            with pytest.raises(RuntimeError, match="the last one"):
                touched_by(engine, counting, "b")
