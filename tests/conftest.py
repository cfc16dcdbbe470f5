"""What tests of several parts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.emulators import Emulators
from tests.emulators import running_emulators


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """Google's Firestore and Pub/Sub emulators, for the whole session."""
    with running_emulators(tmp_path_factory.mktemp("emulators")) as running:
        yield running
