"""What the benchmarks say follows from what they measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bench.figures import Figure, Measured, in_turn, keep, spread

FIGURE = Figure(name="answer", value=3.0, floor=2.0, unit="ms", at_most=1.5)


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (FIGURE, True),
        (replace(FIGURE, value=3.001), False),
        (replace(FIGURE, at_most=None, at_least=1.5), True),
        (replace(FIGURE, at_most=None, at_least=1.5, value=2.999), False),
    ],
)
def test_a_reach_is_met_up_to_its_own_number(figure: Figure, met: bool) -> None:
    """At most and at least both include the number itself, and nothing beyond it."""
    assert figure.met is met


def test_kept_figures_replace_those_of_the_same_row_alone(tmp_path: Path) -> None:
    """Measuring some rows leaves the others in the file as they were."""
    path = tmp_path / "docs" / "benchmarks.json"
    keep(path, [FIGURE, replace(FIGURE, name="other", at_most=None, at_least=2.0)])
    keep(path, [replace(FIGURE, value=1234.5678)])

    assert msgspec.json.decode(path.read_bytes()) == [
        {
            "name": "answer",
            "value": 1235.0,
            "floor": 2.0,
            "unit": "ms",
            "ratio": 617.2839,
            "reach": "<= 1.5",
            "met": False,
        },
        {
            "name": "other",
            "value": 3.0,
            "floor": 2.0,
            "unit": "ms",
            "ratio": 1.5,
            "reach": ">= 2",
            "met": False,
        },
    ]


def test_measures_take_turns_in_alternating_order() -> None:
    """Neither always goes first, the round that warms up does not count, and the median is taken."""
    order: list[str] = []
    times = {"a": iter([100.0, 1.0, 9.0, 2.0]), "b": iter([100.0, 5.0, 4.0, 30.0])}

    def measure(name: str) -> float:
        order.append(name)
        return next(times[name])

    a, b = in_turn(3, lambda: measure("a"), lambda: measure("b"))

    assert (a.values, b.values) == ([1.0, 9.0, 2.0], [5.0, 4.0, 30.0])
    assert (a.median, b.median) == (2.0, 5.0)
    assert "".join(order) == "baabbaab"


def test_a_round_that_warms_up_counts_if_it_is_the_only_one() -> None:
    """The short mode measures each row once."""
    a, b = in_turn(0, lambda: 1.0, lambda: 5.0)

    assert (a.values, b.values) == ([1.0], [5.0])


def test_the_spread_is_that_of_the_rounds_own_ratios() -> None:
    """A round is compared with itself, so that a slow minute counts on both sides."""
    assert spread(Measured([2.0, 30.0]), Measured([1.0, 10.0])) == "2.00 to 3.00 in single rounds"
