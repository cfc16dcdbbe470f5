"""The worker function in a process that delivers none of the embedded queue's messages itself.

Run by functions-framework as `--source`: a test that sets the pace of deliveries delivers alone.
"""

from __future__ import annotations

from functools import partial

from main import sync_worker
from orchestrator import wiring

__all__ = ["sync_worker"]

wiring.build = partial(wiring.build, delivers=False)
