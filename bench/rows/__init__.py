"""The rows of the table, one module each; `measure` takes the site and gives the row's figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.figures import Figure
from bench.rows import (
    answer,
    embedded,
    fairness,
    firestore,
    idle,
    memory,
    peer,
    records,
    screen,
    startup,
    tasks,
    unchanged,
)
from bench.rows.scale import dispatch, first, growth, large, parts
from bench.site import Site

#: In order of measurement.
ROWS: Mapping[str, Callable[[Site], Sequence[Figure]]] = {
    "answer": answer.measure,
    "start-up": startup.measure,
    "embedded": embedded.measure,
    "firestore": firestore.measure,
    "peer": peer.measure,
    "dispatch": dispatch.measure,
    "growth": growth.measure,
    "first-order": first.measure,
    "large": large.measure,
    "parts": parts.measure,
    "idle": idle.measure,
    "unchanged": unchanged.measure,
    "memory": memory.measure,
    "screen": screen.measure,
    "fairness": fairness.measure,
    "tasks": tasks.measure,
    "records": records.measure,
}
