"""Recording who did what: each action commits its own entry together with its effect."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.model import ids
from orchestrator.model.audit import Action, Actor, AuditEntry
from orchestrator.model.documents import to_document
from orchestrator.ports import Create
from orchestrator.services import Services

#: Longer than the records of runs: questions about who changed a connection come late.
KEPT = timedelta(days=400)


def entry(
    services: Services,
    by: Actor,
    action: Action,
    *,
    connection_id: str | None = None,
    run_id: str | None = None,
    details: str = "",
) -> Create:
    """The write that records an action; it belongs into the commit of the action."""
    now = services.clock.now()
    made = AuditEntry(
        at=now,
        actor=by.name,
        face=by.face,
        action=action,
        connection_id=connection_id,
        run_id=run_id,
        details=details,
        expires_at=now + KEPT,
    )
    return Create(ids.audit_path(ids.ulid(now, services.random)), to_document(made))
