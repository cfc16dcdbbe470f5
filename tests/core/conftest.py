"""Fixtures of the core's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import pages
from tests.core.world import World


@pytest.fixture(autouse=True)
def _every_page_is_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are not joined, so that few records make many commits."""
    monkeypatch.setattr(pages, "JOINED_RECORDS", 1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fresh world with one marketplace."""
    return World(tmp_path)
