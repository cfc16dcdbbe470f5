"""Growth: CPU time of one connection among many ÷ of one among a tenth as many.

A connection's share of a whole run counts: tick, dispatch, its task and the close. The marketplace is
simulated in this process and has no orders, so that all the time is the product's. Embedded: 100,000
connections against 10,000, and these against 1,000. On the emulators: 1,000 against 100.
"""

from __future__ import annotations

from contextlib import closing

from bench.engine import Engine
from bench.figures import Figure, Spent, Stopwatch
from bench.peak import peak_kib
from bench.rows.scale import fleet
from bench.site import Site, fresh_project
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.ports import DocumentStore

_STEP = 10


def measure(site: Site) -> list[Figure]:
    """One figure for each step of the embedded store, and one for the emulators."""
    first = site.amount(1_000, 20)
    steps = [first, first * _STEP, first * _STEP * site.amount(_STEP, 1)]
    sizes = list(dict.fromkeys(steps))
    embedded = {}
    for size in sizes:
        with closing(SqliteStore(site.file())) as store:
            embedded[size] = _cpu_us(store, size)
    few, many = site.amount(100, 5), site.amount(1_000, 20)
    host = site.emulators.firestore_host
    cloud = {}
    for size in (few, many):
        with closing(
            FirestoreStore(project=fresh_project(), database="(default)", emulator_host=host)
        ) as remote:
            cloud[size] = _cpu_us(remote, size)
    figures = [_figure("embedded", embedded, size) for size in sizes[1:]]
    return [*figures, _figure("emulators", cloud, many)]


def _figure(where: str, taken: dict[int, float], size: int) -> Figure:
    before = max(each for each in taken if each < size)
    return Figure(
        name=f"growth, {where}, {before:,} to {size:,}",
        value=taken[size],
        floor=taken[before],
        unit="µs",
        at_most=1.2,
        note=f"Growth: at the end this process's peak of memory was {peak_kib() / 1024:.0f} MiB",
    )


def _cpu_us(store: DocumentStore, connections: int) -> float:
    """CPU time of one connection in a run over all."""
    fleet.fill(store, connections)
    with fleet.engine(store) as engine:
        engine.run()  # the first sync of each, which is no idle one
        spent = _run(engine)
    return 1e6 * spent.cpu_s / connections


def _run(engine: Engine) -> Spent:
    with Stopwatch() as watch:
        engine.run()
    return watch.spent
