"""The trace of a request or event.

Sources: https://www.w3.org/TR/trace-context/ (`traceparent`) and
https://cloud.google.com/trace/docs/trace-context (`X-Cloud-Trace-Context`).
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_CLOUD_TRACE = re.compile(r"(?!0{32})([0-9a-f]{32})(?:/(\d{1,20}))?(?:;o=\d)?", re.IGNORECASE)
#: Message attributes and headers that carry a `traceparent`; Pub/Sub's client prefixes its own.
_NAMES = ("traceparent", "googclient_traceparent")


class Fields(Protocol):
    """Headers, attributes: values that are looked up by name."""

    def get(self, name: str, default: str, /) -> str:
        """The value of that name, or the default."""


class Trace(NamedTuple):
    """Ids as lower-case hexadecimal digits: 32 of a trace, 16 of a span; None if unknown."""

    trace: str | None
    span: str | None

    def fields(self) -> dict[str, str | None]:
        """Fields for the log context: both ids, and the `traceparent` of published messages."""
        whole = f"00-{self.trace}-{self.span}-01" if self.trace and self.span else None
        return {"trace": self.trace, "span": self.span, "traceparent": whole}


def from_fields(fields: Fields) -> Trace:
    """Read the trace from headers or message attributes; malformed ones count as absent."""
    for name in _NAMES:
        match = _TRACEPARENT.fullmatch(fields.get(name, ""))
        if match:
            return Trace(match[1], match[2])
    match = _CLOUD_TRACE.fullmatch(fields.get("X-Cloud-Trace-Context", ""))
    if match is None:
        return Trace(None, None)
    span = int(match[2] or 0)
    return Trace(match[1].lower(), f"{span:016x}" if 0 < span < 2**64 else None)
