"""An empty store, and sandboxes with one seller each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from tests.cli import shop
from tests.support.scripted import Sandbox, sandbox


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the store, which the environment names."""
    shop.environment(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    """The store that the environment names."""
    opened = SqliteStore(folder / "store.db")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def ebay() -> Iterator[Sandbox]:
    """EBay's sandbox."""
    with sandbox("ebay", orders=20, products=5) as running:
        yield running


@pytest.fixture(scope="session")
def amazon() -> Iterator[Sandbox]:
    """Amazon's sandbox, with two sellers."""
    with sandbox("amazon", orders=20, products=5, accounts=2) as running:
        yield running


@pytest.fixture
def shopify() -> Iterator[Sandbox]:
    """Shopify's sandbox."""
    with sandbox("shopify", orders=20, products=5) as running:
        yield running
