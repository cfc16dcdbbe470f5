"""Services on an embedded store, with one invented marketplace and a virtual clock."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.marketplaces import session_request
from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.session_request import SessionRequest, read_settings
from orchestrator.marketplaces.spec import AnySession, Connector, Listing, Page, Session, Stream, Window
from orchestrator.model.records.record import Product, Record
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.support.clocks import VirtualClock
from tests.support.connectors import OPEN_TO_ALL, NoCredential
from tests.support.queues import ListQueue
from tests.support.secrets import MemorySecrets

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class ShopSettings(session_request.Settings, frozen=True, kw_only=True):
    """The settings of a connection to the invented marketplace."""

    shop: str


class NoAuth:
    """Sends no credentials."""

    def headers(self, client: Client) -> dict[str, str]:
        """There are none."""
        return {}

    def refresh(self, client: Client) -> bool:
        """There is nothing to refresh."""
        return False


def open_session(given: SessionRequest) -> AnySession:
    """Read settings and secret, as every connector does."""
    settings = read_settings(given, ShopSettings)
    given.secrets.get(given.connection.credential)
    client = Client(given, marketplace="takealot", hosts=frozenset({"shop.example"}), auth=NoAuth())
    return Session(client=client, settings=settings)


def no_page(session: AnySession, window: Window, token: str | None) -> Page:
    """An empty listing."""
    return Page(records=[], next_token=None)


def as_product(raw: bytes, keep_pii: bool) -> Record:
    """Any bytes are a product."""
    return Product(id=raw.decode(), status="active", marketplace_status="live")


CONNECTOR = Connector(
    marketplace="takealot",
    settings=ShopSettings,
    credential=NoCredential,
    access=OPEN_TO_ALL,
    streams={
        name: Stream(
            name=name,
            listing=Listing.SNAPSHOT,
            fetch=no_page,
            normalize=as_product,
            record_id=bytes.decode,
            version=1,
            age=timedelta(0),
            durable_token=False,
        )
        for name in ("orders", "products")
    },
    epoch=START,
    open=open_session,
    check=lambda session: f"account of {session.settings.shop}",
    personal_fields=frozenset(),
)


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ui` would serve the page until it is told to end."""
    monkeypatch.setattr("orchestrator.page.server.serve", lambda *_, **__: None)


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of `services`."""
    return VirtualClock(START)


@pytest.fixture
def queue() -> ListQueue:
    """The queue of `services`."""
    return ListQueue()


@pytest.fixture
def services(tmp_path: Path, clock: VirtualClock, queue: ListQueue) -> Iterator[Services]:
    """An embedded store and the invented marketplace."""
    store = SqliteStore(tmp_path / "store.db")
    with ThreadPoolExecutor(1) as executor:
        yield Services(
            settings=Settings.from_environment(
                {
                    "ENVIRONMENT": "development",
                    "SYNC_STORE": f"sqlite:{tmp_path / 'store.db'}",
                    "SYNC_QUEUE": "local:http://127.0.0.1:1",
                }
            ),
            store=store,
            queue=queue,
            secrets=MemorySecrets({"env:SHOP": ['{"api_key": "k-1"}']}),
            clock=clock,
            connectors={"takealot": CONNECTOR},
            executor=executor,
            random=random.Random(1),
        )
    store.close()
