"""Keysets of Google's Tink for hybrid encryption (HPKE, RFC 9180), as JSON, and encryption with them.

Imported at the first encryption alone. The keys: X25519, HKDF-SHA256, AES-256-GCM. A ciphertext is 0x01, the
key's id in four bytes, the encapsulated key and the text (developers.google.com/tink/wire-format; tried with
tink 1.16.1). Tink for Python cannot change a keyset, so keys are added and dropped in its JSON form, which it
then reads.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import tink
from tink import hybrid, secret_key_access

from orchestrator.errors import SecretMissing
from orchestrator.model.vault import KeyIds, Sealed

_TEMPLATE = hybrid.hybrid_key_templates.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM
_PRIVATE = "type.googleapis.com/google.crypto.tink.HpkePrivateKey"
_PUBLIC = "type.googleapis.com/google.crypto.tink.HpkePublicKey"
_PREFIX = b"\x01"

hybrid.register()


class Keyset:
    """A keyset.

    Args:
        text: Tink's JSON.
        handle: The same, as Tink read it.
    """

    def __init__(self, text: str, handle: tink.KeysetHandle) -> None:
        self.text = text
        self._handle = handle

    def __repr__(self) -> str:
        """Without the keys."""
        return f"Keyset({self.key_ids()})"

    def key_ids(self) -> KeyIds:
        """The keys' ids."""
        info = self._handle.keyset_info()
        return KeyIds(info.primary_key_id, frozenset(key.key_id for key in info.key_info))

    def public_keys(self) -> dict[int, str]:
        """The material of each key by its id; of a public keyset."""
        return {key["keyId"]: key["keyData"]["value"] for key in json.loads(self.text)["key"]}

    def public(self) -> Keyset:
        """The public half of a private keyset."""
        return self._public

    @cached_property
    def _public(self) -> Keyset:
        handle = self._handle.public_keyset_handle()
        return Keyset(tink.json_proto_keyset_format.serialize_without_secret(handle), handle)

    @cached_property
    def _encrypter(self) -> Any:
        return self._handle.primitive(hybrid.HybridEncrypt)

    @cached_property
    def _decrypter(self) -> Any:
        return self._handle.primitive(hybrid.HybridDecrypt)

    def seal(self, content: str, context: bytes) -> Sealed:
        """Encrypt with the primary key; of a public keyset."""
        sealed: bytes = self._encrypter.encrypt(content.encode(), context)
        return Sealed(sealed, self.key_ids().primary)

    def unseal(self, sealed: bytes, context: bytes) -> str:
        """Decrypt with the key that the ciphertext names; of a private keyset.

        Raises:
            SecretMissing: The context is another one, or a byte has changed.
        """
        try:
            content: bytes = self._decrypter.decrypt(sealed, context)
            return content.decode()
        except (tink.TinkError, UnicodeDecodeError):
            # Without the cause: nothing of a text may be quoted.
            raise SecretMissing("it was encrypted for something else, or damaged") from None

    def with_new_key(self) -> Keyset:
        """The private keyset with one more key, which encrypts from now on."""
        keys, known = json.loads(self.text), self.key_ids().ids
        added = json.loads(new().text)
        while added["primaryKeyId"] in known:
            added = json.loads(new().text)
        return _private({"primaryKeyId": added["primaryKeyId"], "key": [*keys["key"], *added["key"]]})

    def only(self, key_id: int) -> Keyset:
        """The private keyset without all other keys.

        Raises:
            SecretMissing: It lacks this key.
        """
        if key_id not in self.key_ids().ids:
            raise SecretMissing(f"the vault's keyset lacks key {key_id}")
        keys = [key for key in json.loads(self.text)["key"] if key["keyId"] == key_id]
        return _private({"primaryKeyId": key_id, "key": keys})


def new() -> Keyset:
    """A private keyset with one new key."""
    handle = tink.new_keyset_handle(_TEMPLATE)
    return Keyset(tink.json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN), handle)


def parse(text: str, *, is_private: bool) -> Keyset:
    """Read a keyset.

    Raises:
        ValueError: It is none, or one of another kind; the error may quote it.
    """
    try:
        kinds = {key["keyData"]["typeUrl"] for key in json.loads(text)["key"]}
        if kinds != {_PRIVATE if is_private else _PUBLIC}:
            raise ValueError("keys of another kind")
        if is_private:
            handle = tink.json_proto_keyset_format.parse(text, secret_key_access.TOKEN)
            keyset = Keyset(text, handle)
            keyset.public()
        else:
            handle = tink.json_proto_keyset_format.parse_without_secret(text)
            keyset = Keyset(text, handle)
    except (tink.TinkError, TypeError, KeyError, RecursionError) as error:
        raise ValueError("no keyset") from error
    return keyset


def key_of(sealed: bytes) -> int:
    """The id of the key that a ciphertext was made with.

    Raises:
        SecretMissing: It is too short, or not of this form.
    """
    if len(sealed) < 5 or sealed[:1] != _PREFIX:
        raise SecretMissing("it is damaged")
    return int.from_bytes(sealed[1:5], "big")


def _private(keyset: object) -> Keyset:
    return parse(json.dumps(keyset), is_private=True)
