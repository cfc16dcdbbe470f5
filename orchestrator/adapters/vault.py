"""The Vault port: two keysets in the secret store, and Tink's hybrid encryption with them.

The library (0.2 s to import) is imported at the first encryption, so never by the HTTP function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import SecretAbsent, SecretMissing
from orchestrator.model.vault import KeyIds, Sealed
from orchestrator.ports import SecretStore

if TYPE_CHECKING:
    from orchestrator.adapters.hpke import Keyset

_INIT = "make the keyset: marketplace-sync vault init"
_DAMAGED = "add an older version of that secret as its latest, see docs/operating.md"


class KeysetVault:
    """The Vault port; safe for threads.

    Args:
        secrets: The store of both keysets; it may keep them in memory for some minutes.
        private: The reference of the private keyset; empty if this process does not decrypt.
        public: The reference of the public keyset.
    """

    def __init__(self, secrets: SecretStore, *, private: str, public: str) -> None:
        self._secrets = secrets
        self._private, self._public = private, public
        #: The last keyset of each reference, by its text: reading a keyset costs more than comparing it.
        self._read: dict[str, tuple[str, Keyset]] = {}

    def __repr__(self) -> str:
        """Without the keys."""
        return f"KeysetVault({self._private!r}, {self._public!r})"

    def seal(self, content: str, context: bytes) -> Sealed:
        """See Vault."""
        return self._required(self._public).seal(content, context)

    def seal_own(self, content: str, context: bytes) -> Sealed:
        """See Vault."""
        return self._required(self._private).public().seal(content, context)

    def unseal(self, sealed: bytes, context: bytes) -> str:
        """See Vault."""
        from orchestrator.adapters import hpke  # noqa: PLC0415 - the first use imports Tink

        key_id = hpke.key_of(sealed)
        keyset = self._required(self._private)
        if key_id not in keyset.key_ids().ids:
            keyset = self._required(self._private, fresh=True)
        if key_id not in keyset.key_ids().ids:
            raise SecretMissing(f"it was encrypted with key {key_id}, which the vault's keyset lacks")
        return keyset.unseal(sealed, context)

    def held(self) -> KeyIds | None:
        """See Vault."""
        keyset = self._fresh(self._private)
        return keyset.key_ids() if keyset is not None else None

    def published(self) -> KeyIds | None:
        """See Vault."""
        keyset = self._fresh(self._public)
        return keyset.key_ids() if keyset is not None else None

    def has_foreign_keys(self) -> bool:
        """See Vault."""
        published = self._fresh(self._public)
        held = self._fresh(self._private)
        if published is None:
            return False
        return held is None or not published.public_keys().items() <= held.public().public_keys().items()

    def add_key(self) -> KeyIds:
        """See Vault."""
        from orchestrator.adapters import hpke  # noqa: PLC0415 - the first use imports Tink

        keyset = self._fresh(self._private)
        return self._store(self._private, keyset.with_new_key() if keyset is not None else hpke.new())

    def drop_others(self, key_id: int) -> KeyIds:
        """See Vault."""
        keyset = self._required(self._private, fresh=True)
        only = keyset.only(key_id)
        # First where they encrypt: the other way round, a public keyset that is left behind would have keys
        # that the private one lacks, like one that was exchanged.
        self._publish(only)
        if keyset.key_ids() != only.key_ids():
            self._store(self._private, only)
        return only.key_ids()

    def publish(self) -> None:
        """See Vault."""
        self._publish(self._required(self._private, fresh=True))

    def _publish(self, private: Keyset) -> None:
        public, published = private.public(), self._fresh(self._public)
        if published is None or published.text != public.text:
            self._store(self._public, public)

    def _store(self, reference: str, keyset: Keyset) -> KeyIds:
        try:
            self._secrets.add_version(reference, keyset.text)
        except SecretMissing as refused:
            # On a laptop its folder is missing. In the cloud Terraform makes the secret, and the worker may
            # not: its error would ask for a role that it must not have.
            try:
                self._secrets.create(reference)
            except SecretMissing:
                raise refused from None
            self._secrets.add_version(reference, keyset.text)
        return keyset.key_ids()

    def _required(self, reference: str, *, fresh: bool = False) -> Keyset:
        keyset = self._fresh(reference) if fresh else self._parsed(reference, self._text(reference))
        if keyset is None:
            raise SecretMissing(f"the vault has no keyset yet: secret {reference} is empty", action=_INIT)
        return keyset

    def _fresh(self, reference: str) -> Keyset | None:
        """The keyset as it is now; None if there is none."""
        return self._parsed(reference, self._text(reference, fresh=True))

    def _text(self, reference: str, *, fresh: bool = False) -> str | None:
        if not reference:
            raise SecretMissing(
                "this process cannot open the vault: VAULT_KEYSET, which only the worker has, "
                "is not set in its environment",
                action="set it for the worker (see docs/settings.md)",
            )
        try:
            return self._secrets.get(reference, fresh=fresh)
        except SecretAbsent:
            return None

    def _parsed(self, reference: str, text: str | None) -> Keyset | None:
        if text is None:
            return None
        known = self._read.get(reference)
        if known is not None and known[0] == text:
            return known[1]
        from orchestrator.adapters import hpke  # noqa: PLC0415 - the first use imports Tink

        try:
            keyset = hpke.parse(text, is_private=reference == self._private)
        except ValueError:
            # Without the cause: it could quote the keyset.
            raise SecretMissing(
                f"secret {reference}: holds no keyset of the vault", action=_DAMAGED
            ) from None
        self._read[reference] = text, keyset
        return keyset
