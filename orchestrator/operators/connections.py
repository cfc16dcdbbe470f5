"""Adding, showing and listing connections."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Required, TypedDict, Unpack

from orchestrator.attempts import Attempts
from orchestrator.errors import (
    Conflict,
    ConnectionInvalid,
    NotFound,
    NotPossible,
    RequestError,
)
from orchestrator.marketplaces.session_request import no_lease
from orchestrator.marketplaces.spec import AnyConnector, AnySession
from orchestrator.model import ids, paces
from orchestrator.model.audit import Action, Actor
from orchestrator.model.connection import STREAMS, Connection, ConnectionStatus, connection_from_document
from orchestrator.model.documents import attempt, to_document
from orchestrator.model.state import SyncState
from orchestrator.operators.health.status import edited_marketplace
from orchestrator.operators.sellers.intervals import check_interval, first_state
from orchestrator.ports import (
    Create,
    Document,
    DocumentStore,
    Filter,
    Query,
    SecretStore,
    Snapshot,
    Update,
    Write,
)
from orchestrator.runs.audit import entry
from orchestrator.services import Services
from orchestrator.tasks.pace import pace_of
from orchestrator.vault.trial import session_request

#: Unfinished removals that are named.
UNFINISHED = 20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection's document and state, for operators."""

    id: str
    document: Document
    #: None until its first task.
    state: SyncState | None
    #: The reason why the document is invalid; empty if it is valid.
    fault: str
    #: The reason why the state cannot be read; empty if it can, or if there is none.
    state_fault: str = ""
    #: A note about a document that people have edited in a way that the sync does not support; else empty.
    warning: str = ""


class Fields(TypedDict, total=False):
    """The fields of a new connection, as people give them; see `Connection`."""

    organization_id: Required[str]
    marketplace: Required[str]
    name: Required[str]
    credential: Required[str]
    settings: Required[Mapping[str, Any]]
    #: None: all that the marketplace has.
    streams: Sequence[str] | None
    backfill_since: datetime | None
    store_buyer_pii: bool
    keep_raw: bool
    reconcile_hours: int
    interval_minutes: int | None


def add(services: Services, connection_id: str, *, by: Actor, **fields: Unpack[Fields]) -> Connection:
    """Add a connection after every check that needs no call to the marketplace.

    Raises:
        RequestError: The id has another form, or no such marketplace or stream.
        ConnectionInvalid: The settings or the secret's content do not fit the marketplace.
        SecretMissing: The secret does not exist, or the caller may not read it.
        NotPossible: The connection exists; or one of its id is being removed, is worked on by a run, or was
            one of another marketplace.
        StoreUnavailable: The state of a removed one changes too often; try again.
    """
    connection = drafted(services, connection_id, **fields)
    open_session(services, connection_id, connection, services.secrets)
    commit_new(services, connection_id, connection, by=by)
    return connection


def drafted(services: Services, connection_id: str, **fields: Unpack[Fields]) -> Connection:
    """A new connection, stored nowhere yet.

    Raises:
        RequestError: The id has another form, or no such marketplace or stream.
        ConnectionInvalid: A field has another form.
    """
    if not _ID.fullmatch(connection_id):
        raise RequestError(
            f"{connection_id!r} cannot be a connection's id",
            action="use up to 128 letters, digits, '.', '_' and '-', a letter or digit first",
        )
    connector = connector_of(services, fields["marketplace"])
    streams = fields.get("streams")
    chosen = [name for name in STREAMS if name in connector.streams] if streams is None else streams
    check_streams(connector, chosen)
    check_interval(services, fields.get("interval_minutes"))
    now = services.clock.now()
    given = {**fields, "settings": dict(fields["settings"]), "streams": list(chosen)}
    pace, status = paces.pace_of(connection_id, given), ConnectionStatus.ACTIVE.value
    facts = {"status": status, "pace": pace, "created_at": now, "updated_at": now}
    return connection_from_document(connection_id, {**given, **facts})


def check_streams(connector: AnyConnector, streams: Sequence[str]) -> None:
    """Refuse streams that a marketplace does not have.

    Raises:
        RequestError: The message names them.
    """
    if unknown := [stream for stream in streams if stream not in connector.streams]:
        raise RequestError(
            f"{connector.marketplace} has no stream {', '.join(unknown)}; "
            f"it has {', '.join(connector.streams)}"
        )


def check_is_new(services: Services, connection_id: str, connection: Connection) -> None:
    """Refuse what `commit_new` would refuse now, without writing.

    Raises:
        NotPossible: See `add`.
    """
    _first_writes(services, connection_id, connection, *services.store.get_many(paths(connection_id)))


def commit_new(
    services: Services, connection_id: str, connection: Connection, *, by: Actor, also: Sequence[Write] = ()
) -> None:
    """Store a new connection with the record of who added it, and other writes in the same commit.

    Raises:
        NotPossible, StoreUnavailable: See `add`.
    """
    details = f"of {connection.marketplace}"
    added = entry(services, by, Action.ADD, connection_id=connection_id, details=details)
    edit(
        services,
        connection_id,
        lambda found, left: [*_first_writes(services, connection_id, connection, found, left), *also, added],
    )


def _first_writes(
    services: Services,
    connection_id: str,
    connection: Connection,
    found: Snapshot | None,
    left: Snapshot | None,
) -> list[Write]:
    """Store a new connection, and start its state anew if a removed connection of its id left one.

    The new state takes over no cursor and no digest: an interrupted removal may have deleted records that
    the old digest still counts as stored.
    """
    if found is not None:
        raise NotPossible(
            f"connection {connection_id} exists already", action="choose another id, or remove it first"
        )
    create = Create(ids.connection_path(connection_id), to_document(connection))
    pace = pace_of(services, create.data)
    if left is None:
        first = Create(ids.state_path(connection_id), to_document(first_state(connection, pace, SyncState())))
        return [create, first] if pace.is_own else [create]
    state = read_state(left)
    if state.removing:
        raise NotPossible(
            f"connection {connection_id} is being removed{_since(state.removed_at)}; that is not finished",
            action=f"{_finish(connection_id)}; then add it",
        )
    if state.open is not None:
        raise NotPossible(
            f"connection {connection_id} was removed, and run {state.open.run_id} still works on it",
            action="add it when that run is over",
        )
    if state.marketplace not in {"", connection.marketplace}:
        until = f", or wait until {state.expires_at:%Y-%m-%d %H:%M}Z" if state.expires_at is not None else ""
        raise NotPossible(
            f"connection {connection_id} was one of {state.marketplace}, and a connection's marketplace "
            "never changes",
            action=f"choose another id{until}",
        )
    fresh = first_state(connection, pace, state)
    return [create, Update(left.path, to_document(fresh), version=left.version)]


def show(services: Services, connection_id: str) -> ConnectionView:
    """Read one connection with its state.

    Raises:
        NotFound: No such connection.
    """
    connection, state = services.store.get_many(paths(connection_id))
    if connection is None:
        raise not_found(connection_id, state)
    return _view(connection, state)


def list_page(
    services: Services,
    *,
    organization_id: str | None = None,
    marketplace: str | None = None,
    status: ConnectionStatus | None = None,
    after: str | None = None,
    limit: int,
) -> list[ConnectionView]:
    """Read at most `limit` connections in id order, those after the id `after`."""
    wanted = {"organization_id": organization_id, "marketplace": marketplace, "status": status}
    snapshots = services.store.query(
        Query(
            "connections",
            where=[Filter(field, "==", value) for field, value in wanted.items() if value is not None],
            after=(after,) if after is not None else None,
            limit=limit,
        )
    )
    states = services.store.get_many([ids.state_path(snapshot.id) for snapshot in snapshots])
    return [_view(snapshot, state) for snapshot, state in zip(snapshots, states, strict=True)]


def views(services: Services, names: Sequence[str]) -> list[ConnectionView]:
    """Read connections by id, with their states; those that do not exist are omitted."""
    found = services.store.get_many([path for name in names for path in paths(name)])
    pairs = zip(found[::2], found[1::2], strict=True)
    return [_view(connection, state) for connection, state in pairs if connection is not None]


def unfinished_removals(store: DocumentStore) -> list[str]:
    """Ids of connections whose removal was interrupted, at most `UNFINISHED`."""
    query = Query("sync_state", where=[Filter("removing", "==", True)], limit=UNFINISHED)
    return [snapshot.id for snapshot in store.query(query)]


def open_session(
    services: Services,
    connection_id: str,
    connection: Connection,
    secrets: SecretStore,
    claim: Callable[[], None] = no_lease,
) -> AnySession:
    """Open a session with the marketplace; no call is made yet.

    Args: As of `session_request`.

    Raises:
        ConnectionInvalid: The settings or the secret's content do not fit the marketplace.
        SecretError: The secret could not be read.
    """
    request = session_request(services, connection_id, connection, secrets, claim)
    session: AnySession = connector_of(services, connection.marketplace).open(request)
    return session


def connector_of(services: Services, marketplace: str) -> AnyConnector:
    """A marketplace's connector.

    Raises:
        RequestError: There is no such marketplace.
    """
    connector = services.connectors.get(marketplace)
    if connector is None:
        raise RequestError(
            f"no marketplace {marketplace!r}; there are {', '.join(sorted(services.connectors))}"
        )
    return connector


def edit(
    services: Services,
    connection_id: str,
    decide: Callable[[Snapshot | None, Snapshot | None], list[Write]],
) -> None:
    """Read connection and state, decide, commit; after a conflict, start again.

    Args:
        services: The ports.
        connection_id: The connection.
        decide: Is given both documents, None if absent, and returns the writes. Their preconditions must
            refuse a commit that was decided on an older state.

    Raises:
        NotFound: No document can have this id.
        StoreUnavailable: They change too often; try again.
    """
    attempts = Attempts(services, f"connection {connection_id} changes too often to be changed; try again")
    while True:
        connection, state = services.store.get_many(paths(connection_id))
        try:
            services.store.commit(decide(connection, state))
        except Conflict:
            attempts.again()
        else:
            return


def paths(connection_id: str) -> list[str]:
    """The paths of a connection's document and of its `sync_state`, in this order.

    Raises:
        NotFound: No document can have this id.
    """
    if not ids.is_document_id(connection_id):
        raise not_found(connection_id)
    return [ids.connection_path(connection_id), ids.state_path(connection_id)]


def not_found(connection_id: str, left: Snapshot | None = None) -> NotFound:
    """The error for an unknown connection, or for a removed one by the state that it left."""
    state = attempt(SyncState, left)[0] if left is not None else None
    if state is None or not (state.removing or state.removed_at):
        return NotFound(
            f"no connection {connection_id!r}", action="`marketplace-sync connections list` names them"
        )
    removed = f"no connection {connection_id!r}: it was removed{_since(state.removed_at)}"
    if state.removing:
        return NotFound(f"{removed}, and that is not finished", action=_finish(connection_id))
    return NotFound(removed, action="`connections add` adds it again, for the same marketplace")


def _since(began_at: datetime | None) -> str:
    """The beginning of a removal, for a sentence; empty if it is unknown."""
    return "" if began_at is None else f" (begun {began_at:%Y-%m-%d %H:%M}Z)"


def _finish(connection_id: str) -> str:
    """The remedy for a removal that was interrupted."""
    return (
        f"finish it with `marketplace-sync connections remove {connection_id}` "
        "(with --purge-records if its records are to go too)"
    )


def read_state(snapshot: Snapshot | None) -> SyncState:
    """A `sync_state` document; the initial state if it is absent.

    Raises:
        NotPossible: It cannot be read.
    """
    state, fault = attempt(SyncState, snapshot) if snapshot is not None else (SyncState(), "")
    if state is None:
        raise NotPossible(fault, action="correct the field that the message names, then do it again")
    return state


def _view(connection: Snapshot, state: Snapshot | None) -> ConnectionView:
    fault = ""
    try:
        connection_from_document(connection.id, connection.data)
    except ConnectionInvalid as error:
        fault = error.message
    known, state_fault = attempt(SyncState, state) if state is not None else (None, "")
    return ConnectionView(
        id=connection.id,
        document=connection.data,
        state=known,
        fault=fault,
        state_fault=state_fault,
        warning=edited_marketplace(connection.data, known) if known is not None else "",
    )
