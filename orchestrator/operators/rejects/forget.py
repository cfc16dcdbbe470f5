"""Removing a reject whose record the marketplace no longer lists: no listing would take it away."""

from __future__ import annotations

from orchestrator.errors import NotFound
from orchestrator.model import ids
from orchestrator.model.audit import Action, Actor
from orchestrator.ports import Delete, DocumentStore
from orchestrator.runs.audit import entry
from orchestrator.services import Services


def path_of(store: DocumentStore, connection_id: str, reject_id: str) -> str:
    """The path of a reject that is there.

    Raises:
        NotFound: No such reject.
    """
    known = ids.is_document_id(connection_id) and ids.is_document_id(reject_id)
    path = f"{ids.connection_path(connection_id)}/rejects/{reject_id}" if known else ""
    if not known or store.get(path) is None:
        raise NotFound(
            f"connection {connection_id!r} has no reject {reject_id!r}",
            action="it may be stored or forgotten by now; `marketplace-sync rejects list` names the others",
        )
    return path


def forget_reject(services: Services, connection_id: str, reject_id: str, *, by: Actor) -> None:
    """Remove one reject with its raw record, also of a removed connection; no record is touched.

    If the marketplace lists its record after all, it is rejected again when it changes, or by a full run.

    Raises:
        NotFound: No such reject.
    """
    path = path_of(services.store, connection_id, reject_id)
    asked = entry(services, by, Action.FORGET, connection_id=connection_id, details=f"reject {reject_id}")
    services.store.commit([Delete(path), asked])
