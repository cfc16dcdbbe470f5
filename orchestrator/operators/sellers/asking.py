"""Asking the worker for a check: a document with the question, a message, and the wait for the answer."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from orchestrator.errors import QueueUnavailable, StoreError
from orchestrator.model import ids
from orchestrator.model.audit import Actor
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.messages import Message
from orchestrator.model.vault import CheckRequest
from orchestrator.ports import Create, Delete
from orchestrator.services import Services
from orchestrator.vault.trial import ASKED, error_of

_POLL_S = 0.5
#: The store deletes a question that nobody has read the answer of.
_KEPT = timedelta(days=1)


def ask_worker(services: Services, connection_id: str, *, by: Actor) -> str:
    """Have the worker try a connection's credential; returns the line that names the account.

    Raises:
        QueueUnavailable: The worker did not answer in time.
        SyncError: The error of the check, as the worker met it.
    """
    now = services.time()
    check_id = ids.ulid(now, services.random)
    path = ids.check_path(check_id)
    question = CheckRequest(
        connection_id=connection_id,
        requested_by=by.name,
        face=by.face,
        requested_at=now,
        expires_at=now + _KEPT,
    )
    services.store.commit([Create(path, to_document(question))])
    services.queue.publish([Message(kind="check", connection_id=connection_id, check_id=check_id)])
    give_up_at = services.clock.monotonic() + ASKED.total_seconds()
    while True:
        found = services.store.get(path)
        answer = from_document(CheckRequest, found.data) if found is not None else question
        if answer.answered_at is not None:
            break
        if services.clock.monotonic() > give_up_at:
            raise QueueUnavailable(
                f"the worker did not check {connection_id} within {ASKED.total_seconds():.0f} s",
                action="look at the worker's log, or whether it runs at all; then check again",
            )
        services.clock.sleep(_POLL_S)
    with contextlib.suppress(StoreError):
        services.store.commit([Delete(path)])
    if answer.error is not None:
        raise error_of(answer.error)
    return answer.account
