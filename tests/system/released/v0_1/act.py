"""Release 0.1 in a process of its own: works off its input line by line, with the code of `code.pyz`.

A line is a JSON object with `now` and either `body`, a message, or nothing more, which is a tick. The answer
is a line with the `published` messages, each with the time before which it is not delivered, and the `error`
if there was one. Time stands still within a line, apart from the sleeps.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "code.pyz"))


def module(name: str) -> Any:
    """A module of release 0.1, whose names are not today's."""
    found = importlib.import_module(f"orchestrator.{name}")
    assert str(found.__file__).startswith(str(HERE)), found.__file__
    return found


class Inline(Executor):
    """Runs each call at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run now; the future holds the outcome."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future carries any error to its reader
            future.set_exception(error)
        return future


class Clock:
    """Time that passes in sleeps."""

    def __init__(self) -> None:
        self._now, self._mono = datetime.now(UTC), 0.0

    def set(self, now: datetime) -> None:
        """Begin a line."""
        self._now = now

    def now(self) -> datetime:
        """The time."""
        return self._now

    def monotonic(self) -> float:
        """Seconds slept."""
        return self._mono

    def sleep(self, seconds: float) -> None:
        """Pass at once."""
        self._now += timedelta(seconds=seconds)
        self._mono += seconds


class Queue:
    """Keeps the messages for the answer."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str | None]] = []

    def publish(self, messages: Any, *, not_before: datetime | None = None) -> None:
        """Keep them."""
        held_until = None if not_before is None else not_before.isoformat()
        self.published += [(module("messages").encode(message).decode(), held_until) for message in messages]


def main() -> None:
    """Answer each line."""
    clock, queue = Clock(), Queue()
    wiring = module("wiring")
    wiring.struct_types.prepare()
    services = module("services").Services(
        settings=module("settings").Settings.from_environment(os.environ),
        store=module("adapters.sqlite").SqliteStore(Path(os.environ["STORE"])),
        queue=queue,
        secrets=module("adapters.secrets").Secrets(is_development=True),
        clock=clock,
        connectors=wiring.REGISTRY,
        executor=Inline(),
    )
    for line in sys.stdin:
        given = json.loads(line)
        clock.set(datetime.fromisoformat(given["now"]))
        queue.published, error = [], None
        try:
            if "body" in given:
                module("worker").handle(services, module("messages").decode(given["body"].encode()))
            else:
                module("runs").start_tick(
                    services, job="sync", schedule_time=clock.now(), requested_by="scheduler"
                )
        except module("errors").SyncError as refused:
            error = f"{type(refused).__name__}: {refused}"
        answer = {"published": queue.published, "error": error, "now": clock.now().isoformat()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
