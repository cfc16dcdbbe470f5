"""Changing a connection: validated and tried like a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from orchestrator.errors import ConnectionInvalid, NotPossible, RequestError, SyncError
from orchestrator.marketplaces.session_request import read_settings
from orchestrator.model import ids
from orchestrator.model.audit import Action, Actor
from orchestrator.model.connection import VAULT, Connection, connection_from_document
from orchestrator.model.documents import attempt, to_document
from orchestrator.model.freshness import cleared, resumed
from orchestrator.model.paces import pace_of
from orchestrator.model.state import SyncState
from orchestrator.operators.connections import (
    check_streams,
    connector_of,
    edit,
    not_found,
    paths,
)
from orchestrator.operators.sellers.adding import Secret, tried
from orchestrator.operators.sellers.checking import after_storing
from orchestrator.operators.sellers.credentials import HeldSecret, place_of, store_credential
from orchestrator.operators.sellers.intervals import check_interval, first_state, wanted
from orchestrator.ports import Create, Delete, Document, Snapshot, Update, Write
from orchestrator.runs.audit import entry
from orchestrator.services import Services
from orchestrator.sync.windows import is_scope_of, scope_of
from orchestrator.tasks import pace as tasks_pace
from orchestrator.vault.credential import context_of, sealed_write
from orchestrator.vault.trial import session_request, state_change

#: Fields that say who the seller is; another seller is another connection.
_FIXED = frozenset({"id", "marketplace", "status", "settings", "created_at", "updated_at"})


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of a connection that people ask for."""

    #: New values of the document's fields, by name; `settings` is not among them.
    fields: Mapping[str, Any] = field(default_factory=dict)
    #: New values of settings, by name.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Settings to remove.
    unset: Sequence[str] = ()

    def names(self, secret: Secret) -> list[str]:
        """The names of all that changes, for people."""
        settings = [f"settings.{name}" for name in (*self.settings, *self.unset)]
        return [*self.fields, *settings, *(["secret"] if secret.content is not None else [])]

    def applied(self, document: Document) -> Document:
        """The document with the changes."""
        before = document.get("settings")
        settings = {**(before if isinstance(before, dict) else {}), **self.settings}
        kept = {name: value for name, value in settings.items() if name not in self.unset}
        return {**document, **self.fields, "settings": kept}


@dataclass(frozen=True, slots=True)
class Changed:
    """The effect of a change."""

    #: The names of all that changed.
    names: list[str]
    #: The line that names the seller's account; empty if the marketplace was not asked.
    account: str
    #: Streams that are read from the beginning.
    from_the_beginning: list[str]
    #: Whether settings changed that only the worker can try.
    is_untried: bool = False


def change(services: Services, connection_id: str, *, by: Actor, changes: Changes, secret: Secret) -> Changed:
    """Change a connection; new credentials and settings only after the marketplace has named the account.

    The next tick tries a credential that was refused before.

    Raises:
        NotFound: No such connection.
        RequestError: Nothing changes; a field that never does; no such stream; nobody agreed; another
            organization, or another target of a credential in the vault, without a credential.
        ConnectionInvalid: A field, the settings or the secret's content is malformed.
        SecretError: The secret could not be read, or not be written.
        MarketplaceError: The marketplace refused or did not answer.
        NotPossible: Somebody else changed it in between, or its token has to be renewed beside a task.
        StoreUnavailable: The store did not answer. The secret may be stored by then; the message says so.
    """
    names = changes.names(secret)
    _check(changes, secret, names)
    snapshot = services.store.get(paths(connection_id)[0])
    if snapshot is None:
        raise not_found(connection_id)
    fields = dict(changes.fields)
    if secret.content is not None:
        fields["credential"] = place_of(services, connection_id)
    document = Changes(fields, changes.settings, changes.unset).applied(snapshot.data)
    connection = connection_from_document(connection_id, document)
    _check_values(services, connection, fields)
    began_at, account = services.time(), ""
    to_try = "credential" in fields or bool(changes.settings or changes.unset)
    is_untried = to_try and connection.credential == VAULT and secret.content is None
    if is_untried:
        _check_target(services, snapshot, connection)
    elif to_try:
        account, secret = tried(services, connection_id, connection, secret)
    stored = _stored(services, snapshot, connection, secret)
    if secret.content is not None and connection.credential != VAULT:
        fields["credential"] = store_credential(services, connection_id, secret.content)

    def decide(found: Snapshot | None, state: Snapshot | None) -> list[Write]:
        if found is None:
            raise not_found(connection_id, state)
        if {**found.data, "pace": None} != {**snapshot.data, "pace": None}:
            raise NotPossible(
                f"somebody else changed connection {connection_id} in between",
                action="look at it (connections show), and repeat the command",
            )
        pace, now = pace_of(connection_id, document), services.time()
        new = {**fields, "settings": document["settings"], "pace": pace, "updated_at": now}
        done = entry(services, by, Action.SET, connection_id=connection_id, details=", ".join(names))
        after = connection_from_document(connection_id, {**document, **new})
        noticed = _noticed(services, state, after, snapshot, began_at if account else None)
        return [Update(found.path, new, version=found.version), *stored, *noticed, done]

    try:
        edit(services, connection_id, decide)
    except SyncError as error:
        if secret.content is None or connection.credential == VAULT:
            raise
        raise after_storing(error, str(fields["credential"])) from error.__cause__
    return Changed(names, account, _again(services, snapshot, connection), is_untried)


def _stored(services: Services, before: Snapshot, after: Connection, secret: Secret) -> list[Write]:
    """The writes of the credential in the vault that belong into the commit of the change."""
    if secret.content is not None and after.credential == VAULT:
        return [sealed_write(services, before.id, after, secret.content)]
    if before.data.get("credential") == VAULT != after.credential:
        return [Delete(ids.credential_path(before.id))]
    return []


def _noticed(
    services: Services,
    state: Snapshot | None,
    after: Connection,
    before: Snapshot,
    works_since: datetime | None,
) -> list[Write]:
    """The change of the state: the next tick covers the connection, whatever its pace.

    Args:
        services: The world.
        state: The state.
        after: The connection with its changes.
        before: The connection as it was.
        works_since: Refusals of the credential from before then are forgotten; None if it was not tried.
    """
    pace, now = tasks_pace.pace_of(services, to_document(after)), services.time()
    if state is None:
        first = to_document(first_state(after, pace, SyncState()))
        return [Create(ids.state_path(before.id), first)] if pace.is_own and pace.is_active else []
    known = attempt(SyncState, state)[0]
    if known is None:
        return []
    changed = cleared(known, works_since) if works_since is not None else known
    if pace.is_active and after.interval_minutes != before.data.get("interval_minutes"):
        changed = resumed(changed, pace, now)
    if pace.is_active:
        changed = wanted(changed, before.data, pace)
    if pace.is_own:
        # In any case: a worker that has read the connection before has to meet this change.
        changed = msgspec.structs.replace(changed, seq=known.seq + 1)
    return state_change(state, known, changed)


def _check(changes: Changes, secret: Secret, names: Sequence[str]) -> None:
    if not names:
        raise RequestError("nothing is to be changed", action="`connections set --help` lists the options")
    if fixed := _FIXED & set(changes.fields):
        raise RequestError(f"{', '.join(sorted(fixed))} of a connection never changes")
    if both := set(changes.settings) & set(changes.unset):
        raise RequestError(f"setting {', '.join(sorted(both))}: give either a value or --unset")
    has_credential = secret.content is not None or "credential" in changes.fields
    if "organization_id" in changes.fields and not has_credential:
        raise RequestError(
            "the organization changes only together with a credential: another owner has another one",
            action="give --secret-file or --credential too",
        )


def _check_values(services: Services, after: Connection, fields: Mapping[str, Any]) -> None:
    """Refuse an interval or streams that the schedule or the marketplace does not have."""
    connector = connector_of(services, after.marketplace)
    if "interval_minutes" in fields:
        check_interval(services, fields["interval_minutes"])
    if "streams" in fields:
        check_streams(connector, after.streams)


def _check_target(services: Services, before: Snapshot, after: Connection) -> None:
    """Refuse a change of the fields that a vault's credential is encrypted for; check the settings' form.

    The credential cannot be tried here: only the worker can read it.
    """
    connector = connector_of(services, after.marketplace)
    read_settings(session_request(services, before.id, after, HeldSecret("")), connector.settings)
    target = ", ".join(connector.target)
    if before.data.get("credential") != VAULT:
        raise RequestError("a credential in the vault comes with its secret", action="give --secret-file")
    try:
        known = context_of(connector, before.id, connection_from_document(before.id, before.data))
    except ConnectionInvalid:
        known = b""
    if known != context_of(connector, before.id, after):
        raise RequestError(
            "the credential is encrypted for the connection's owner and for its target"
            f"{f' ({target})' if target else ''}: a change of these needs the credential again",
            action="give --secret-file too",
        )


def _again(services: Services, before: Snapshot, after: Connection) -> list[str]:
    """The streams whose records depend on something that has changed; they are read from the beginning."""
    streams = connector_of(services, after.marketplace).streams
    try:
        old = connection_from_document(before.id, before.data)
    except ConnectionInvalid:
        return list(after.streams)
    return [
        name
        for name in after.streams
        if name in streams and not is_scope_of(scope_of(streams[name], old), streams[name], after)
    ]
