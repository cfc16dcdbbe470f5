"""The authenticated call that shows that a credential works, and its effect on a persisted refusal."""

from __future__ import annotations

from orchestrator.errors import MarketplaceError, SyncError
from orchestrator.marketplaces.session_request import no_lease
from orchestrator.model.audit import Action, Actor
from orchestrator.model.connection import VAULT, Connection, connection_from_document
from orchestrator.operators.connections import connector_of, edit, not_found, open_session, paths
from orchestrator.operators.sellers.asking import ask_worker
from orchestrator.operators.sellers.credentials import HeldSecret
from orchestrator.ports import SecretStore, Snapshot, Write
from orchestrator.runs.audit import entry
from orchestrator.services import Services
from orchestrator.vault.renewal import CheckLease
from orchestrator.vault.trial import try_out, without_refusal


def check(services: Services, connection_id: str, *, by: Actor) -> str:
    """Make one authenticated call to the marketplace; returns a line that names the seller's account.

    If the credential is in the vault, the worker makes the call, because nobody else can read it. If it
    works, an earlier refusal of the credential is forgotten: the next tick syncs the connection.

    Raises:
        NotFound: No such connection.
        ConnectionInvalid: The document, the settings or the secret's content is malformed.
        SecretError: The secret could not be read.
        MarketplaceError: The marketplace refused or did not answer.
        NotPossible: Its refresh token has to be replaced, and somebody else is at work.
        QueueUnavailable: The worker did not answer.
        StoreUnavailable: The check worked, but its effect may not be stored; check again.
    """
    snapshot = services.store.get(paths(connection_id)[0])
    if snapshot is None:
        raise not_found(connection_id)
    connection = connection_from_document(connection_id, snapshot.data)
    if connection.credential == VAULT:
        return ask_worker(services, connection_id, by=by)
    began_at = services.time()
    lease = CheckLease(services, connection_id)
    account = ask_account(services, connection_id, connection, services.secrets, lease)

    def decide(found: Snapshot | None, state: Snapshot | None) -> list[Write]:
        if found is None:
            raise not_found(connection_id, state)
        done = entry(services, by, Action.CHECK, connection_id=connection_id)
        return [*without_refusal(state, began_at), done]

    edit(services, connection_id, decide)
    return account


def ask_account(
    services: Services,
    connection_id: str,
    connection: Connection,
    secrets: SecretStore,
    lease: CheckLease | None = None,
) -> str:
    """Make the authenticated call; returns a line that names the seller's account.

    Args:
        services: The ports.
        connection_id: The connection.
        connection: Its document, as it is or as it will be.
        secrets: Has its credential.
        lease: For a credential that tasks may use meanwhile.

    Raises:
        NotPossible: A refresh token has to be replaced, and somebody else is at work.
        ConnectionInvalid: The settings or the secret's content is malformed.
        SecretError: The secret could not be read.
        MarketplaceError: The marketplace refused or did not answer.
    """
    connector = connector_of(services, connection.marketplace)

    def call() -> str:
        claim = lease.claim if lease is not None else no_lease
        return try_out(connector, open_session(services, connection_id, connection, secrets, claim))

    try:
        return lease.run(call) if lease is not None else call()
    except MarketplaceError as error:
        if isinstance(secrets, HeldSecret) and secrets.is_replaced:
            error.action = (
                f"{error.action}; the refresh token was replaced by this call and the replacement is not "
                "stored, so make a new one"
            ).removeprefix("; ")
        raise


def after_storing(error: SyncError, reference: str) -> SyncError:
    """An error of the commit that was to follow a stored secret, with the remedy."""
    error.message = f"{error.message}; its secret was stored before, as {reference}"
    remedy = f"look at the connection; to try again without the secret take --credential {reference}"
    error.action = f"{error.action}; {remedy}".removeprefix("; ")
    error.args = (error.message,)
    return error
