"""The table of records in docs/benchmarks.md, made of docs/benchmarks.json.

`python -m tests.delivery.docs.benchmarks` writes it anew, and `make docs` writes all generated parts.
"""

from __future__ import annotations

import msgspec

from bench.figures import Kept
from local.processes import ROOT
from orchestrator.marketplaces.registry import REGISTRY
from tests.delivery.docs.markdown import table, with_part

PAGE = ROOT / "docs" / "benchmarks.md"
FIGURES = ROOT / "docs" / "benchmarks.json"


def records_table() -> str:
    """One row for each kind of figure and one column a marketplace: release 0.1, today, ratio."""
    cells: dict[str, dict[str, str]] = {}
    for figure in msgspec.json.decode(FIGURES.read_bytes(), type=list[Kept]):
        marketplace, _, kind = figure.name.partition(", ")
        if marketplace in REGISTRY:
            values = f"{_number(figure.floor)} → {_number(figure.value)} ({figure.ratio:.2f})"
            missed = "" if figure.met else " missed"
            name = kind if kind == figure.unit else f"{kind}, {figure.unit}"
            cells.setdefault(name, {})[marketplace] = values + missed
    rows = [[kind, *(told.get(name, "") for name in REGISTRY)] for kind, told in cells.items()]
    return table(["a record's cost", *REGISTRY], rows)


def with_records(text: str) -> str:
    """The page with the table as it should be."""
    return with_part(text, "records", records_table())


def write() -> None:
    """Write the table anew."""
    PAGE.write_text(with_records(PAGE.read_text()))


def _number(value: float) -> str:
    return f"{value:,.0f}"


if __name__ == "__main__":
    write()
