"""What travels beside a message's body: enough to follow it in a log, and nothing else."""

from __future__ import annotations

from orchestrator import context
from orchestrator.messages import Message


def attributes(message: Message) -> dict[str, str]:
    """The message's kind and run, and the trace of the work that publishes it."""
    found = {
        "kind": message.kind,
        "run_id": message.run_id,
        "traceparent": context.current().get("traceparent", ""),
    }
    return {name: value for name, value in found.items() if value}
