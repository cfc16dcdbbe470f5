"""Writes the generated parts of the documentation anew: `python -m tests.delivery.docs`."""

from __future__ import annotations

from tests.delivery.docs import benchmarks, calls, connections, limits, readme, records, scaling

if __name__ == "__main__":
    readme.write()
    benchmarks.write()
    connections.write()
    limits.write()
    records.write()
    calls.write()
    scaling.write()
