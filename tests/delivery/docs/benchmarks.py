"""The tables and charts in docs/benchmarks.md, made of docs/benchmarks.json.

`python -m tests.delivery.docs.benchmarks` writes it anew, and `make docs` writes all generated parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.figures import Kept
from bench.rows.scale import parts
from local.processes import ROOT
from orchestrator.marketplaces.registry import REGISTRY
from tests.delivery.docs.markdown import table, with_part

PAGE = ROOT / "docs" / "benchmarks.md"
FIGURES = ROOT / "docs" / "benchmarks.json"


def records_table() -> str:
    """One row for each kind of figure and one column a marketplace: release 0.1, today, ratio."""
    cells: dict[str, dict[str, str]] = {}
    for figure in _kept():
        marketplace, _, kind = figure.name.partition(", ")
        if marketplace in REGISTRY:
            values = f"{_number(figure.floor)} → {_number(figure.value)} ({figure.ratio:.2f})"
            missed = "" if figure.met else " missed"
            name = kind if kind == figure.unit else f"{kind}, {figure.unit}"
            cells.setdefault(name, {})[marketplace] = values + missed
    rows = [[kind, *(told.get(name, "") for name in REGISTRY)] for kind, told in cells.items()]
    return table(["a record's cost", *REGISTRY], rows)


def figures_table() -> str:
    """One row for each figure that has a goal, without those of records."""
    rows = [
        [
            figure.name,
            f"{_exactly(figure.value)} {figure.unit}",
            f"{_exactly(figure.floor)} {figure.unit}",
            f"{figure.ratio:g}",
            figure.reach + ("" if figure.met else " (missed)"),
        ]
        for figure in _kept()
        if figure.name.partition(", ")[0] not in REGISTRY and not figure.name.startswith(parts.NAME)
    ]
    return table(["what", "value", "floor", "ratio", "reach"], rows)


def growth_chart() -> str:
    """CPU time of a connection by the number of connections, embedded."""
    found = [each for each in _kept() if each.name.startswith("growth, embedded, ")]
    sizes = [each.name.rsplit(", ", 1)[-1].partition(" to ") for each in found]
    points = [(sizes[0][0], found[0].floor), *((each[2], found[n].value) for n, each in enumerate(sizes))]
    return _chart("CPU of a connection, µs, by the number of connections", points)


def parts_chart() -> str:
    """CPU time of an order by its parts."""
    found = [each for each in _kept() if each.name.startswith(parts.NAME)]
    return _chart(
        "CPU of an order, µs, embedded", [(each.name.split(", ")[-1], each.value) for each in found]
    )


def as_measured(text: str) -> str:
    """The page with its tables and charts as they should be."""
    for name, part in (
        ("figures", figures_table()),
        ("growth", growth_chart()),
        ("parts", parts_chart()),
        ("records", records_table()),
    ):
        text = with_part(text, name, part)
    return text


def write() -> None:
    """Write the table anew."""
    PAGE.write_text(as_measured(PAGE.read_text()))


def _kept() -> list[Kept]:
    return msgspec.json.decode(FIGURES.read_bytes(), type=list[Kept])


def _chart(title: str, points: Sequence[tuple[str, float]]) -> str:
    """A bar chart that GitHub draws."""
    names = ", ".join(f'"{name}"' for name, _ in points)
    values = ", ".join(f"{value:g}" for _, value in points)
    lines = ["xychart-beta", f'    title "{title}"', f"    x-axis [{names}]", f"    bar [{values}]"]
    return "\n".join(["```mermaid", *lines, "```"])


def _exactly(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def _number(value: float) -> str:
    return f"{value:,.0f}"


if __name__ == "__main__":
    write()
