"""Sellers' credentials: where a new one is stored, and how one is tried before it is stored."""

from __future__ import annotations

import hashlib
from pathlib import Path

from orchestrator.errors import RequestError, SecretMissing
from orchestrator.model.connection import VAULT
from orchestrator.services import Services
from orchestrator.settings import Settings

#: The worker may read secrets of no other name (Terraform's variable `connection_prefix`).
PREFIX = "sync-connection-"
#: The folder of a store that has no file, such as the emulator's.
_LOCAL = Path(".local")


def store_credential(services: Services, connection_id: str, content: str) -> str:
    """Store a connection's secret as a new latest version; returns its reference.

    In the cloud it goes to Secret Manager, which gets the secret first if there is none. In development
    without the cloud it goes to a file beside the store, which only its owner can read.

    Raises:
        SecretMissing: The caller may not write it.
        SecretUnavailable: The secret store did not answer.
    """
    reference = reference_of(services.settings, connection_id)
    try:
        services.secrets.add_version(reference, content)
    except SecretMissing:
        # Either there is no such secret, or the caller may not write to it: creating it tells.
        services.secrets.create(reference)
        services.secrets.add_version(reference, content)
    return reference


def place_of(services: Services, connection_id: str) -> str:
    """The `credential` of a connection that gets a new secret: the vault, or a reference without one.

    Raises:
        RequestError: There is neither a vault nor a project whose Secret Manager could hold it.
    """
    return VAULT if services.vault is not None else reference_of(services.settings, connection_id)


def reference_of(settings: Settings, connection_id: str) -> str:
    """The reference of the secret that `store_credential` writes.

    Raises:
        RequestError: There is no project whose Secret Manager could hold it.
    """
    scheme, _, path = settings.sync_store.partition(":")
    if settings.is_development and (scheme == "sqlite" or settings.firestore_emulator_host):
        store = Path(path) if scheme == "sqlite" else _LOCAL / "emulator"
        return f"file:{(store.parent / f'{store.stem}-secrets' / f'{connection_id}.json').absolute()}"
    if not settings.google_cloud_project:
        raise RequestError(
            "no project is named whose Secret Manager could hold the secret",
            action="set GOOGLE_CLOUD_PROJECT, or store the secret yourself and take --credential REFERENCE",
        )
    name = f"{PREFIX}{_plain(connection_id)}"
    return f"projects/{settings.google_cloud_project}/secrets/{name}/versions/latest"


def _plain(connection_id: str) -> str:
    """A connection's id in letters that Secret Manager takes (no dot); different ids keep different names.

    Source: https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create, read
    2026-11-29.
    """
    if "." not in connection_id:
        return connection_id
    digest = hashlib.sha256(connection_id.encode()).hexdigest()[:12]
    return f"{connection_id.replace('.', '_')}-{digest}"


class HeldSecret:
    """The SecretStore port for one secret that is stored nowhere yet; it answers every reference.

    A marketplace may replace a refresh token while it is tried: `content` is then the replacement.
    """

    def __init__(self, content: str) -> None:
        self.content = content
        #: Whether the marketplace has replaced a token in it.
        self.is_replaced = False
        self._before: str | None = None

    def get(self, reference: str, *, fresh: bool = False) -> str:  # noqa: ARG002 - the port's signature
        """The content."""
        return self.content

    def previous(self, reference: str) -> str | None:  # noqa: ARG002 - the port's signature
        """The content before its replacement."""
        return self._before

    def add_version(self, reference: str, content: str) -> None:  # noqa: ARG002 - the port's signature
        """Replace it."""
        self._before, self.content, self.is_replaced = self.content, content, True

    def create(self, reference: str) -> None:
        """It is there."""
