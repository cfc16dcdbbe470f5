"""The vault's keys: the worker makes the first one, and rotates them.

A rotation adds a key, encrypts every credential again, and then drops the old keys. They stay until a whole
pass has found every credential under the new key. That pass begins only after everybody who had the old
keyset in memory has read the new one: until then credentials may still be set under an old key. A step that
is repeated is found done, so the next message continues a rotation that was broken off anywhere.
"""

from __future__ import annotations

import logging
from datetime import timedelta

import msgspec

from orchestrator.attempts import Attempts
from orchestrator.errors import Conflict, ConnectionInvalid, SecretMissing, StoreUnavailable
from orchestrator.model import ids
from orchestrator.model.connection import VAULT, Connection, connection_from_document
from orchestrator.model.documents import attempt, read_or_none, to_document
from orchestrator.model.messages import Message
from orchestrator.model.vault import KEYS_PATH, KeysAction, KeysState, KeysStatus, StoredCredential
from orchestrator.ports import Query, Snapshot, Update, Vault
from orchestrator.services import Services
from orchestrator.vault.credential import connector_for, context_of, log_foreign_key, own_vault

log = logging.getLogger(__name__)

#: Twice the time that a process keeps a keyset in memory (`adapters/google/secret_manager.py`).
LET_GO = timedelta(seconds=600)
#: Credentials read and encrypted again at a time; one may have 128 KB.
_PAGE = 50
#: Connections named in the state.
_NAMED = 20
_NAP_S = 1.0


def work_on_keys(services: Services) -> None:
    """Do what `vault/keys` asks for, for one slice; safe to repeat, and by several workers at once.

    Raises:
        StoreUnavailable: Another worker is at it, or our own side failed; deliver again. So do
            QueueUnavailable and SecretUnavailable.
    """
    worker = _Worker(services)
    if not worker.begin():
        return
    try:
        worker.work()
    except SecretMissing as error:
        worker.fail(error)
    except Exception:  # of any kind: the redelivery begins at once, and does not wait for the lease's end
        worker.release()
        raise


class _Worker:
    """One invocation's work on the keys, under a lease."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._owner = ids.ulid(services.clock.now(), services.random)
        self._over_at = services.clock.monotonic() + services.settings.slice_seconds
        self._vault: Vault
        self._state: KeysState
        self._version: object

    def begin(self) -> bool:
        """Take the lease; False if nothing is asked for."""
        services, now = self._services, self._services.clock.now()
        snapshot = services.store.get(KEYS_PATH)
        state = read_or_none(KeysState, snapshot)
        if snapshot is None or state is None or state.status.is_over:
            return False
        if state.is_held(now):
            raise StoreUnavailable("another worker is at the vault's keys; the message is redelivered")
        self._state, self._version = state, snapshot.version
        self._commit()
        return True

    def work(self) -> None:
        """Work on it until it is over, or the slice is.

        Raises:
            SecretMissing: It cannot be done, for a reason that people have to read.
        """
        self._vault = own_vault(self._services)
        if self._state.action is KeysAction.INIT:
            self._make()
        else:
            self._rotate()

    def fail(self, error: SecretMissing) -> None:
        """End it with the reason; the keys stay as they are."""
        self._end(KeysStatus.FAILED, error=f"{error.message}; {error.action}".removesuffix("; "))

    def release(self) -> None:
        """Let the redelivery begin at once; if this fails too, it waits until the lease is over."""
        try:
            self._commit(owner=None, expires_at=None)
        except (Conflict, StoreUnavailable):
            log.warning("the lease on the vault's keys could not be released", extra={"action": "vault_held"})

    def _make(self) -> None:
        held = self._vault.held()
        if held is None:
            if self._vault.published() is not None:
                raise SecretMissing(
                    "there is a public keyset, and no private one: what it encrypted is lost",
                    action="destroy the public keyset's versions, or restore the private keyset",
                )
            held = self._vault.add_key()
        elif self._vault.has_foreign_keys():
            raise self._foreign()
        # An earlier attempt may have ended between the two.
        self._vault.publish()
        self._end(KeysStatus.DONE, key=held.primary)

    def _rotate(self) -> None:
        if self._state.key is None:
            self._add_key()
        key, held = self._state.key, self._vault.held()
        assert key is not None  # noqa: S101 - it was added
        # Also reads the keyset anew: this instance may have kept an older one.
        if held is None or held.primary != key:
            raise SecretMissing(f"the vault's keyset does not encrypt with key {key}: it is an old one")
        while True:
            if not self._pass(key):
                return
            if self._state.is_last_pass:
                break
            if not self._wait():
                return
            self._commit(after="", is_last_pass=True, unreadable=(), unreadable_count=0)
        if self._state.unreadable_count:
            self._end(KeysStatus.BLOCKED)
            return
        self._vault.drop_others(key)
        self._end(KeysStatus.DONE)

    def _add_key(self) -> None:
        """Add the new key and publish it; each is left out if an earlier attempt did it."""
        held = self._vault.held()
        if held is None:
            raise SecretMissing("the vault has no keyset yet", action="marketplace-sync vault init")
        if self._vault.has_foreign_keys():
            raise self._foreign()
        if self._state.from_key is None:
            self._commit(from_key=held.primary)
        if held.primary == self._state.from_key:
            held = self._vault.add_key()
        self._vault.publish()
        self._commit(key=held.primary, published_at=self._services.clock.now(), status=KeysStatus.RESEALING)

    def _foreign(self) -> SecretMissing:
        log_foreign_key()
        return SecretMissing(
            "the public keyset has a key that the private one lacks: it was exchanged, or the private keyset "
            "is an old one",
            action="see docs/operating.md, The vault",
        )

    def _pass(self, key: int) -> bool:
        """Encrypt the remaining credentials of this pass again; False if the slice is over first."""
        services = self._services
        while True:
            after = (self._state.after,) if self._state.after else None
            page = services.store.query(Query("credentials", after=after, limit=_PAGE))
            if not page:
                return True
            connections = services.store.get_many([ids.connection_path(each.id) for each in page])
            unreadable, resealed = [], 0
            for snapshot, connection in zip(page, connections, strict=True):
                outcome = self._reseal(key, snapshot, connection)
                resealed += outcome is True
                if outcome is None:
                    unreadable.append(snapshot.id)
            state = self._state
            self._commit(
                after=page[-1].id,
                resealed=state.resealed + resealed,
                unreadable=(*state.unreadable, *unreadable)[:_NAMED],
                unreadable_count=state.unreadable_count + len(unreadable),
            )
            if self._is_over():
                self._hand_over()
                return False

    def _reseal(self, key: int, snapshot: Snapshot, connection: Snapshot | None) -> bool | None:
        """Encrypt one credential again under its version.

        Returns:
            False if there is no need, None if it cannot be read.
        """
        services = self._services
        failure = f"{snapshot.path} changes too often to be encrypted again"
        attempts = Attempts(services, failure)
        found: Snapshot | None = snapshot
        while found is not None and connection is not None:
            stored, _ = attempt(StoredCredential, found)
            if connection.data.get("credential") != VAULT:
                return False  # nobody reads it
            if stored is None:
                return None
            if stored.key_id == key:
                return False
            try:
                context = self._context(connection)
                sealed = self._vault.seal_own(self._vault.unseal(stored.sealed, context), context)
                before = None
                if stored.previous is not None:
                    before = self._vault.seal_own(self._vault.unseal(stored.previous, context), context)
            except (ConnectionInvalid, SecretMissing):
                return None
            if sealed.key_id != key:
                raise SecretMissing("the vault's keyset encrypts with another key than the rotation's")
            fields = {
                "sealed": sealed.content,
                "key_id": key,
                "previous": before.content if before is not None else None,
            }
            try:
                services.store.commit([Update(found.path, fields, version=found.version)])
            except Conflict:
                attempts.again()
                found, connection = services.store.get_many([found.path, ids.connection_path(found.id)])
            else:
                return True
        return False

    def _context(self, snapshot: Snapshot) -> bytes:
        connection: Connection = connection_from_document(snapshot.id, snapshot.data)
        return context_of(connector_for(self._services, snapshot.id, connection), snapshot.id, connection)

    def _wait(self) -> bool:
        """Wait until nobody has the old keyset in memory; False if the slice is over first."""
        services, published_at = self._services, self._state.published_at
        while published_at is not None and services.clock.now() < published_at + LET_GO:
            if self._is_over():
                self._hand_over()
                return False
            services.clock.sleep(_NAP_S)
        return True

    def _is_over(self) -> bool:
        return self._services.stopping() or self._services.clock.monotonic() >= self._over_at

    def _hand_over(self) -> None:
        self._commit(owner=None, expires_at=None)
        self._services.queue.publish([Message(kind="vault")])

    def _end(self, status: KeysStatus, *, error: str = "", key: int | None = None) -> None:
        state = self._state
        done = {"key": key} if key is not None else {}
        self._commit(
            status=status,
            error=error,
            finished_at=self._services.clock.now(),
            owner=None,
            expires_at=None,
            **done,
        )
        log.log(
            logging.INFO if status is KeysStatus.DONE else logging.WARNING,
            "vault %s: %s; %s credentials encrypted again, %s cannot be read",
            *(state.action, status, state.resealed, state.unreadable_count),
            extra={"action": "vault_keys", "step": state.action, "status": status, "reason": error or None},
        )

    def _commit(self, **changes: object) -> None:
        """Store the state and keep the lease, under the precondition that nobody else has.

        Raises:
            Conflict: Somebody else has the lease, or changed what is asked for.
        """
        lease = timedelta(seconds=self._services.settings.lease_seconds)
        held = {"owner": self._owner, "expires_at": self._services.clock.now() + lease}
        state = msgspec.structs.replace(self._state, **{**held, **changes})
        update = Update(KEYS_PATH, to_document(state), version=self._version)
        self._version = self._services.store.commit([update])[0].version
        self._state = state
