"""`python -m tests.system.hostile.syncing FOLDER TASKS FRIENDLY HOSTILE`: sync two servers' offers in turn.

As many connections as TASKS says sync at once. Prints JSON: how the second run's tasks ended, and the most
memory the process had before and after it.
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
    """What the second sync came to: the counts of all tasks, and the end of the last."""

    status: TaskStatus
    error: str
    written: int
    rejected: int
    before_mib: float
    peak_mib: float


def main(folder: str, tasks: str, *urls: str) -> None:
    """Sync from each server in turn; the friendly one shows what the program itself takes."""
    world, clock = World(Path(folder)), SystemClock()
    secrets = MemorySecrets({"env:KEY": ['{"api_key":"key"}']})
    names = [f"a{number}" for number in range(int(tasks))]
    # A page and a commit of each task have a thread, as in a worker.
    with ThreadPoolExecutor(4 * len(names)) as executor, ThreadPoolExecutor(len(names)) as workers:
        world.services = replace(
            world.services, clock=clock, connectors=REGISTRY, executor=executor, secrets=secrets
        )
        before, run_id = 0.0, ""
        for number, url in enumerate(urls):
            before = peak_bytes() / MIB
            for name in names:
                world.connect(
                    name,
                    marketplace="takealot",
                    streams=["products"],
                    credential="env:KEY",
                    settings={"base_url": url},
                )
            run_id = world.tick(at=clock.now() - timedelta(minutes=len(urls) - number)).run_id
            while waiting := list(world.queue.messages):
                world.queue.messages.clear()
                list(workers.map(world.deliver, waiting))
        ended = [world.task(run_id, name) for name in names]
    error = ended[-1].error
    outcome = Outcome(
        status=ended[-1].status,
        error=error.message if error else "",
        written=sum(task.streams["products"].written for task in ended),
        rejected=sum(task.streams["products"].rejected for task in ended),
        before_mib=before,
        peak_mib=peak_bytes() / MIB,
    )
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
