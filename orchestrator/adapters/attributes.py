"""Attributes beside a message's body: enough to follow it in a log, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator import log_context
from orchestrator.model.messages import Message

#: The most bytes of UTF-8 in a value (cloud.google.com/pubsub/quotas).
_VALUE_BYTES = 1024


def attributes(message: Message) -> dict[str, str]:
    """The message's kind and run, and its publisher's trace."""
    found = {
        "kind": message.kind,
        "run_id": message.run_id,
        "traceparent": log_context.current().get("traceparent", ""),
    }
    return {name: _cut(value) for name, value in found.items() if value}


def buried(attributes: Mapping[str, str], reason: str) -> dict[str, str]:
    """A message's own attributes, and why it became a dead letter."""
    kept = {name: value for name, value in attributes.items() if value}
    return kept | {"reason": _cut(reason)}


def _cut(value: str) -> str:
    return value.encode()[:_VALUE_BYTES].decode(errors="ignore")
