"""Where a seller's secret is stored."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from orchestrator.adapters.secrets import Secrets
from orchestrator.errors import RequestError, SecretMissing
from orchestrator.operators.sellers.credentials import reference_of, store_credential
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.support.secrets import MemorySecrets

CLOUD = {"SYNC_QUEUE": "pubsub:sync-tasks", "GOOGLE_CLOUD_PROJECT": "my-project"}


class Strict(MemorySecrets):
    """Refuses versions of a secret that was not created, as Secret Manager does."""

    def __init__(self, *, may_create: bool = True) -> None:
        super().__init__()
        self._may_create = may_create

    def add_version(self, reference: str, content: str) -> None:
        """Only to a secret that is there."""
        if reference not in self.versions:
            raise SecretMissing(f"secret {reference}: NotFound", action="create the secret")
        super().add_version(reference, content)

    def create(self, reference: str) -> None:
        """Only with the right to."""
        if not self._may_create:
            raise SecretMissing(f"secret {reference}: PermissionDenied", action="grant secrets.create")
        super().create(reference)


def cloud(services: Services, secrets: MemorySecrets) -> Services:
    """The services as a command has them in the cloud."""
    return dataclasses.replace(services, settings=Settings.from_environment(CLOUD), secrets=secrets)


def test_in_the_cloud_the_secret_is_created_once(services: Services) -> None:
    """Then it gets versions; its name is one that the worker may read."""
    secrets = Strict()
    world = cloud(services, secrets)

    reference = store_credential(world, "my-shop", "one")
    assert store_credential(world, "my-shop", "two") == reference

    assert reference == "projects/my-project/secrets/sync-connection-my-shop/versions/latest"
    assert secrets.versions == {reference: ["one", "two"]}


def test_the_right_that_is_missing_is_named(services: Services) -> None:
    """Creating a secret needs another one than adding a version."""
    with pytest.raises(SecretMissing) as caught:
        store_credential(cloud(services, Strict(may_create=False)), "my-shop", "canary")

    assert caught.value.action == "grant secrets.create"
    assert "canary" not in str(caught.value)


def test_ids_with_dots_have_names_of_their_own() -> None:
    """Secret Manager takes no dots; two connections never share a secret."""
    settings = Settings.from_environment(CLOUD)
    names = {name: reference_of(settings, name).split("/")[3] for name in ("a.b", "a_b", "a.b.c", "A.b")}

    assert len(set(names.values())) == 4
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in names.values())


def test_on_a_laptop_it_is_a_file_beside_the_store(services: Services, tmp_path: Path) -> None:
    """Readable by its owner only."""
    world = dataclasses.replace(services, secrets=Secrets(is_development=True))

    reference = store_credential(world, "my-shop", "content")

    file = tmp_path / "store-secrets" / "my-shop.json"
    assert reference == f"file:{file}"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("content", 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_an_emulators_store_has_them_in_the_local_folder() -> None:
    """An emulator run must not write to a project's Secret Manager."""
    emulator = {**CLOUD, "ENVIRONMENT": "development", "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}

    reference = reference_of(Settings.from_environment(emulator), "my-shop")

    assert reference == f"file:{Path('.local/emulator-secrets/my-shop.json').absolute()}"


def test_without_a_project_it_says_what_to_set() -> None:
    """A store elsewhere has no Secret Manager."""
    bare = {
        "ENVIRONMENT": "development",
        "SYNC_STORE": "sqlite:x.db",
        "SYNC_QUEUE": "local:http://127.0.0.1:1",
    }
    with pytest.raises(RequestError, match="no project"):
        reference_of(_production(Settings.from_environment(bare)), "my-shop")


def _production(settings: Settings) -> Settings:
    return dataclasses.replace(settings, environment="production")
