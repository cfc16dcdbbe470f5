"""People and a worker on one store: the worker alone reads the vault's private keyset."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator import handle
from orchestrator.adapters.vault import KeysetVault
from orchestrator.marketplaces.session_request import SessionRequest, Settings, read_settings
from orchestrator.marketplaces.spec import AnySession, Session
from orchestrator.model.audit import Actor, Face
from orchestrator.model.connection import VAULT, Connection, connection_from_document
from orchestrator.model.messages import Message, encode
from orchestrator.model.vault import KEYS_PATH, KeysState
from orchestrator.operators.sellers import adding
from orchestrator.operators.sellers.adding import Secret
from orchestrator.services import Services
from orchestrator.vault.credential import VaultCredential
from tests.support.lines import Lines, kept
from tests.support.queues import ListQueue
from tests.support.secrets import RememberingSecrets
from tests.support.world import FakeClient, World

ME = Actor("jane@example.com", Face.COMMAND_LINE)
PRIVATE, PUBLIC = "file:private", "file:public"
#: Appears in every credential; nothing else may hold it.
CANARY = "canary-8c1f"


class ShopSettings(Settings, frozen=True, kw_only=True):
    """The settings of a connection to the made-up marketplace."""

    shop: str = "one"
    colour: str = "red"


class Pushing(ListQueue):
    """Delivers each message while its publisher waits, as Pub/Sub does within seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.worker: Services | None = None
        self.bodies: list[bytes] = []

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Deliver at once, if there is a worker."""
        self.bodies += map(encode, messages)
        super().publish(messages, not_before=not_before)
        while self.worker is not None and self.messages:
            handle.handle(self.worker, self.messages.pop(0))


@dataclass
class Site:
    """Everything together."""

    world: World
    secrets: RememberingSecrets
    queue: Pushing
    people: Services
    worker: Services
    lines: Lines
    #: The credentials that the marketplace was shown, by connection.
    shown: dict[str, str]

    def add(self, name: str, secret: str = "", **fields: Any) -> Connection:
        """A person adds a connection whose credential lies in the vault."""
        given = {"organization_id": "org-1", "marketplace": "shopify", "name": name, "settings": {}} | fields
        content = secret or self.secret(name)
        added = adding.add(self.people, name, by=ME, secret=Secret(content), credential="", **given)[0]
        assert added.credential == VAULT
        return added

    def secret(self, name: str, *, size: int = 0) -> str:
        """A credential's JSON."""
        return msgspec.json.encode({"token": f"{CANARY}-{name}", "fill": "x" * size}).decode()

    def credential(self, name: str) -> VaultCredential:
        """A connection's credential, as the worker reads it for a task."""
        document = self.world.get(f"connections/{name}").data
        connection = connection_from_document(name, document)
        return VaultCredential(self.worker, self.world.store, name, connection)

    def read(self, name: str) -> str:
        """A connection's credential, as the worker reads it for a task."""
        return self.credential(name).get(VAULT)

    def keys(self) -> KeysState:
        """The state of the keys."""
        return msgspec.convert(self.world.get(KEYS_PATH).data, KeysState)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose vault has its first key."""
    world, secrets, queue = World(tmp_path), RememberingSecrets({"env:NONE": ["{}"]}), Pushing()
    shown: dict[str, str] = {}

    def open_session(opening: SessionRequest) -> AnySession:
        settings = read_settings(opening, ShopSettings)
        shown[opening.connection_id] = opening.secrets.get(opening.connection.credential)
        return Session(client=FakeClient(opening.connection_id, clock=opening.clock), settings=settings)  # type: ignore[arg-type]  # a fake

    connector = dataclasses.replace(
        world.bazaar.connector,
        settings=ShopSettings,
        target=("shop",),
        open=open_session,
        check=lambda session: f"shop {session.settings.shop}",
    )
    both = dataclasses.replace(
        world.services,
        secrets=secrets,
        queue=queue,
        connectors={"shopify": connector, "takealot": dataclasses.replace(connector, marketplace="takealot")},
    )
    worker = dataclasses.replace(both, vault=KeysetVault(secrets, private=PRIVATE, public=PUBLIC))
    people = dataclasses.replace(both, vault=KeysetVault(secrets, private="", public=PUBLIC))
    assert worker.vault is not None
    worker.vault.add_key()
    worker.vault.publish()
    queue.worker = worker
    with kept(world.clock) as lines:
        yield Site(world, secrets, queue, people, worker, lines, shown)
