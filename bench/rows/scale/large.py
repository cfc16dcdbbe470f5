"""Large records: CPU time of a part of the largest records ÷ of a part of usual ones.

An order of 1,500 lines against orders of two, and a product of 2,048 variants (Shopify's most) against
products of two, with as many lines or variants in total. Each is the first sync of one connection into a new
embedded store. The marketplace is simulated in this process and its rows lie ready. More than 1 means that a
large record costs more than its parts would in small ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

from bench.engine import Engine
from bench.figures import Figure, Spent, Stopwatch, cpu_figure, spent_in_turn
from bench.simulated import PAGE_ROWS, listing, product_row, row
from bench.site import Site
from orchestrator.adapters.embedded.store import SqliteStore

_LINES, _VARIANTS, _USUAL = 1_500, 2_048, 2


def measure(site: Site) -> list[Figure]:
    """One figure for orders and one for products."""
    until = datetime.now(UTC) - timedelta(hours=1)
    count, rounds = site.amount(10, 1), site.amount(5, 0)
    figures = []
    for stream, part, parts in (("orders", "line", _LINES), ("products", "variant", _VARIANTS)):
        total = count * parts
        large = _rows(stream, count, parts, until)
        usual = _rows(stream, total // _USUAL, _USUAL, until)
        product, floor = spent_in_turn(
            rounds, *(_syncing(site, stream, rows, size) for rows, size in ((large, 1), (usual, PAGE_ROWS)))
        )
        name = f"CPU of a {part}, {parts:,} in {'an order' if stream == 'orders' else 'a product'}"
        figures.append(cpu_figure(name, product, floor, total, at_most=1.2))
    return figures


def _rows(stream: str, count: int, parts: int, until: datetime) -> list[bytes]:
    if stream == "orders":
        return [row(index, count, until, parts) for index in range(count)]
    return [product_row(index, parts, until) for index in range(count)]


def _syncing(site: Site, stream: str, rows: Sequence[bytes], page_rows: int) -> Callable[[], Spent]:
    """A measure of the first sync of these rows."""
    shop = listing(stream, rows, page_rows)

    def sync() -> Spent:
        with (
            closing(SqliteStore(site.file())) as store,
            closing(Engine(store, {"shopify": shop})) as engine,
        ):
            engine.connect("c", "shopify", streams=[stream])
            with Stopwatch() as watch:
                run_id = engine.run()
            written = engine.task(run_id, "c").streams[stream].written
        if written != len(rows):
            raise RuntimeError(f"{written} records were written, not {len(rows)}")
        return watch.spent

    return sync
