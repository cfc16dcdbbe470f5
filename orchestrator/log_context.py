"""The run, connection, stream and trace that the current work belongs to, for every log line it writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_EMPTY: Mapping[str, str] = MappingProxyType({})
_fields: ContextVar[Mapping[str, str]] = ContextVar("fields", default=_EMPTY)


@contextmanager
def bind(**fields: str | None) -> Iterator[None]:
    """Add fields (`run_id`, `connection_id`, …) until the block ends; None leaves a field as it is.

    `trace`, `span` and `traceparent` become the log's own fields and travel with messages.

    Threads started inside see the fields only if they run in a copy of this context.
    """
    known = {name: value for name, value in fields.items() if value is not None}
    token = _fields.set({**_fields.get(), **known})
    try:
        yield
    finally:
        _fields.reset(token)


@contextmanager
def apart(*names: str) -> Iterator[None]:
    """Leave fields out until the block ends: its lines are about something else than the current work."""
    token = _fields.set({name: value for name, value in _fields.get().items() if name not in names})
    try:
        yield
    finally:
        _fields.reset(token)


def current() -> Mapping[str, str]:
    """The fields of the current context."""
    return _fields.get()
