"""An alert's condition as planned, applied to the log's lines: when it holds, and for which series."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.delivery.terraform.log_filters import entry, matches, value_of
from tests.delivery.terraform.plans import Plan
from tests.support.lines import Line

_SILENCE = re.compile(
    r"\(sum\(increase\(logging_googleapis_com:user_(\w+)\{([^}]*)\}\[(\d+)m\]\)\)"
    r" or vector\(0\)\) < 0\.5"
)
#: The series of a condition without labels.
ONE: tuple[str, ...] = ()


def policy(plan: Plan, key: str) -> Mapping[str, Any]:
    """An alert by its key."""
    (found,) = [
        each
        for address, each in plan.of("google_monitoring_alert_policy").items()
        if address.endswith(f'["{key}"]')
    ]
    return found


def _metric(plan: Plan, name: str) -> str:
    metrics = plan.of("google_logging_metric").values()
    found = next(each for each in metrics if each["name"].replace("-", "_") == name.replace("-", "_"))
    return str(found["filter"])


@dataclass
class Condition:
    """When one alert is open, for a given log."""

    #: Times of the lines that count, by series, the oldest first.
    times: dict[tuple[str, ...], list[datetime]] = field(default_factory=dict)
    window: timedelta = timedelta(0)
    #: A series is open with more lines than this in the window; None if it is open with none.
    more_than: float | None = None

    def series_at(self, at: datetime) -> set[tuple[str, ...]]:
        """The series for which it holds at a time, by their labels' values."""
        counts = {
            series: bisect_right(times, at) - bisect_right(times, at - self.window)
            for series, times in self.times.items()
        }
        if self.more_than is None:
            # `or vector(0)`: without a line there is a 0.
            return set() if any(counts.values()) else {ONE}
        # Without data the condition is false.
        return {series for series, count in counts.items() if count > self.more_than}


def condition(plan: Plan, key: str, lines: Sequence[Line]) -> Condition:
    """An alert's condition on the lines of a log."""
    (found,) = policy(plan, key)["conditions"]
    if silences := found["condition_prometheus_query_language"]:
        return _silence(plan, silences[0]["query"], lines)
    threshold = found["condition_threshold"][0]
    assert threshold["evaluation_missing_data"] == "EVALUATION_MISSING_DATA_INACTIVE"
    aggregation = threshold["aggregations"][0]
    (name,) = re.findall(r"user/([\w-]+)", threshold["filter"])
    labels = [each.removeprefix("metric.label.") for each in aggregation["group_by_fields"]]
    made = Condition(
        window=timedelta(seconds=int(aggregation["alignment_period"].removesuffix("s"))),
        more_than=float(threshold["threshold_value"] or 0),
    )
    wanted = _metric(plan, name)
    for at, given, _ in _entries(lines):
        if matches(wanted, given):
            series = tuple(_label(given, label) for label in labels)
            made.times.setdefault(series, []).append(at)
    return made


def _silence(plan: Plan, query: str, lines: Sequence[Line]) -> Condition:
    parsed = _SILENCE.fullmatch(query)
    assert parsed is not None, query
    wanted = _metric(plan, parsed[1])
    selected = re.findall(r'(\w+)=~"([^"]*)"', parsed[2])
    times = [
        at
        for at, given, line in _entries(lines)
        if matches(wanted, given)
        and all(re.fullmatch(pattern, str(line[name])) for name, pattern in selected)
    ]
    return Condition({ONE: times}, timedelta(minutes=int(parsed[3])))


def _entries(lines: Sequence[Line]) -> list[tuple[datetime, dict[str, Any], Line]]:
    """The entries of the lines, each with its time; a line of the platform's own is an entry already."""
    return [
        (
            datetime.fromisoformat(line["time"]),
            line if "resource" in line else entry(line),
            line,
        )
        for line in lines
    ]


def _label(given: Mapping[str, Any], label: str) -> str:
    if label.startswith("resource.label."):
        return str(value_of(given, label.replace("resource.label.", "resource.labels.")))
    return str(value_of(given, f"jsonPayload.{label}"))
