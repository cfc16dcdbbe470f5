"""The functions as the framework serves them, on an embedded store and a queue that only remembers."""

from __future__ import annotations

import json
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import flask
import functions_framework
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from orchestrator import log_context, wiring
from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.model.connection import Connection, ConnectionStatus
from orchestrator.model.documents import to_document
from orchestrator.model.messages import Message
from orchestrator.ports import Put
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.edge import description
from tests.edge.worker import Worker
from tests.support import issuer
from tests.support.issuer import Issuer
from tests.support.project import ROOT
from tests.support.queues import ListQueue
from tests.support.secrets import RememberingSecrets

MAIN = ROOT / "main.py"
SECRET = "correct horse battery staple"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class Stage:
    """A served function with everything behind it."""

    client: FlaskClient
    services: Services
    store: SqliteStore
    queue: ListQueue
    secrets: RememberingSecrets
    issuer: Issuer

    def call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        data: bytes | str | None = None,
        content: object = None,
        as_operator: bool = True,
    ) -> TestResponse:
        """Send one request and hold the answer against the OpenAPI file."""
        caller = {"Authorization": f"Bearer {issuer.token(email=issuer.OPERATOR)}"} if as_operator else {}
        body: dict[str, Any] = {"json": content} if content is not None else {"data": data}
        response = self.client.open(path, method=method, headers={**caller, **(headers or {})}, **body)
        if method != "HEAD":
            description.check(method, path.partition("?")[0], response)
        return response

    def tick(self, headers: Mapping[str, str] | None = None, **more: Any) -> TestResponse:
        """Deliver a scheduler's tick as Cloud Scheduler does; an empty header is not sent."""
        whole = {
            "Authorization": f"Bearer {issuer.token()}",
            "x-scheduler-secret": SECRET,
            "X-CloudScheduler": "true",
            "X-CloudScheduler-JobName": "marketplace-sync",
            "X-CloudScheduler-ScheduleTime": "2026-11-23T12:00:00Z",
            **(headers or {}),
        }
        sent = {name: value for name, value in whole.items() if value}
        return self.call("POST", "/api/sync/scheduler", sent, as_operator=False, **more)

    def connect(self, *connection_ids: str, marketplace: str = "shopify", **changes: Any) -> None:
        """Store active connections."""
        for connection_id in connection_ids:
            connection = Connection(
                organization_id="org-1",
                marketplace=marketplace,
                name=f"Shop {connection_id}",
                status=ConnectionStatus.ACTIVE,
                credential="env:SHOP",
                settings={"shop": "one.myshopify.com"},
                created_at=NOW,
                updated_at=NOW,
            )
            self.store.commit([Put(f"connections/{connection_id}", {**to_document(connection), **changes})])


def environment(issuer_url: str) -> dict[str, str]:
    """A development environment with every check switched on."""
    return {
        "ENVIRONMENT": "development",
        "SYNC_STORE": "sqlite:unused.db",
        "SYNC_QUEUE": "local:http://127.0.0.1:9",
        "GOOGLE_CLOUD_PROJECT": "project-1",
        "SCHEDULER_AUDIENCE": issuer.AUDIENCE,
        "SCHEDULER_SERVICE_ACCOUNT": issuer.SCHEDULER,
        "SCHEDULER_SECRET": SECRET,
        "OPERATORS": f"{issuer.OPERATOR}, ben@example.test",
        "OIDC_CERTS_URL": issuer_url,
    }


def served(target: str) -> FlaskClient:
    """A client of one function, served by the framework from the real `main.py`."""
    create_app: Callable[[str, str], flask.Flask] = functions_framework.create_app
    return create_app(target, str(MAIN)).test_client()


def log_lines(output: str) -> list[dict[str, Any]]:
    """The logged lines."""
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Undo a served function's changes to logging, and the framework's to the environment."""
    root = logging.getLogger()
    handlers, level, environ = root.handlers[:], root.level, dict(os.environ)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    os.environ.clear()
    os.environ.update(environ)


@pytest.fixture
def certs() -> Iterator[Issuer]:
    """A running issuer."""
    with Issuer().serving() as running:
        yield running


@pytest.fixture
def settings_env(certs: Issuer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment, set; a test changes it before it asks for a stage."""
    env = environment(certs.url)
    for name in ("K_SERVICE", "FUNCTION_TARGET", "SCHEDULER_AUTH", "SKIP_SCHEDULER_AUTH", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


@pytest.fixture
def services(settings_env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    """Services over an embedded store, a remembering queue and fake secrets."""
    store = SqliteStore(tmp_path / "store.db")
    with ThreadPoolExecutor(2) as executor:
        yield Services(
            settings=Settings.from_environment(settings_env),
            store=store,
            queue=ListQueue(buries=True),
            secrets=RememberingSecrets(),
            clock=SystemClock(),
            connectors=REGISTRY,
            executor=executor,
            random=random.Random(1),
        )
    store.close()


@pytest.fixture
def stage(services: Services, certs: Issuer, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """`sync_api`, served by the framework from the real `main.py`."""
    monkeypatch.setattr(wiring, "build", lambda settings, **_: services)
    client = served("sync_api")
    assert isinstance(services.store, SqliteStore)
    assert isinstance(services.queue, ListQueue)
    assert isinstance(services.secrets, RememberingSecrets)
    return Stage(client, services, services.store, services.queue, services.secrets, certs)


@pytest.fixture
def worker(services: Services, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """`sync_worker`, served by the framework from the real `main.py`."""
    monkeypatch.setattr(wiring, "build", lambda settings, **_: services)
    staged = Worker(served("sync_worker"))

    def handle(given: Services, message: Message) -> None:
        assert given is services
        staged.bound.append(dict(log_context.current()))
        if staged.error is not None:
            raise staged.error
        staged.handled.append(message)

    module = ModuleType("orchestrator.handle")
    module.__dict__["handle"] = handle
    monkeypatch.setitem(sys.modules, "orchestrator.handle", module)
    return staged


@pytest.fixture
def queue(services: Services) -> ListQueue:
    """The queue of `services`."""
    assert isinstance(services.queue, ListQueue)
    return services.queue
