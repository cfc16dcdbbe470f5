"""The cost of a marketplace's records: calls, CPU time, documents and bytes, as JSON.

`python bench/record_probe.py --orders N --products N MARKETPLACE...` measures the project in whose root it
runs, also an earlier release: it uses only names that release 0.1 has. The real engine syncs the sandbox
on virtual time into a store in a file. Calls and bytes are the same at each run.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from local.sandbox.http import Reply, Request
from orchestrator.model.run import TaskStatus
from orchestrator.sync.normalizer import Normalizer
from tests.marketplaces.conformance.case import MarketWorld, every
from tests.marketplaces.conformance.market import Market, Sandbox, registered, running

STREAMS = ("orders", "products", "inventory")
#: Numbers of lines of the orders, and of variants of the products, whose documents are weighed.
LINES, VARIANTS = (2, 10), 3
#: Methods that make documents out of raw rows; a release need not have each.
_NORMALIZING = ("changes", "completed")
#: The first field of a GraphQL query beside the shop's currency, with its alias, and the kind of its nodes.
_QUERY = re.compile(r"\{\s*(?:shop\{currencyCode\}\s*)?((?:\w+:)?\w+)(?:\(ids:\$ids\)\{\.\.\.on (\w+))?")
_MOST_RUNS = 50


class Probe(msgspec.Struct, kw_only=True):
    """One marketplace's costs."""

    #: HTTP calls of the first sync, and of a tick that finds nothing new.
    backfill_calls: int
    idle_calls: int
    #: CPU time of the normalizer an order: raw row, record, hash, document; microseconds.
    order_us: float
    #: Documents of each stream.
    documents: dict[str, int]
    #: Mean size of the documents of a kind, as Firestore counts; a kind without documents is absent.
    sizes: dict[str, int]
    #: The highest requested cost of each GraphQL query.
    query_costs: dict[str, int]


def probe(market: Market, folder: Path, *, orders: int, products: int) -> Probe:
    """Sync a sandbox's account whole, and then once more.

    Raises:
        RuntimeError: A sync failed or found something new, so its calls mean nothing.
    """
    folder.mkdir()
    world = MarketWorld(folder)
    costs: dict[str, int] = {}
    with running(market, world.clock, orders=orders, products=products) as served:
        _note_costs(served, costs)
        world.join(market, served.url)
        with _timed() as spent:
            _sync(world, market, is_idle=False)
        backfill = _calls(served)
        _sync(world, market, is_idle=True)
        idle = _calls(served) - backfill
    stored = {stream: _documents(world, market, stream) for stream in STREAMS}
    return Probe(
        backfill_calls=backfill,
        idle_calls=idle,
        order_us=spent.get("orders", 0.0) * 1e6 / max(1, len(stored["orders"])),
        documents={stream: len(found) for stream, found in stored.items()},
        sizes=_sizes(stored),
        query_costs=costs,
    )


def _sync(world: MarketWorld, market: Market, *, is_idle: bool) -> None:
    """Ticks until all is read; exactly one if it is idle."""
    for _ in range(1 if is_idle else _MOST_RUNS):
        run_id, _ = world.next_run()
        task = world.task(run_id, market.name)
        if task.status is not TaskStatus.SUCCEEDED or any(each.rejected for each in task.streams.values()):
            raise RuntimeError(f"{market.name}: the task did not succeed: {task}")
        if is_idle and any(each.written or each.deleted for each in task.streams.values()):
            raise RuntimeError(f"{market.name}: the task was to find nothing new: {task.streams}")
        if not task.incomplete:
            return
    raise RuntimeError(f"{market.name}: the sync does not come to its end")


def _calls(served: Sandbox) -> int:
    return sum(served.statuses.values())


def _note_costs(served: Sandbox, costs: dict[str, int]) -> None:
    """Keep the highest requested cost of each GraphQL query that the sandbox answers."""
    answer = served.app.answer

    def noting(request: Request) -> Reply:
        reply = answer(request)
        if request.path.endswith("/graphql.json"):
            query = msgspec.json.decode(request.body)["query"]
            cost = msgspec.json.decode(reply.body).get("extensions", {}).get("cost", {})
            found = _QUERY.search(query)
            name = " of ".join(filter(None, found.groups())) if found else query
            costs[name] = max(costs.get(name, 0), cost.get("requestedQueryCost", 0))
        return reply

    served.app.answer = noting  # type: ignore[method-assign] # the sandbox's own counts do not tell costs


@contextmanager
def _timed() -> Iterator[Mapping[str, float]]:
    """CPU seconds of this thread inside the normalizers, by stream, without the garbage collector."""
    spent: dict[str, float] = {}

    def timing(method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(normalizer: Normalizer, *args: Any) -> Any:
            stream = normalizer.collection.rpartition("/")[2]
            gc.disable()
            started = time.thread_time()
            try:
                return method(normalizer, *args)
            finally:
                spent[stream] = spent.get(stream, 0.0) + time.thread_time() - started
                gc.enable()

        return timed

    with ExitStack() as stack:
        for name in _NORMALIZING:
            if name in vars(Normalizer):
                stack.enter_context(patch.object(Normalizer, name, timing(vars(Normalizer)[name])))
        yield spent


def _documents(world: MarketWorld, market: Market, stream: str) -> list[tuple[str, Mapping[str, Any]]]:
    collection = f"connections/{market.name}/{stream}"
    return [(f"{collection}/{each.id}", each.data) for each in every(world.store, collection)]


def _sizes(stored: Mapping[str, list[tuple[str, Mapping[str, Any]]]]) -> dict[str, int]:
    size = _document_bytes()
    kinds = {
        f"an order of {count} lines": [each for each in stored["orders"] if len(each[1]["lines"]) == count]
        for count in LINES
    }
    variants = [(each, len(each[1]["variants"])) for each in stored["products"]]
    # Of marketplaces whose products are single offers, all products are weighed.
    most = min(VARIANTS, max((count for _, count in variants), default=0))
    kinds[f"a product of {most} variant{'s' if most != 1 else ''}"] = [
        each for each, count in variants if count == most
    ]
    kinds["a stock level"] = stored["inventory"]
    return {
        name: round(sum(size(path, data) for path, data in found) / len(found))
        for name, found in kinds.items()
        if found
    }


def _document_bytes() -> Callable[[str, Mapping[str, Any]], int]:
    """The count of Firestore's bytes, from its place today or in release 0.1."""
    for name in ("orchestrator.model.documents", "orchestrator.adapters.limits"):
        try:
            found: Callable[[str, Mapping[str, Any]], int] = importlib.import_module(name).document_bytes
        except (ImportError, AttributeError):
            continue
        return found
    raise RuntimeError("this release cannot count a document's bytes")


def probed(orders: int, products: int, marketplaces: list[str] | None = None) -> dict[str, Probe]:
    """Measure marketplaces, by default all."""
    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        return {
            market.name: probe(market, Path(folder, market.name), orders=orders, products=products)
            for market in registered()
            if not marketplaces or market.name in marketplaces
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--products", type=int, default=60)
    parser.add_argument("marketplaces", nargs="*")
    options = parser.parse_args()
    found = probed(options.orders, options.products, options.marketplaces)
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")


if __name__ == "__main__":
    main()
