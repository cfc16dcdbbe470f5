"""The vault's keys, as people see them: make the first keyset, rotate the keys, look at the state."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, NotPossible, QueueUnavailable
from orchestrator.model.audit import Action, Actor
from orchestrator.model.documents import attempt, to_document
from orchestrator.model.messages import Message
from orchestrator.model.vault import KEYS_PATH, KeyIds, KeysAction, KeysState, KeysStatus
from orchestrator.ports import Create, Update, Write
from orchestrator.runs.audit import entry
from orchestrator.services import Services
from orchestrator.vault.credential import vault_of

#: How long `vault init` waits for the worker.
WAIT = timedelta(seconds=120)
_POLL_S = 0.5


class VaultView(msgspec.Struct, kw_only=True, frozen=True):
    """The vault."""

    #: The key that encrypts new credentials; None if there is no keyset yet.
    key: int | None
    #: All keys of the public keyset.
    keys: list[int]
    #: Credentials in the vault.
    credentials: int
    #: What the worker was asked for last; None if it never was.
    state: KeysState | None
    #: The reason why the state cannot be read; empty if it can.
    fault: str = ""


def init(services: Services, *, by: Actor) -> tuple[KeyIds, bool]:
    """Have the worker make the first keyset; returns the public keyset, and whether it is new.

    A keyset that exists is never replaced: credentials are encrypted with it.

    Raises:
        NotPossible: The worker found that it cannot be made.
        SecretError: There is no vault here, or its public keyset cannot be read.
        QueueUnavailable: The worker did not answer in time.
        StoreError: The request could not be stored.
    """
    vault = vault_of(services)
    if (known := vault.published()) is not None:
        return known, False
    _ask(services, KeysAction.INIT, by)
    give_up_at = services.clock.monotonic() + WAIT.total_seconds()
    while True:
        state, _ = _state(services)
        if state is not None and state.status is KeysStatus.FAILED:
            raise NotPossible(f"the vault has no keyset: {state.error}")
        if state is not None and state.status is KeysStatus.DONE and (made := vault.published()) is not None:
            return made, True
        if services.clock.monotonic() > give_up_at:
            raise QueueUnavailable(
                f"the worker did not make the vault's keyset within {WAIT.total_seconds():.0f} s",
                action="look at the worker's log, and at `marketplace-sync vault status`",
            )
        services.clock.sleep(_POLL_S)


def rotate(services: Services, *, by: Actor) -> KeysState:
    """Have the worker rotate the keys, or continue a rotation that was broken off; returns the state.

    Raises:
        NotPossible: There is no keyset yet.
        SecretError: There is no vault here, or its public keyset cannot be read.
        QueueUnavailable, StoreError: The request may not have reached the worker; repeat it.
    """
    if vault_of(services).published() is None:
        raise NotPossible("the vault has no keyset yet", action="make it: marketplace-sync vault init")
    return _ask(services, KeysAction.ROTATE, by)


def status(services: Services) -> VaultView:
    """The keys' ids, the number of credentials, and the state of what was asked for last.

    Raises:
        SecretError: There is no vault here, or its public keyset cannot be read.
    """
    published = vault_of(services).published()
    state, fault = _state(services)
    return VaultView(
        key=published.primary if published is not None else None,
        keys=sorted(published.ids) if published is not None else [],
        credentials=services.store.count("credentials"),
        state=state,
        fault=fault,
    )


def _state(services: Services) -> tuple[KeysState | None, str]:
    snapshot = services.store.get(KEYS_PATH)
    return attempt(KeysState, snapshot) if snapshot is not None else (None, "")


def _ask(services: Services, action: KeysAction, by: Actor) -> KeysState:
    """Store what the worker is to do, unless it is at it already, and send the message."""
    attempts = Attempts(services, "the state of the vault's keys changes too often; try again")
    asked = Action.MAKE_KEYS if action is KeysAction.INIT else Action.ROTATE_KEYS
    while True:
        snapshot = services.store.get(KEYS_PATH)
        known = attempt(KeysState, snapshot)[0] if snapshot is not None else None
        state = KeysState(
            action=action,
            status=KeysStatus.REQUESTED,
            requested_by=by.name,
            requested_at=services.time(),
        )
        if known is not None and known.action is action and not known.status.is_over:
            # Broken off, or blocked: it begins its pass anew, and keeps the key that it has added.
            state = msgspec.structs.replace(
                known, after="", unreadable=(), unreadable_count=0, finished_at=None
            )
            if known.status is KeysStatus.BLOCKED:
                state = msgspec.structs.replace(state, status=KeysStatus.RESEALING)
        document = to_document(state)
        write: Write = Create(KEYS_PATH, document)
        if snapshot is not None:
            write = Update(KEYS_PATH, document, version=snapshot.version)
        if known is not None and known.is_held(services.time()):
            return known
        try:
            services.store.commit([write, entry(services, by, asked)])
        except Conflict:
            attempts.again()
            continue
        services.queue.publish([Message(kind="vault")])
        return state
