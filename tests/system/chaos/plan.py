"""What happens when: the whole schedule of a chaos, chosen by its seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.samples import MARKETPLACES
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import Listing
from tests.system.chaos.fleet import APIS, POOLS
from tests.system.chaos.sellers import SELLERS
from tests.system.chaos.site import LEASE_S

#: Seconds between two of a kind: least and most.
_TICK_S = (20.0, 30.0)
_HARM_S = (0.8, 2.8)
_FAULT_S = (1.5, 4.0)
_CHANGE_S = (2.0, 5.0)
_PERSON_S = (1.5, 4.0)
#: A change is listed as so old: older than any stream's age, so that the next window shows it, and
#: younger than the look-back, which has to find what was listed behind a cursor.
LATE_S = 240.0
#: How long the longest wait is that a marketplace asks for.
_LONG_WAIT_S = 75
#: A topic's name means that worker of its lane that has the most deliveries under way when it happens.
BUSIEST = {lane.topic: pool for lane, pool in POOLS.items()}
#: Each lane's workers suffer half of the harm, and the busiest one of them half of that.
_VICTIMS = tuple((*pool, *[topic] * len(pool)) for topic, pool in BUSIEST.items())
#: What goes wrong at a marketplace; each lets the right answer through sooner or later, and word for word.
_FAULTS: tuple[Mapping[str, Any], ...] = (
    {"status": 429, "retry_after": "2", "percent": 25},
    {"status": 429, "retry_after": "12", "percent": 8},
    {"status": 500, "percent": 30},
    {"status": 503, "percent": 60},
    {"kind": "slow", "seconds": 0.4},
    {"kind": "slow", "seconds": 3.0, "percent": 20},
    {"kind": "hang", "every": 3, "times": 3},
    {"kind": "reset", "percent": 30},
    {"kind": "truncated", "percent": 30},
    {"kind": "invalid_json", "percent": 30},
    {"kind": "expired_access", "percent": 15},
    {"kind": "expired_token", "percent": 25},
    {"kind": "malformed", "percent": 30},
    {"kind": "unordered", "percent": 50},
    {"kind": "duplicate", "percent": 50},
)
#: Connections that nobody has read again from the beginning: what is lost there stays lost.
NEVER_FULL = tuple(sample.id for sample in SELLERS[::2])
_READ_AGAIN = tuple(sample.id for sample in SELLERS[1::2])


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens; `what` names a method of `tests.system.chaos.storm.Storm`."""

    at_s: float
    what: str
    arguments: tuple[Any, ...] = ()


def plan(seed: int, seconds: float) -> list[Event]:
    """All events of a chaos that lasts so long, in order."""
    events: list[Event] = []
    for name, every, choose in (
        ("tick", _TICK_S, _tick),
        ("harm", _HARM_S, _harm),
        ("fault", _FAULT_S, _fault),
        ("change", _CHANGE_S, _change),
        ("person", _PERSON_S, _person),
    ):
        rng = random.Random(f"{name} {seed}")
        at_s = 0.0 if name == "tick" else rng.uniform(*every)
        while at_s < seconds:
            events += choose(rng, at_s, seconds - at_s)
            at_s += rng.uniform(*every)
    return sorted(events, key=lambda event: event.at_s)


def _tick(rng: random.Random, at_s: float, left_s: float) -> Iterator[Event]:
    """One to four deliveries at once, and perhaps one more of the same tick some time later."""
    deliveries = [(0.0, rng.randrange(len(APIS))) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.4:
        deliveries.append((rng.uniform(2.0, 30.0), rng.randrange(len(APIS))))
    yield Event(at_s, "tick", (tuple(deliveries),))


def _harm(rng: random.Random, at_s: float, left_s: float) -> Iterator[Event]:
    name = rng.choice(APIS if rng.random() < 0.12 else rng.choice(_VICTIMS))
    kind = rng.random()
    if kind < 0.78:
        yield Event(at_s, "kill", (name,))
    elif kind < 0.88:
        yield Event(at_s, "end_one", (name,))
    else:
        outlives_lease = rng.random() < 0.3 and left_s > LEASE_S + 10
        seconds = rng.uniform(LEASE_S + 2, LEASE_S + 10) if outlives_lease else rng.uniform(1.0, 10.0)
        yield Event(at_s, "stop", (name, seconds))


def _fault(rng: random.Random, at_s: float, left_s: float) -> Iterator[Event]:
    marketplace = rng.choice(MARKETPLACES)
    fault = {**rng.choice(_FAULTS), "seed": rng.randrange(1000)}
    if rng.random() < 0.1 and left_s > _LONG_WAIT_S:
        fault = {"status": 429, "retry_after": str(_LONG_WAIT_S), "times": 2}
    yield Event(at_s, "fault", (marketplace, fault))
    yield Event(at_s + rng.uniform(2.0, 8.0), "mend", (marketplace,))


def _change(rng: random.Random, at_s: float, left_s: float) -> Iterator[Event]:
    sample = rng.choice(SELLERS)
    change = {
        "new_orders": rng.randint(0, 20),
        "orders": rng.randint(0, 10),
        "prices": rng.randint(0, 5),
        "stock": rng.randint(0, 10),
        "vanish": int(rng.random() < 0.3),
    }
    if REGISTRY[sample.marketplace].streams["orders"].listing is Listing.ROLLING:
        change["orders"] = 0  # a change of an old order is seen there once a day
    yield Event(at_s, "change", (sample.id, change))


def _person(rng: random.Random, at_s: float, left_s: float) -> Iterator[Event]:
    kind = rng.random()
    if kind < 0.08:
        yield Event(at_s, "cancel")
    elif kind < 0.25:
        yield Event(at_s, "retry")
    elif kind < 0.8:
        full = rng.random() < 0.6
        names = rng.sample(_READ_AGAIN if full else [sample.id for sample in SELLERS], 2)
        yield Event(at_s, "trigger", (tuple(names), full))
    else:
        name = rng.choice(SELLERS).id
        yield Event(at_s, "pause", (name,))
        yield Event(at_s + rng.uniform(3.0, 12.0), "resume", (name,))
