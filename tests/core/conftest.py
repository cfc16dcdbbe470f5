"""Fixtures of the core's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fresh world with one marketplace."""
    return World(tmp_path)
