"""One backfill in its own process, to measure its memory: `python -m bench.backfill ORDERS STORE`.

Imports the same modules as a worker at its first marketplace call: `main` with its server, and the transport.
Prints the process's peak resident memory in KiB and the run's seconds.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

import main as functions
from bench.engine import Engine
from bench.peak import peak_kib
from bench.simulated import connector
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.marketplaces import transport

__all__ = ["functions", "transport"]


def main() -> None:
    """Sync a number of simulated orders into a new embedded store."""
    orders, path = int(sys.argv[1]), Path(sys.argv[2])
    with (
        closing(SqliteStore(path)) as store,
        closing(Engine(store, {"shopify": connector(orders)})) as engine,
    ):
        engine.connect("c", "shopify", streams=["orders"])
        started = time.perf_counter()
        run_id = engine.run()
        taken = time.perf_counter() - started
        written = engine.task(run_id, "c").streams["orders"].written
    if written != orders:
        raise SystemExit(f"{written} orders were written, not {orders}")
    sys.stdout.write(f"{peak_kib()} {taken}\n")


if __name__ == "__main__":
    main()
