"""Adding a seller: nothing is stored before the marketplace has named the account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Unpack

import msgspec

from orchestrator.errors import RequestError, SyncError
from orchestrator.model.audit import Actor
from orchestrator.model.connection import VAULT, Connection
from orchestrator.operators.connections import Fields, check_is_new, commit_new, drafted, open_session
from orchestrator.operators.sellers.checking import after_storing, ask_account
from orchestrator.operators.sellers.credentials import HeldSecret, place_of, store_credential
from orchestrator.operators.ticks import LAST, Ticks
from orchestrator.ports import Query
from orchestrator.services import Services
from orchestrator.vault.credential import sealed_write
from orchestrator.vault.renewal import CheckLease

#: Runs that are looked at for the ticks among them.
_RUNS = 20


@dataclass(frozen=True, slots=True)
class Secret:
    """The secret that comes with a new or changed connection."""

    #: Its content, to be stored; None if it is stored already, under the connection's `credential`.
    content: str | None = field(default=None, repr=False)
    #: Whether the marketplace is asked for the account.
    check: bool = True
    #: Is told the account; False stores nothing.
    agrees: Callable[[str], bool] = lambda account: True  # noqa: ARG005 - the form of the question


def add(
    services: Services, connection_id: str, *, by: Actor, secret: Secret, **fields: Unpack[Fields]
) -> tuple[Connection, str]:
    """Add a connection; returns it and the line that names the seller's account, empty without a check.

    The order is: form of all fields, session with the secret in memory, the authenticated call, the secret,
    the connection. Only the last two write; a credential in the vault is written with the connection.

    Raises:
        RequestError: The id has another form, no such marketplace or stream, or nobody agreed.
        ConnectionInvalid: The settings or the secret's content do not fit the marketplace.
        SecretError: The secret could not be read, or not be written.
        MarketplaceError: The marketplace refused or did not answer.
        NotPossible, StoreUnavailable: See `connections.add`; the secret may be stored by then, and the
            message says so.
    """
    if secret.content is not None:
        fields["credential"] = place_of(services, connection_id)
    elif fields["credential"] == VAULT:
        raise RequestError("a credential in the vault comes with its secret", action="give --secret-file")
    connection = drafted(services, connection_id, **fields)
    check_is_new(services, connection_id, connection)
    account, secret = tried(services, connection_id, connection, secret, is_new=True)
    if secret.content is None:
        commit_new(services, connection_id, connection, by=by)
        return connection, account
    if connection.credential == VAULT:
        sealed = sealed_write(services, connection_id, connection, secret.content)
        commit_new(services, connection_id, connection, by=by, also=[sealed])
        return connection, account
    reference = store_credential(services, connection_id, secret.content)
    connection = msgspec.structs.replace(connection, credential=reference)
    try:
        commit_new(services, connection_id, connection, by=by)
    except SyncError as error:
        raise after_storing(error, reference) from error.__cause__
    return connection, account


def tried(
    services: Services,
    connection_id: str,
    connection: Connection,
    secret: Secret,
    *,
    is_new: bool = False,
) -> tuple[str, Secret]:
    """Try a secret that may be stored nowhere yet.

    Args:
        services: The ports.
        connection_id: The connection.
        connection: Its document, as it will be.
        secret: The secret.
        is_new: Whether there is no such connection yet, so that no task uses its secret.

    Returns:
        The line that names the account, and the secret as it is to be stored: the marketplace may have
        replaced a token in it.

    Raises:
        RequestError: Nobody agreed to the account.
        SyncError: See `add`.
    """
    held = HeldSecret(secret.content) if secret.content is not None else None
    secrets = held or services.secrets
    if not secret.check:
        open_session(services, connection_id, connection, secrets)
        return "", secret
    lease = CheckLease(services, connection_id) if held is None and not is_new else None
    account = ask_account(services, connection_id, connection, secrets, lease)
    if not secret.agrees(account):
        raise RequestError("nothing is stored", action="repeat the command with the right account's secret")
    return account, replace(secret, content=held.content) if held is not None else secret


def usual_organization(services: Services) -> str | None:
    """The organization of all connections, as far as some of them tell; None if there are several or none."""
    some = services.store.query(Query("connections", limit=_RUNS))
    found = {snapshot.data.get("organization_id") for snapshot in some}
    only = found.pop() if len(found) == 1 else None
    return only if isinstance(only, str) else None


def next_tick(services: Services) -> datetime | None:
    """When the scheduler ticks next; None if no tick is known, or if it should have ticked already."""
    due_at = Ticks.of(services.store.query(LAST), services.settings).due_at
    return due_at if due_at is not None and due_at > services.clock.now() else None
