"""The worker function in a process that delivers none of the embedded queue's messages itself.

Run by functions-framework as `--source`: a test that sets the pace of deliveries delivers alone. As long as
the file that `DEFECT` names is there, every task's message meets a defect.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from unittest import mock

from main import sync_worker
from orchestrator import wiring
from orchestrator.model.messages import Message
from orchestrator.services import Services
from orchestrator.sync.slice import run_task

__all__ = ["sync_worker"]

wiring.build = partial(wiring.build, delivers=False)


def _run_task(services: Services, message: Message) -> None:
    if Path(os.environ.get("DEFECT", "no such file")).exists():
        raise ZeroDivisionError("a defect that a test has put here")
    run_task(services, message)


mock.patch("orchestrator.handle.run_task", _run_task).start()
