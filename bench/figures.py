"""Figures: their ratio and its bound, their file, and measuring product and floor side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

T = TypeVar("T")

#: Decimals of a ratio in the file and in comparisons.
_DECIMALS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value, its floor, and the bound of their ratio.

    Exactly one of `at_most` and `at_least` is given.
    """

    name: str
    value: float
    floor: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    #: Other observations, for the reader of the table.
    note: str = ""

    @property
    def ratio(self) -> float:
        """Value ÷ floor."""
        return round(self.value / self.floor, _DECIMALS)

    @property
    def reach(self) -> str:
        """The bound of the ratio."""
        return f"<= {self.at_most:g}" if self.at_most is not None else f">= {self.at_least:g}"

    @property
    def met(self) -> bool:
        """Whether the ratio keeps to its bound."""
        if self.at_most is not None:
            return self.ratio <= self.at_most
        return self.at_least is not None and self.ratio >= self.at_least


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A figure in the file of benchmarks."""

    name: str
    value: float
    floor: float
    unit: str
    ratio: float
    reach: str
    met: bool


def keep(path: Path, figures: Iterable[Figure]) -> None:
    """Write the figures into a file; it keeps its figures of other rows."""
    before = msgspec.json.decode(path.read_bytes(), type=list[Kept]) if path.exists() else []
    kept = {each.name: each for each in before}
    for figure in figures:
        kept[figure.name] = Kept(
            name=figure.name,
            value=_rounded(figure.value),
            floor=_rounded(figure.floor),
            unit=figure.unit,
            ratio=figure.ratio,
            reach=figure.reach,
            met=figure.met,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(list(kept.values())), indent=2) + b"\n")


class Measured(NamedTuple):
    """One measure's values, round by round."""

    values: list[float]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)


def in_turn(rounds: int, *measures: Callable[[], float]) -> list[Measured]:
    """The values of each measure over some rounds, measured in turn and in alternating order.

    A temporary slowdown of the machine then affects all measures, and no measure is always first. A round
    before these warms everything up and does not count, unless it is the only one.
    """
    taken: list[list[float]] = [[] for _ in measures]
    for number in range(rounds + 1):
        turns = list(enumerate(measures))
        for index, measure in turns if number % 2 else reversed(turns):
            taken[index].append(measure())
    return [Measured(_warm(values)) for values in taken]


def spread(above: Measured, below: Measured) -> str:
    """The range of the ratio over single rounds; a wide range means that the machine was not quiet."""
    ratios = [one / other for one, other in zip(above.values, below.values, strict=True)]
    return f"{min(ratios):.2f} to {max(ratios):.2f} in single rounds"


class Spent(NamedTuple):
    """The time that a piece of work took."""

    wall_s: float
    #: CPU time of all threads of this process.
    cpu_s: float


class Stopwatch:
    """Measures a piece of work of this process: `with Stopwatch() as watch: ...`, then `watch.spent`."""

    spent: Spent

    def __enter__(self) -> Stopwatch:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.spent = Spent(time.perf_counter() - self._wall, time.process_time() - self._cpu)


class Rounds(NamedTuple):
    """The wall and CPU time of one measure, round by round."""

    wall: Measured
    cpu: Measured


def spent_in_turn(rounds: int, *measures: Callable[[], Spent]) -> list[Rounds]:
    """Like `in_turn`, for wall and CPU time at once."""
    taken: list[list[Spent]] = [[] for _ in measures]

    def measuring(index: int) -> float:
        taken[index].append(measures[index]())
        return 0.0

    in_turn(rounds, *(lambda index=index: measuring(index) for index in range(len(measures))))
    warm = map(_warm, taken)
    return [
        Rounds(Measured([each.wall_s for each in spent]), Measured([each.cpu_s for each in spent]))
        for spent in warm
    ]


def _warm(values: list[T]) -> list[T]:
    """The values of all rounds but the first, which warmed up; its own if there is no other."""
    return values[1:] or values


def cpu_figure(name: str, product: Rounds, floor: Rounds, count: int, *, at_most: float) -> Figure:
    """The CPU time of one of a number of things, in microseconds, of the product and of its floor."""
    return Figure(
        name=name,
        value=1e6 * product.cpu.median / count,
        floor=1e6 * floor.cpu.median / count,
        unit="µs",
        at_most=at_most,
        note=f"{name[0].upper()}{name[1:]}: {spread(product.cpu, floor.cpu)}",
    )


def _rounded(value: float) -> float:
    """A number with four significant digits, and all digits before the point."""
    return float(f"{value:.4g}") if abs(value) < 1000 else round(value)
