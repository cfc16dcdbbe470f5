"""The local stack's folder keeps its state between two starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from local.folder import DataSet, Folder, SandboxData
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


def started(folder: Folder, wanted: SandboxData, *, reset: bool = False) -> DataSet:
    """A start that has come so far that its store exists."""
    data_set = folder.data_set(wanted, reset=reset)
    data_set.keep()
    data_set.store.touch()
    return data_set


def test_the_same_data_keeps_its_time(folder: Folder) -> None:
    """A second start gives the sandboxes the same data, up to the same time, and the same store."""
    later = msgspec.structs.replace(FIRST, until=datetime(2026, 3, 2, tzinfo=UTC))

    assert started(folder, FIRST).data == FIRST
    again = folder.data_set(later)
    assert (again.data, again.store, again.is_new) == (FIRST, folder.store, False)


@pytest.mark.parametrize(
    "change",
    [{"orders": 11}, {"products": 6}, {"seed": 2}, {"data": "/shop", "content": "a" * 64}],
    ids=lambda change: next(iter(change)),
)
def test_other_data_has_another_store_and_the_first_one_stays(
    folder: Folder, change: dict[str, object]
) -> None:
    """There and back: each data set finds its own store again, and no store is emptied."""
    first = started(folder, FIRST)
    other = started(folder, msgspec.structs.replace(FIRST, **change))

    assert other.is_new
    assert other.store.parent.parent == folder.path / "stores"
    assert first.store.exists()
    assert folder.data_set(first.data).store == first.store
    assert folder.data_set(other.data).store == other.store
    assert not folder.data_set(other.data).is_new


def test_real_data_is_known_by_its_content(folder: Folder) -> None:
    """A copy of the folder has the same store; changed files have another one."""
    real = msgspec.structs.replace(FIRST, data="/shop", content="a" * 64)
    copied = msgspec.structs.replace(real, data="/copy")
    changed = msgspec.structs.replace(real, content="b" * 64)
    store = started(folder, real).store

    assert folder.data_set(copied).store == store
    assert folder.data_set(copied).data.data == "/copy"
    assert folder.data_set(changed).store != store


def test_a_reset_empties_the_store_of_this_data_alone(folder: Folder) -> None:
    """Database, queue and write-ahead log go; the other data's store and the secrets stay."""
    first, other = started(folder, FIRST), started(folder, msgspec.structs.replace(FIRST, orders=11))
    for name in ("store-queue.db", "store.db-wal"):
        (other.path / name).touch()
    secret = Path(folder.secret("shop", "content").removeprefix("file:"))

    emptied = folder.data_set(other.data, reset=True)

    assert emptied.is_new
    assert list(other.path.iterdir()) == []
    assert first.store.exists()
    assert secret.exists()


def test_a_store_of_unknown_data_is_refused(folder: Folder) -> None:
    """Nothing is guessed, and nothing removed."""
    started(folder, FIRST)
    (folder.path / "sandbox.json").write_text("{")

    with pytest.raises(StackFailed, match=r"sandbox.json does not tell which data .*store.db belongs to"):
        folder.data_set(FIRST)
    assert folder.store.exists()


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
