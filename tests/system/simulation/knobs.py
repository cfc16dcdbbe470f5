"""Bounds of the product that a seed makes small, so that few records and connections reach them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType

from orchestrator.operators import pause
from orchestrator.runs import dispatch, heal, sweeps
from orchestrator.settings import Settings
from orchestrator.sync import changes, pages
from orchestrator.sync import digest as digests
from tests.system.simulation.edges import ENVIRONMENT
from tests.system.simulation.loop import chance

#: Who waits for a page looks at the clock so seldom: a history has many slow pages.
LOOK_S = 2


@dataclass(frozen=True)
class Knobs:
    """What one history is played with."""

    settings: Settings
    #: Whether the queue can hold a message until it is due: the embedded one can, Pub/Sub cannot.
    queue_holds: bool
    values: list[tuple[ModuleType, str, int]] = field(default_factory=list)


def choose(rng: random.Random) -> Knobs:
    """The seed's choice."""
    settings = Settings.from_environment(
        ENVIRONMENT
        | {
            "SLICE_SECONDS": rng.choice(["60", "480", "480"]),
            "RETENTION_DAYS": rng.choice(["2", "2", "30"]),
            "MAX_ATTEMPTS": rng.choice(["2", "5"]),
        }
    )
    values: list[tuple[ModuleType, str, int]] = [
        (pages, "JOINED_RECORDS", rng.choice([1, 1, 5])),
        (pages, "LOOK_S", LOOK_S),
        (pause, "_RECORDS_PAGE", 2),
        (pause, "_DIGESTS_PAGE", 1),
    ]
    if chance(rng, 0.5):
        values += [
            (changes, "PART_DOCUMENTS", rng.randint(1, 4)),
            (changes, "PART_BYTES", rng.choice([200, 500, 3_000_000])),
        ]
    if chance(rng, 0.5):
        values += [
            (digests, "INLINE_ENTRIES", rng.randint(0, 3)),
            (digests, "BUCKET_ENTRIES", rng.randint(2, 5)),
            (digests, "FOLDS_PER_COMMIT", rng.randint(1, 3)),
            (digests, "_MERGE_AT", rng.randint(1, 4)),
        ]
    if chance(rng, 0.5):
        page, shard = rng.choice([(1, 1), (2, 1), (2, 2), (3, 2)])
        values += [
            (dispatch, "PAGE", page),
            (dispatch, "SHARD_SIZE", shard),
            (dispatch, "REPUBLISHED", -(-page // shard)),
        ]
    if chance(rng, 0.5):
        values += [
            (heal, "TASKS", rng.choice([1, 3])),
            (sweeps, "RANGE", rng.choice([1, 2])),
            (heal, "LISTED", listed := rng.choice([1, 2])),
            (sweeps, "LISTED", listed),
        ]
    return Knobs(settings, chance(rng, 0.5), values)


@contextmanager
def turned(knobs: Knobs) -> Iterator[None]:
    """The bounds as they were chosen, until the block ends."""
    before = [(module, name, getattr(module, name)) for module, name, _ in knobs.values]
    for module, name, value in knobs.values:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
