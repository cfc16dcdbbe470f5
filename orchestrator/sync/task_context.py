"""The values that all streams of a task share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.marketplaces.spec import AnyConnector, AnySession
from orchestrator.model.connection import Connection
from orchestrator.ports import DocumentStore
from orchestrator.services import Services
from orchestrator.tasks.holder import Holder


@dataclass(frozen=True, slots=True)
class TaskContext:
    """One slice of a task, as its streams see it."""

    services: Services
    #: Counts the documents that the task reads and writes.
    store: DocumentStore
    holder: Holder
    connection: Connection
    connector: AnyConnector
    session: AnySession
    run_id: str
    #: Whether this is a first slice beside a lane of continuations: a page may take longer than all of it.
    is_short: bool
    #: Seconds left in this slice; at 0 the task stops between two pages.
    time_left: Callable[[], float]
