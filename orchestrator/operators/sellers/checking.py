"""The authenticated call that shows that a credential works, and its effect on a persisted refusal."""

from __future__ import annotations

from datetime import datetime

from orchestrator.errors import MarketplaceError, SyncError
from orchestrator.model.audit import Action, Actor
from orchestrator.model.connection import Connection, connection_from_document
from orchestrator.model.documents import attempt, to_document
from orchestrator.model.freshness import cleared
from orchestrator.model.state import SyncState
from orchestrator.operators.connections import connector_of, edit, not_found, open_session, paths
from orchestrator.operators.sellers.credentials import HeldSecret
from orchestrator.ports import SecretStore, Snapshot, Update, Write
from orchestrator.runs.audit import entry
from orchestrator.services import Services


def check(services: Services, connection_id: str, *, by: Actor) -> str:
    """Make one authenticated call to the marketplace; returns a line that names the seller's account.

    If the call works, an earlier refusal of the credential is forgotten: the next tick syncs the connection.

    Raises:
        NotFound: No such connection.
        ConnectionInvalid: The document, the settings or the secret's content is malformed.
        SecretError: The secret could not be read.
        MarketplaceError: The marketplace refused or did not answer.
        StoreUnavailable: The check worked, but its effect may not be stored; check again.
    """
    snapshot = services.store.get(paths(connection_id)[0])
    if snapshot is None:
        raise not_found(connection_id)
    connection = connection_from_document(connection_id, snapshot.data)
    began_at = services.clock.now()
    account = ask_account(services, connection_id, connection, services.secrets)

    def decide(found: Snapshot | None, state: Snapshot | None) -> list[Write]:
        if found is None:
            raise not_found(connection_id, state)
        done = entry(services, by, Action.CHECK, connection_id=connection_id)
        return [*without_refusal(state, began_at), done]

    edit(services, connection_id, decide)
    return account


def ask_account(services: Services, connection_id: str, connection: Connection, secrets: SecretStore) -> str:
    """Make the authenticated call; returns a line that names the seller's account.

    Raises:
        ConnectionInvalid: The settings or the secret's content is malformed.
        SecretError: The secret could not be read.
        MarketplaceError: The marketplace refused or did not answer.
    """
    session = open_session(services, connection_id, connection, secrets)
    try:
        return connector_of(services, connection.marketplace).check(session)
    except MarketplaceError as error:
        if isinstance(secrets, HeldSecret) and secrets.is_replaced:
            error.action = (
                f"{error.action}; the refresh token was replaced by this call and the replacement is not "
                "stored, so make a new one"
            ).removeprefix("; ")
        raise


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


def after_storing(error: SyncError, reference: str) -> SyncError:
    """An error of the commit that was to follow a stored secret, with the remedy."""
    error.message = f"{error.message}; its secret was stored before, as {reference}"
    remedy = f"look at the connection; to try again without the secret take --credential {reference}"
    error.action = f"{error.action}; {remedy}".removeprefix("; ")
    error.args = (error.message,)
    return error
