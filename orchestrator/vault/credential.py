"""A connection's credential in the vault: encrypted for this connection and this target alone.

Whoever may write documents may exchange ciphertexts and edit connections. The context that is authenticated
with a ciphertext has everything that decides whose credential it is and which host it is sent to. So such a
change makes the ciphertext unreadable instead of sending the credential elsewhere.
"""

from __future__ import annotations

import contextlib
import logging

import msgspec

from orchestrator.errors import Conflict, ConnectionInvalid, SecretError, SecretMissing, SecretUnavailable
from orchestrator.marketplaces.spec import AnyConnector
from orchestrator.model import ids
from orchestrator.model.connection import VAULT, Connection
from orchestrator.model.documents import attempt, to_document
from orchestrator.model.vault import StoredCredential
from orchestrator.ports import DocumentStore, Put, SecretStore, Snapshot, Update, Vault
from orchestrator.services import Services

log = logging.getLogger(__name__)

#: The first part of every context: another form of context gets another word.
_FORM = "marketplace-sync credential 1"
#: Attempts to store a rotated token beside other writers.
_TRIES = 10


def context_of(connector: AnyConnector, connection_id: str, connection: Connection) -> bytes:
    """The context of a connection's credential: each part with its length before it.

    Raises:
        ConnectionInvalid: The settings do not fit the marketplace.
    """
    try:
        settings = msgspec.convert(connection.settings, connector.settings)
    except msgspec.ValidationError as error:
        raise ConnectionInvalid(
            f"connections/{connection_id}: settings: {error}", action="correct the connection's settings"
        ) from error
    parts = [_FORM, connection.organization_id, connection_id, connection.marketplace]
    for name in sorted({*connector.target, "base_url"}):
        value = getattr(settings, name)
        if value is not None:
            parts += [name, value]
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def vault_of(services: Services) -> Vault:
    """The vault.

    Raises:
        SecretMissing: This installation has none.
    """
    if services.vault is None:
        raise SecretMissing(
            "there is no vault: VAULT_PUBLIC_KEYSET is not set",
            action="set it (see docs/deploy.md), or take --credential REFERENCE",
        )
    return services.vault


def own_vault(services: Services) -> Vault:
    """The vault of the worker, which alone reads credentials.

    Raises:
        SecretMissing: Its environment names none. The message is read at machines whose environment may.
    """
    if services.vault is None:
        raise SecretMissing(
            "the worker has no vault: VAULT_PUBLIC_KEYSET is not set in its environment",
            action="set it for the worker (see docs/settings.md), then repeat",
        )
    return services.vault


def connector_for(services: Services, connection_id: str, connection: Connection) -> AnyConnector:
    """The connector of a connection's marketplace.

    Raises:
        ConnectionInvalid: There is none.
    """
    connector = services.connectors.get(connection.marketplace)
    if connector is None:
        raise ConnectionInvalid(
            f"connections/{connection_id}: marketplace {connection.marketplace!r} is not known; "
            f"known are {', '.join(sorted(services.connectors))}",
            action="correct the connection document",
        )
    return connector


def sealed_write(services: Services, connection_id: str, connection: Connection, content: str) -> Put:
    """The write that sets a credential; it belongs into the commit that sets the connection's fields.

    Raises:
        ConnectionInvalid: The settings do not fit the marketplace.
        SecretError: There is no vault, or its public keyset cannot be read.
    """
    context = context_of(connector_for(services, connection_id, connection), connection_id, connection)
    sealed = vault_of(services).seal(content, context)
    now = services.clock.now()
    stored = StoredCredential(sealed=sealed.content, key_id=sealed.key_id, set_at=now, updated_at=now)
    return Put(ids.credential_path(connection_id), to_document(stored))


def secrets_of(
    services: Services, store: DocumentStore, connection_id: str, connection: Connection
) -> SecretStore:
    """The secret store of a connection's session: its credential in the vault, or the references' store."""
    if connection.credential != VAULT:
        return services.secrets
    return VaultCredential(services, store, connection_id, connection)


def log_foreign_key() -> None:
    """Tell that the public keyset was exchanged, or that the private one is an old one."""
    log.error(
        "the vault's public keyset has a key that its private keyset lacks: a stranger may be able to read "
        "credentials that were set since",
        extra={"action": "vault_foreign_key"},
    )


class VaultCredential:
    """The SecretStore port for one connection's credential in the vault; it answers every reference.

    Args:
        services: For the vault, the connector and the clock.
        store: Counts the reads and writes.
        connection_id: The connection.
        connection: Its document as it was read.
    """

    def __init__(
        self, services: Services, store: DocumentStore, connection_id: str, connection: Connection
    ) -> None:
        self._services, self._store = services, store
        self._connection_id, self._connection = connection_id, connection
        self._path = ids.credential_path(connection_id)
        #: As it was read or written last.
        self._known: tuple[Snapshot, StoredCredential] | None = None

    def __repr__(self) -> str:
        """Without the credential."""
        return f"VaultCredential({self._connection_id!r})"

    def get(self, reference: str, *, fresh: bool = False) -> str:  # noqa: ARG002 - the port's signature
        """The credential, from memory if it was read before and need not be fresh."""
        _, stored = self._read(fresh=fresh)
        return self._unsealed(stored.sealed)

    def previous(self, reference: str) -> str | None:  # noqa: ARG002 - the port's signature
        """The credential before the last rotation of a token."""
        _, stored = self._read()
        return self._unsealed(stored.previous) if stored.previous is not None else None

    def add_version(self, reference: str, content: str) -> None:  # noqa: ARG002 - the port's signature
        """Store a credential with a rotated token, and keep the one before it.

        Raises:
            SecretUnavailable: A person has set another credential meanwhile, which must not be overwritten.
        """
        set_at = self._read()[1].set_at
        sealed = own_vault(self._services).seal_own(content, self._context())
        for _ in range(_TRIES):
            snapshot, stored = self._read()
            if stored.set_at != set_at:
                raise SecretUnavailable(
                    f"connections/{self._connection_id}: its credential was replaced while a token of it "
                    "was renewed; the new one is used from the next attempt on"
                )
            changed = msgspec.structs.replace(
                stored,
                sealed=sealed.content,
                key_id=sealed.key_id,
                previous=self._under(sealed.key_id, stored),
                updated_at=self._services.clock.now(),
            )
            try:
                self._store.commit([Update(self._path, to_document(changed), version=snapshot.version)])
            except Conflict:
                self._read(fresh=True)
                continue
            self._known = None
            return
        raise SecretUnavailable(f"connections/{self._connection_id}: its credential changes too often")

    def create(self, reference: str) -> None:
        """It is there."""

    def _read(self, *, fresh: bool = False) -> tuple[Snapshot, StoredCredential]:
        if self._known is None or fresh:
            snapshot = self._store.get(self._path)
            if snapshot is None:
                raise self._unusable("is not there")
            stored, fault = attempt(StoredCredential, snapshot)
            if stored is None:
                raise self._unusable(fault)
            self._known = snapshot, stored
        return self._known

    def _unsealed(self, sealed: bytes) -> str:
        vault = own_vault(self._services)
        try:
            return vault.unseal(sealed, self._context())
        except SecretMissing as error:
            with contextlib.suppress(SecretError):
                if vault.has_foreign_keys():
                    log_foreign_key()
            raise self._unusable(error.message, error.action) from None

    def _under(self, key_id: int, stored: StoredCredential) -> bytes | None:
        """The credential before, under the key of the new one; None if it cannot be encrypted again.

        A rotation of the keys looks at `key_id` alone, so it would drop the key of another ciphertext.
        """
        if stored.key_id == key_id:
            return stored.sealed
        # The new token is the only one that is sure to work: it is stored whatever happens here.
        with contextlib.suppress(SecretError):
            content = self._unsealed(stored.sealed)
            return own_vault(self._services).seal_own(content, self._context()).content
        return None

    def _context(self) -> bytes:
        connector = connector_for(self._services, self._connection_id, self._connection)
        return context_of(connector, self._connection_id, self._connection)

    def _unusable(self, fault: str, action: str = "") -> SecretError:
        return SecretMissing(
            f"connections/{self._connection_id}: its credential in the vault cannot be used: {fault}",
            action=action
            or "if its organization, marketplace or target was edited, undo that; else set it again: "
            f"marketplace-sync connections set {self._connection_id} --secret-file -",
        )
