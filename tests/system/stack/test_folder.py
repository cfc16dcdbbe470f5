"""The local stack's folder keeps its state between two starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from local.folder import Folder, SandboxData
from local.processes import StackFailed

FIRST = SandboxData(orders=10, products=5, seed=1, until=datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder."""
    return Folder(tmp_path)


def test_a_second_stack_is_refused_with_the_firsts_process(folder: Folder) -> None:
    """While one stack holds the folder's lock, another stack fails with the holder's process id."""
    with (
        folder.lock(),
        pytest.raises(StackFailed, match=r"already runs in .* \(process \d+\)"),
        folder.lock(),
    ):
        pytest.fail("the lock was given twice")


def test_the_lock_is_free_again_afterwards(folder: Folder) -> None:
    """The end of the block releases the folder."""
    with folder.lock():
        pass
    with folder.lock():
        held = (folder.path / "lock").read_text()

    assert held.isdigit()


def test_the_same_data_keeps_its_time(folder: Folder) -> None:
    """A second start gives the sandboxes the same data, up to the same time."""
    later = msgspec.structs.replace(FIRST, until=datetime(2026, 3, 2, tzinfo=UTC))

    assert folder.sandbox_data(FIRST) == FIRST
    assert folder.sandbox_data(later) == FIRST


def test_other_data_starts_with_an_empty_store(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """A store with other data is removed, and a line says so."""
    folder.sandbox_data(FIRST)
    folder.store.write_text("old")
    more = msgspec.structs.replace(FIRST, orders=11)

    assert folder.sandbox_data(more) == more
    assert not folder.store.exists()
    assert "empty store" in capsys.readouterr().out


def test_secrets_are_files_that_only_their_owner_reads(folder: Folder) -> None:
    """The reference names a file with the content; other users cannot read it."""
    reference = folder.secret("shop", "content")

    path = Path(reference.removeprefix("file:"))
    assert path.read_text() == "content"
    assert path.stat().st_mode & 0o077 == 0


def test_the_scheduler_secret_is_made_once(folder: Folder) -> None:
    """Two starts use the same shared secret."""
    assert folder.scheduler_secret() == folder.scheduler_secret()
    assert len(folder.scheduler_secret()) >= 32
