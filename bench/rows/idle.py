"""An idle connection: documents touched by a task that finds nothing new, without the run's own close.

A connection to each sandbox syncs orders, products and stock, and is then synced again with nothing new:
on Shopify, the look-back reads some changes a second time; on Takealot, the short span and all offers are
read a second time. Reads and writes are counted twice, at the store's port and by the product itself;
the larger number and the worse marketplace are reported, against the allowed number.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec
import urllib3

from bench.engine import Engine
from bench.figures import Figure
from bench.site import Site
from bench.touches import Touched, touched_by
from orchestrator.adapters.embedded.store import SqliteStore
from tests.support.stores import CountingStore

#: Connection, state and the vault's credential are read; state and shard are written.
_ALLOWED = {"reads": 3, "writes": 2}
#: Changed shortly before the first sync, so that the look-back of the second sync reads them again.
_CHANGES = {"orders": 5, "prices": 5, "stock": 5}


def measure(site: Site) -> list[Figure]:
    """One figure for reads and one for writes."""
    touched = {name: _touched(site, name) for name in ("shopify", "takealot")}
    note = ", ".join(
        f"{each.reads} reads and {each.writes} writes on {name}" for name, each in touched.items()
    )
    figures = {
        "reads": max(each.reads for each in touched.values()),
        "writes": max(each.writes for each in touched.values()),
    }
    return [
        Figure(
            name=f"an idle connection, {name}",
            value=value,
            floor=_ALLOWED[name],
            unit=name,
            at_most=1,
            note=f"An idle connection: {note}",
        )
        for name, value in figures.items()
    ]


def _touched(site: Site, marketplace: str) -> Touched:
    url = site.sandbox(marketplace, orders=site.amount(500, 50), products=site.amount(200, 20))
    _change(url)
    with closing(SqliteStore(site.file())) as store:
        counting = CountingStore(store)
        with closing(Engine(counting)) as engine:
            engine.connect("a", marketplace, url)
            engine.connect("b", marketplace, url)
            engine.run()
            counted, recorded = touched_by(engine, counting, "a")
    return Touched(max(counted.reads, recorded.reads), max(counted.writes, recorded.writes))


def _change(url: str) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    body = msgspec.json.encode({**_CHANGES, "at": at})
    answer = urllib3.request("POST", f"{url}/_sandbox/change", body=body, timeout=10.0)
    if answer.status != 200:
        raise RuntimeError(f"the sandbox refuses to change: {answer.data[:200]!r}")
