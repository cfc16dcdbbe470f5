"""`python -m tests.system.hostile.syncing FOLDER FRIENDLY HOSTILE`: sync two servers' offers in turn.

Prints JSON: how the second task ended, and the most memory the process had before and after it.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec

from orchestrator.adapters.clock import SystemClock
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.model.run import TaskStatus
from tests.support.linux import peak_bytes
from tests.support.secrets import MemorySecrets
from tests.support.world import World
from tests.system.hostile.serving import MIB


class Outcome(msgspec.Struct):
    """What the second sync came to."""

    status: TaskStatus
    error: str
    written: int
    rejected: int
    before_mib: float
    peak_mib: float


def main(folder: str, *urls: str) -> None:
    """Sync from each server in turn; the friendly one shows what the program itself takes."""
    world, clock = World(Path(folder)), SystemClock()
    secrets = MemorySecrets({"env:KEY": ['{"api_key":"key"}']})
    with ThreadPoolExecutor(4) as executor:
        world.services = replace(
            world.services, clock=clock, connectors=REGISTRY, executor=executor, secrets=secrets
        )
        before, run_id = 0.0, ""
        for number, url in enumerate(urls):
            before = peak_bytes() / MIB
            world.connect(
                "a",
                marketplace="takealot",
                streams=["products"],
                credential="env:KEY",
                settings={"base_url": url},
            )
            run_id = world.tick(at=clock.now() - timedelta(minutes=len(urls) - number)).run_id
            world.drain()
        task = world.task(run_id, "a")
    counts, error = task.streams["products"], task.error
    message = error.message if error else ""
    outcome = Outcome(task.status, message, counts.written, counts.rejected, before, peak_bytes() / MIB)
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
