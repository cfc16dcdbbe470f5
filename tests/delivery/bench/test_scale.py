"""The rows about size measure whole work: every connection, line and variant is in it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.engine import Engine
from bench.figures import Spent, cpu_figure, spent_in_turn
from bench.rows.scale import fleet
from bench.simulated import listing, product_row, row
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.ports import Query

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


def test_product_and_floor_publish_a_task_for_each_connection_and_again_in_the_next_round(
    tmp_path: Path,
) -> None:
    """Over more connections than one page, and with a run of its own in each round."""
    with closing(SqliteStore(tmp_path / "store")) as store, fleet.engine(store) as engine:
        queue = LocalQueue(tmp_path / "queue", "http://127.0.0.1:9", delivers=False)
        fleet.fill(store, 1_001)
        for _ in range(2):
            fleet.dispatched(engine, queue, 1_001)
        fleet.read_and_published(store, queue, 1_001)
        with pytest.raises(RuntimeError, match="1001 of 1002"):
            fleet.read_and_published(store, queue, 1_002)


@pytest.mark.parametrize(
    ("stream", "part", "most"), [("orders", "lines", 1_500), ("products", "variants", 2_048)]
)
def test_the_largest_records_are_stored_whole(tmp_path: Path, stream: str, part: str, most: int) -> None:
    """One order with all its lines, and one product with all its variants."""
    raw = row(0, 1, UNTIL, most) if stream == "orders" else product_row(0, most, UNTIL)
    with (
        closing(SqliteStore(tmp_path / "store")) as store,
        closing(Engine(store, {"shopify": listing(stream, [raw], 1)})) as engine,
    ):
        engine.connect("c", "shopify", streams=[stream])
        engine.task(engine.run(), "c")
        (found,) = store.query(Query(f"connections/c/{stream}", limit=2))

        assert len(found.data[part]) == most
        assert set(found.data.get("truncated", ())) <= {"skus"}, "only the list for searches is shorter"


def test_cpu_time_is_told_for_one_of_many() -> None:
    """In microseconds, in the median of the rounds that count."""
    product, floor = spent_in_turn(1, lambda: Spent(9.0, 0.5), lambda: Spent(9.0, 0.25))
    figure = cpu_figure("CPU of an order", product, floor, 1_000, at_most=1.6)

    assert (figure.value, figure.floor, figure.ratio, figure.met) == (500.0, 250.0, 2.0, False)
