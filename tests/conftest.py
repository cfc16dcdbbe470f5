"""What tests of several parts share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from local.google.emulators import Emulators
from tests.support.emulators import running_emulators

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Tests start processes while grpc's threads run; its fork handlers can abort the child before it starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """Google's Firestore and Pub/Sub emulators, for the whole session."""
    with running_emulators(tmp_path_factory.mktemp("emulators")) as running:
        yield running
