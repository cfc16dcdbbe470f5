"""The worker that the queues under contract deliver to, under functions-framework in its own process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.processes import Processes, free_ports

TOPIC_PATH = "projects/test-project/topics/work"


@dataclass(frozen=True, slots=True)
class Worker:
    """The worker's URL, and the messages it received."""

    url: str
    receipts: Path

    def received(self, run_id: str) -> list[dict[str, Any]]:
        """All deliveries of messages of one run, in order."""
        if not self.receipts.exists():
            return []
        # The worker may be in the middle of a line: only whole ones are read.
        whole, _, _ = self.receipts.read_text().rpartition("\n")
        notes = (json.loads(line) for line in whole.splitlines())
        return [note for note in notes if json.loads(note["body"]).get("run_id") == run_id]


@contextmanager
def running_worker(folder: Path) -> Iterator[Worker]:
    """The worker until the block ends."""
    (port,) = free_ports(1)
    worker = Worker(f"http://127.0.0.1:{port}/{TOPIC_PATH}", folder / "receipts.jsonl")
    command = [sys.executable, "-m", "functions_framework", "--target=receive", "--signature-type=cloudevent"]
    command += [f"--source={Path(__file__).with_name('worker_app.py')}", "--host=127.0.0.1", f"--port={port}"]
    with Processes(folder) as processes:
        processes.start("worker", command, {**os.environ, "RECEIPTS": str(worker.receipts)})
        processes.wait_ready("worker", f"http://127.0.0.1:{port}/")
        yield worker
