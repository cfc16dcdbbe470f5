"""Fixtures and settings of every room."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from local.google.emulators import Emulators
from tests.support import examples
from tests.support.emulators import running_emulators
from tests.support.quiet import QuietTests

# Before any test module is imported: its property tests take their number of examples from the profile.
examples.register()

# Tests start processes while grpc's threads run; its fork handlers can abort the child before it starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")


def pytest_configure(config: pytest.Config) -> None:
    """Have an unmarked test fail if it starts a process."""
    config.pluginmanager.register(QuietTests(), "quiet-tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one process of a parallel run take all tests of the emulators, so that they start once."""
    for item in items:
        if item.get_closest_marker("emulator"):
            item.add_marker(pytest.mark.xdist_group("emulators"))


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """Google's Firestore and Pub/Sub emulators, for the whole session."""
    with running_emulators(tmp_path_factory.mktemp("emulators")) as running:
        yield running
