"""The authenticated call that shows that a credential works, made by the worker for one in the vault."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from orchestrator.attempts import Attempts
from orchestrator.errors import (
    Conflict,
    ConnectionInvalid,
    MarketplaceError,
    NotFound,
    NotPossible,
    RateLimited,
    SecretError,
    SyncError,
)
from orchestrator.marketplaces.session_request import SessionRequest, no_lease
from orchestrator.marketplaces.spec import AnyConnector, AnySession
from orchestrator.model import ids
from orchestrator.model.audit import Action, Actor
from orchestrator.model.connection import Connection, connection_from_document
from orchestrator.model.documents import attempt, read_or_none, to_document
from orchestrator.model.freshness import cleared
from orchestrator.model.messages import Message
from orchestrator.model.state import SyncState
from orchestrator.model.vault import CheckError, CheckRequest
from orchestrator.ports import SecretStore, Snapshot, Update, Write
from orchestrator.runs.audit import entry
from orchestrator.services import Services
from orchestrator.vault.credential import connector_for, secrets_of
from orchestrator.vault.renewal import CheckLease

log = logging.getLogger(__name__)

#: Seconds that a check waits at most if the marketplace asks it to wait.
MAX_CHECK_WAIT_S = 30.0
#: A person waits this long for the answer to a check.
ASKED = timedelta(seconds=90)


def session_request(
    services: Services,
    connection_id: str,
    connection: Connection,
    secrets: SecretStore,
    claim: Callable[[], None] = no_lease,
) -> SessionRequest:
    """A connector's input for one session that a person waits for: long waits are refused.

    Args:
        services: The world.
        connection_id: The connection.
        connection: Its document.
        secrets: Has its credential.
        claim: Takes its lease before a refresh token is replaced.
    """
    over_at = services.clock.monotonic() + ASKED.total_seconds()

    def wait(seconds: float) -> None:
        if seconds > MAX_CHECK_WAIT_S or services.clock.monotonic() >= over_at:
            raise RateLimited(
                f"{connection.marketplace} asks to wait {seconds:.0f} s",
                wait_s=seconds,
                action="try again then",
            )
        services.clock.sleep(seconds)

    return SessionRequest(
        connection_id=connection_id,
        connection=connection,
        secrets=secrets,
        clock=services.clock,
        random=services.random,
        wait=wait,
        development=services.settings.is_development,
        claim=claim,
    )


def try_out(connector: AnyConnector, session: AnySession) -> str:
    """Make the authenticated call; returns a line that names the seller's account.

    Raises:
        MarketplaceError: The marketplace refused or did not answer.
    """
    try:
        return connector.check(session)
    finally:
        session.client.place.give_back()


def without_refusal(state: Snapshot | None, before: datetime) -> list[Write]:
    """The write that forgets a refusal from before a moment; none if there is none.

    Like every decision on a connection it has the version of `sync_state` as precondition.
    """
    known = attempt(SyncState, state)[0] if state is not None else None
    if state is None or known is None:
        return []
    return state_change(state, known, cleared(known, before))


def state_change(snapshot: Snapshot, before: SyncState, after: SyncState) -> list[Write]:
    """The write of the fields that change; none if there are none."""
    held, wanted = to_document(before), to_document(after)
    fields = {name: value for name, value in wanted.items() if value != held.get(name)}
    if not fields:
        return []
    return [Update(snapshot.path, {**fields, "seq": before.seq + 1}, version=snapshot.version)]


def answer_check(services: Services, message: Message) -> None:
    """Try a connection's credential for a person who waits, and store the answer; safe to repeat.

    Raises:
        StoreUnavailable: Our own side failed; deliver again.
    """
    connection_id, path = message.connection_id, ids.check_path(message.check_id)
    snapshot = services.store.get(path)
    asked = read_or_none(CheckRequest, snapshot)
    if asked is None or asked.answered_at is not None or asked.connection_id != connection_id:
        return
    began_at = services.time()
    if began_at >= asked.requested_at + ASKED:
        age = (began_at - asked.requested_at).total_seconds()
        log.warning(
            "a check of %s is left out: it was asked for %.0f s ago, and nobody waits longer than %.0f s",
            *(connection_id, age, ASKED.total_seconds()),
            extra={"action": "check_late", "connection_id": connection_id, "seconds": round(age, 1)},
        )
        return
    account, error = "", None
    try:
        account = _account(services, connection_id)
    except (ConnectionInvalid, MarketplaceError, NotFound, NotPossible, SecretError) as fault:
        error = CheckError(kind=fault.kind, message=fault.message, action=fault.action)
    answer = {
        "account": account,
        "error": to_document(error) if error is not None else None,
        "answered_at": services.time(),
    }
    attempts = Attempts(services, f"the answer to a check of {connection_id} could not be stored")
    while True:
        check, state = services.store.get_many([path, ids.state_path(connection_id)])
        if check is None or check.data.get("answered_at") is not None:
            return
        writes: list[Write] = [Update(path, answer, version=check.version)]
        if error is None:
            by = Actor(asked.requested_by, asked.face)
            writes += without_refusal(state, began_at)
            writes.append(entry(services, by, Action.CHECK, connection_id=connection_id))
        try:
            services.store.commit(writes)
        except Conflict:
            attempts.again()
        else:
            return


def _account(services: Services, connection_id: str) -> str:
    found = services.store.get(ids.connection_path(connection_id))
    if found is None:
        raise NotFound(f"no connection {connection_id!r}")
    connection = connection_from_document(connection_id, found.data)
    connector = connector_for(services, connection_id, connection)
    lease = CheckLease(services, connection_id)

    def check() -> str:
        secrets = secrets_of(services, services.store, connection_id, connection)
        request = session_request(services, connection_id, connection, secrets, lease.claim)
        return try_out(connector, connector.open(request))

    return lease.run(check)


def error_of(answer: CheckError) -> SyncError:
    """The error of an answer, of the class that was raised."""
    kinds: list[type[SyncError]] = [SyncError]
    classes: dict[str, type[SyncError]] = {}
    while kinds:
        kind = kinds.pop()
        classes.setdefault(kind.kind, kind)
        kinds += kind.__subclasses__()
    if answer.kind == RateLimited.kind:
        return RateLimited(answer.message, wait_s=0.0, action=answer.action)
    return classes.get(answer.kind, SyncError)(answer.message, action=answer.action)
