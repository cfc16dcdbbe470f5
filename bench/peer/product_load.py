"""The product's sync beside the peer's, in its own process: `python -m bench.peer.product_load URL STORE`.

One connection's first sync of a WooCommerce site's orders into a new embedded store, with all of a worker's
imports. Prints what `bench/peer/dlt_load.py` prints.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import msgspec

import main as functions
from bench.engine import Engine
from bench.figures import Stopwatch
from bench.peak import peak_kib
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.marketplaces import transport

__all__ = ["functions", "transport"]


def main() -> None:
    """Sync all orders and measure."""
    url, path = sys.argv[1], Path(sys.argv[2])
    with closing(SqliteStore(path)) as store, closing(Engine(store)) as engine:
        engine.connect("c", "woocommerce", url, ["orders"])
        with Stopwatch() as watch:
            run_id = engine.run()
        orders = engine.task(run_id, "c").streams["orders"].written
    told = {"orders": orders, "peak_kib": peak_kib(), **watch.spent._asdict()}
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")


if __name__ == "__main__":
    main()
