"""What the streams of a task work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.marketplaces.spec import AnyConnector, AnySession
from orchestrator.model.connection import Connection
from orchestrator.ports import DocumentStore
from orchestrator.services import Services
from orchestrator.tasks.holder import Holder


@dataclass(slots=True)
class Work:
    """What every stream of a task shares."""

    services: Services
    #: Counts what the task reads and writes.
    store: DocumentStore
    holder: Holder
    connection: Connection
    connector: AnyConnector
    session: AnySession
    run_id: str
    #: Seconds left in this slice; the task stops between pages when there are none.
    time_left: Callable[[], float]
