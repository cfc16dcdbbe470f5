"""An unchanged catalogue: documents touched by a task that lists 10,000 unchanged items.

A Takealot connection lists the sandbox's 10,000 offers (a snapshot: everything is listed each time), and
then once more. Reads and writes are counted as for an idle connection, and added; the naive floor is one
write an item.
"""

from __future__ import annotations

from contextlib import closing

from bench.engine import Engine
from bench.figures import Figure
from bench.site import Site
from bench.touches import touched_by
from orchestrator.adapters.embedded.store import SqliteStore
from tests.support.stores import CountingStore

_ALLOWED = 8


def measure(site: Site) -> list[Figure]:
    """The figure."""
    items = site.amount(10_000, 1_000)
    url = site.sandbox("takealot", orders=10, products=items)
    with closing(SqliteStore(site.file())) as store:
        counting = CountingStore(store)
        with closing(Engine(counting)) as engine:
            engine.connect("a", "takealot", url, ["products"])
            engine.connect("b", "takealot", url, ["orders"])
            first = engine.task(engine.run(), "a").streams["products"].written
            if first != items:
                raise RuntimeError(f"{first} items were written at first, not {items}")
            counted, recorded = touched_by(engine, counting, "a")
    value = max(counted.reads + counted.writes, recorded.reads + recorded.writes)
    return [
        Figure(
            name="an unchanged catalogue",
            value=value,
            floor=items,
            unit="documents",
            at_most=_ALLOWED / items,
            note=f"An unchanged catalogue: {counted.reads} reads and {counted.writes} writes",
        )
    ]
