"""The floor of the answer to a tick: a function that makes five counts at once, one create and one publish.

Served by functions-framework as `--source`, with the product's own settings, stores and clients. It neither
authenticates its callers nor decides anything.
"""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime

import flask
import functions_framework

from orchestrator import wiring
from orchestrator.model.connection import MARKETPLACES
from orchestrator.model.documents import to_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Dispatch, Run, RunStatus
from orchestrator.ports import Create, Filter
from orchestrator.services import Services
from orchestrator.settings import Settings

_DUE = [(Filter("marketplace", "==", name), Filter("status", "==", "active")) for name in MARKETPLACES]
_NOW = datetime.now(UTC)
#: As large as a run's document.
_DOCUMENT = to_document(
    Run(
        trigger="scheduler",
        requested_by="scheduler",
        schedule_time=_NOW,
        order="order",
        status=RunStatus.DISPATCHING,
        dispatch={"shopify": Dispatch(), "takealot": Dispatch()},
        dispatched_at=_NOW,
        deadline_at=_NOW,
        started_at=_NOW,
        expires_at=_NOW,
    )
)
_made: list[Services] = []


@functions_framework.http
def floor(request: flask.Request) -> flask.Response:  # noqa: ARG001 - every request gets the same answer
    """Count, create, publish."""
    if not _made:  # in the forked worker, where clients may be made
        _made.append(wiring.build(Settings.from_environment(os.environ)))
    services, name = _made[0], uuid.uuid4().hex
    list(services.executor.map(lambda where: services.store.count("connections", where), _DUE))
    services.store.commit([Create(f"runs/{name}", _DOCUMENT)])
    services.queue.publish([Message(kind="heal", run_id=name)])
    return flask.Response(status=202)
