"""The peer's sync, in its own environment: `python -P bench/peer/dlt_load.py URL FOLDER`.

dlt loads a WooCommerce site's orders with its REST source into DuckDB, with its defaults. Prints as JSON the
number of orders, the run's wall and CPU seconds after all imports, and the peak resident memory in KiB.
Nothing of the project is imported, since this environment has none of it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from pathlib import Path

import dlt  # type: ignore[import-not-found] # installed by the benchmark, in the peer's own environment
import duckdb  # type: ignore[import-not-found] # the same
from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found] # the same

_PARAMS = {"per_page": 100, "orderby": "modified", "order": "asc", "dp": 6}


def main() -> None:
    """Load all orders and measure."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{url}/wp-json/wc/v3/",
                "auth": {"type": "http_basic", "username": "ck_sandbox_0", "password": "cs_sandbox_0"},
                "paginator": {"type": "page_number", "base_page": 1, "total_path": None},
            },
            "resources": [{"name": "orders", "primary_key": "id", "endpoint": {"params": _PARAMS}}],
        }
    )
    database = folder / "orders.duckdb"
    pipeline = dlt.pipeline(
        pipeline_name="peer",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="shop",
    )
    wall, cpu = time.perf_counter(), _cpu_s()
    pipeline.run(source)
    spent = {"wall_s": time.perf_counter() - wall, "cpu_s": _cpu_s() - cpu}
    with duckdb.connect(str(database)) as loaded:
        (orders,) = loaded.execute("SELECT count(*) FROM shop.orders").fetchone()
    sys.stdout.write(json.dumps({"orders": orders, "peak_kib": _peak_kib(), **spent}) + "\n")


def _cpu_s() -> float:
    """The CPU time of this process and of its ended children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak_kib() -> int:
    """As `bench.peak` reads it."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), flags=re.MULTILINE)
        if found is not None:
            return int(found[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


if __name__ == "__main__":
    main()
