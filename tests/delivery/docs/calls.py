"""The tables of calls in docs/records.md: measured now, beside the numbers of release 0.1.

`python -m tests.delivery.docs.calls` measures and writes them anew, and `make docs` all generated parts.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from bench.record_probe import Probe, probe
from orchestrator.marketplaces.registry import REGISTRY
from tests.delivery.docs import records
from tests.delivery.docs.markdown import table, with_part
from tests.marketplaces.conformance.market import registered

PAGE = records.PAGE
ORDERS, PRODUCTS = 300, 60
#: HTTP calls of release 0.1, measured by `bench/record_probe.py`: the first sync, an idle tick.
BACKFILL_0_1 = {"amazon": 15, "ebay": 68, "shopify": 50, "takealot": 16, "woocommerce": 55}
IDLE_0_1 = {"amazon": 10, "ebay": 65, "shopify": 5, "takealot": 3, "woocommerce": 7}
#: Requested cost of Shopify's queries in release 0.1, in points.
QUERY_COSTS_0_1 = {
    "rows:orders": 570,
    "parent:order": 551,
    "rows:products": 821,
    "parent:product": 251,
    "rows:locations": 451,
}


@cache
def measured(marketplace: str) -> Probe:
    """The costs of a marketplace's sandbox now; the sandbox and the clock are the same at each run."""
    market = next(each for each in registered() if each.name == marketplace)
    with tempfile.TemporaryDirectory(prefix="calls-") as folder:
        return probe(market, Path(folder, marketplace), orders=ORDERS, products=PRODUCTS)


def parts() -> dict[str, str]:
    """The generated tables by their markers."""
    calls = []
    for name in REGISTRY:
        now = measured(name)
        calls.append(
            [
                name,
                *(str(BACKFILL_0_1.get(name, "-")), str(now.backfill_calls)),
                *(str(IDLE_0_1.get(name, "-")), str(now.idle_calls)),
            ]
        )
    costs = measured("shopify").query_costs
    return {
        "calls": table(
            ["marketplace", "first sync, 0.1", "first sync", "idle tick, 0.1", "idle tick"], calls
        ),
        "query-costs": table(
            ["query", "points, 0.1", "points"],
            [
                [f"`{name}`", str(QUERY_COSTS_0_1.get(name, "-")), str(costs.get(name, "-"))]
                for name in sorted(QUERY_COSTS_0_1.keys() | costs.keys())
            ],
        ),
    }


def with_parts(text: str) -> str:
    """The page with the tables as they should be."""
    for marker, part in parts().items():
        text = with_part(text, marker, part)
    return text


def write() -> None:
    """Measure, and write the tables anew."""
    PAGE.write_text(with_parts(PAGE.read_text()))


if __name__ == "__main__":
    write()
