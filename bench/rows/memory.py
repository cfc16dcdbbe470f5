"""Memory: peak resident memory of a 1,000,000-order backfill ÷ of a 10,000-order one.

Each is its own process with all of a worker's imports. It syncs one connection into a new embedded store,
from tick to closed run. The marketplace is simulated in that process: orders spread over two years,
each made when its page is fetched, so that it needs no memory. Everything counts: interpreter, libraries,
SQLite's cache, the digest of the records that the reconcile reads again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

from bench.figures import Figure
from bench.site import Site
from local.processes import ROOT

_TIMEOUT_S = 1800.0
_MIB = 1024


class _Backfill(NamedTuple):
    peak_kib: int
    seconds: float


def measure(site: Site) -> list[Figure]:
    """The figure."""
    few, many = site.amount(10_000, 500), site.amount(1_000_000, 4_000)
    floor, value = _backfill(site, few), _backfill(site, many)
    return [
        Figure(
            name="memory",
            value=value.peak_kib / _MIB,
            floor=floor.peak_kib / _MIB,
            unit="MiB",
            at_most=1.1,
            note=f"Memory: {many:,} orders in {value.seconds:.0f} s, {few:,} in {floor.seconds:.1f} s",
        )
    ]


def _backfill(site: Site, orders: int) -> _Backfill:
    path = site.file()
    ran = subprocess.run(
        [sys.executable, "-m", "bench.backfill", str(orders), str(path)],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    path.unlink()
    peak, seconds = ran.stdout.split()
    return _Backfill(int(peak), float(seconds))
