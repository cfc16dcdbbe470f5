"""Services on an embedded store, with one made-up marketplace and a clock that tests own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.errors import SecretMissing
from orchestrator.marketplaces import session_request
from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.session_request import SessionRequest, read_settings
from orchestrator.marketplaces.spec import Connector, Listing, Page, Session, Stream, Window
from orchestrator.model.messages import Message
from orchestrator.model.record import Product, Record
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.support.connectors import OPEN_TO_ALL, NoCredential

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """Time that passes only by sleeping; `on_sleep` is what the rest of the world does meanwhile."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        """The start and what was slept."""
        return START + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        """What was slept."""
        return self.elapsed_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.elapsed_s += seconds
        self.on_sleep()


@dataclass
class Queue:
    """Remembers what was published."""

    published: list[Message] = field(default_factory=list)

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Remember the messages."""
        self.published += messages

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Every message here can be read."""
        raise AssertionError(reason)


@dataclass
class Secrets:
    """Secrets in memory."""

    contents: dict[str, str] = field(default_factory=lambda: {"env:SHOP": '{"api_key": "k-1"}'})

    def get(self, reference: str, *, fresh: bool = False) -> str:
        """The content."""
        if reference not in self.contents:
            raise SecretMissing(f"no secret {reference}")
        return self.contents[reference]

    def previous(self, reference: str) -> str | None:
        """There is none."""
        return None

    def add_version(self, reference: str, content: str) -> None:
        """Replace the content."""
        self.contents[reference] = content


class ShopSettings(session_request.Settings, frozen=True, kw_only=True):
    """What a connection to the made-up marketplace takes."""

    shop: str


class NoAuth:
    """Sends no credentials."""

    def headers(self, client: Client) -> dict[str, str]:
        """None."""
        return {}

    def refresh(self, client: Client) -> bool:
        """There is nothing to refresh."""
        return False


def open_session(given: SessionRequest) -> Session:
    """Read settings and secret, as every connector does."""
    settings = read_settings(given, ShopSettings)
    given.secrets.get(given.connection.credential)
    client = Client(given, marketplace="takealot", hosts=frozenset({"shop.example"}), auth=NoAuth())
    return Session(client=client, settings=settings)


def no_page(session: Session, window: Window, token: str | None) -> Page:
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


@pytest.fixture
def clock() -> Clock:
    """The clock of `services`."""
    return Clock()


@pytest.fixture
def queue() -> Queue:
    """The queue of `services`."""
    return Queue()


@pytest.fixture
def services(tmp_path: Path, clock: Clock, queue: Queue) -> Iterator[Services]:
    """An embedded store and the made-up marketplace."""
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
            secrets=Secrets(),
            clock=clock,
            connectors={"takealot": CONNECTOR},
            executor=executor,
            random=random.Random(1),
        )
    store.close()
