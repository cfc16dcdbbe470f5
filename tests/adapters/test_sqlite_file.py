"""The embedded store's file: made, shared, refused, and reported in one line when it is unusable."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.adapters.embedded import database
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.errors import StoreUnavailable
from orchestrator.model.messages import Message
from orchestrator.ports import Create, Put, Query, Update
from tests.support.project import ROOT

#: Adds 1 to a shared counter a number of times, by read, decide and commit.
COUNTER = """
import sys
from pathlib import Path
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.errors import Conflict
from orchestrator.ports import Create, Update
store = SqliteStore(Path(sys.argv[1]))
for step in range(int(sys.argv[2])):
    while True:
        try:
            read = store.get("a/b")
            if read is None:
                store.commit([Create("a/b", {"n": 1})])
            else:
                store.commit([Update("a/b", {"n": read.data["n"] + 1}, version=read.version)])
            break
        except Conflict:
            pass
"""
#: Commits for ever, a pair of documents at a time, saying when it has begun.
WRITER = """
import itertools, sys
from pathlib import Path
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.ports import Put
store = SqliteStore(Path(sys.argv[1]))
for n in itertools.count():
    bulk = [Put(f"bulk/{k}", {"n": n, "t": "x" * 500}) for k in range(200)]
    store.commit([Put("a/1", {"n": n}), *bulk, Put("a/2", {"n": n})])
    if n == 20:
        print("begun", flush=True)
"""
#: Uses the store, forks, and uses it in both.
FORKER = """
import os, sys
from pathlib import Path
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.ports import Update
store = SqliteStore(Path(sys.argv[1]))
store.get("a/b")
child = os.fork()
for _ in range(50):
    store.commit([Update("a/b", increments={"n": 1})])
if child:
    sys.exit(os.waitpid(child, 0)[1])
os._exit(0)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The store's file, two folders that are not there yet."""
    return tmp_path / "one" / "two" / "store.db"


def _run(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=ROOT, stdout=subprocess.PIPE)


def test_documents_are_there_after_reopening(path: Path) -> None:
    """The folder is made, and another store on the same file reads the commit."""
    first = SqliteStore(path)
    first.commit([Create("a/b", {"n": 1})])
    first.close()

    second = SqliteStore(path)
    read = second.get("a/b")
    second.close()

    assert read is not None
    assert read.data == {"n": 1}


@pytest.mark.processes
def test_processes_lose_no_update(path: Path) -> None:
    """Processes that open the file at once and count in one document get every step in."""
    processes = [_run(COUNTER, str(path), "40") for _ in range(4)]

    codes = [process.wait(60) for process in processes]
    for process in processes:
        process.communicate()
    store = SqliteStore(path)
    read = store.get("a/b")
    store.close()

    assert codes == [0] * 4
    assert read is not None
    assert read.data == {"n": 160}


@pytest.mark.processes
def test_a_killed_writer_leaves_whole_commits(path: Path) -> None:
    """After SIGKILL in the middle of writing, a commit is there whole or not at all."""
    process = _run(WRITER, str(path))
    assert process.stdout is not None
    process.stdout.readline()

    process.kill()
    process.communicate()
    store = SqliteStore(path)
    found = store.query(Query("a", limit=9)) + store.query(Query("bulk", limit=500))
    numbers = {document.data["n"] for document in found}
    count = store.count("bulk")
    store.close()

    assert len(numbers) == 1
    assert count == 200


@pytest.mark.processes
def test_a_store_can_be_used_on_both_sides_of_a_fork(path: Path) -> None:
    """A connection opened before a fork is not used by the child."""
    store = SqliteStore(path)
    store.commit([Create("a/b", {"n": 0})])
    store.close()

    process = _run(FORKER, str(path))
    assert process.wait(60) == 0
    process.communicate()

    read = store.get("a/b")
    store.close()
    assert read is not None
    assert read.data == {"n": 100}


def test_many_threads_open_a_new_file(path: Path) -> None:
    """Threads that all come first make one schema and lose nothing."""
    store = SqliteStore(path)
    together = threading.Barrier(16)

    def create(thread: int) -> None:
        together.wait()
        store.commit([Create(f"a/{thread}", {})])

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(create, range(16)))

    assert store.count("a") == 16
    store.close()


def test_readers_go_on_beside_a_writer(path: Path) -> None:
    """While another process holds the file for writing, reading answers with the last commit."""
    store = SqliteStore(path)
    store.commit([Create("a/b", {"n": 1})])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    read = store.get("a/b")

    other.close()
    store.close()
    assert read is not None


def test_a_file_held_too_long_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that never ends is reported, and nothing was written."""
    monkeypatch.setattr(database, "BUSY_S", 0.1)
    store = SqliteStore(path)
    store.commit([Create("a/b", {"n": 1})])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="locked"):
        store.commit([Update("a/b", {"n": 2})])

    other.close()
    store.commit([Update("a/b", {"n": 3})])
    store.close()


def _damaged(path: Path) -> str:
    path.write_bytes(b"this is no database at all, but a text that is long enough " * 20)
    return "not a database"


def _of_another_program(path: Path) -> str:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (n)")
    connection.close()
    return "another program's"


def _of_the_queue(path: Path) -> str:
    queue = LocalQueue(path, "http://127.0.0.1:9/", delivers=False)
    queue.publish([Message(kind="heal")])
    queue.close()
    return "one of another kind"


def _newer(path: Path) -> str:
    store = SqliteStore(path)
    store.commit([Put("a/b", {})])
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    return "has schema version 99, this release needs 1"


@pytest.mark.parametrize("spoil", [_damaged, _of_another_program, _of_the_queue, _newer])
def test_a_file_that_is_not_ours_is_refused(path: Path, spoil: Callable[[Path], str]) -> None:
    """A damaged, foreign or newer file gives one line that names it, and is left as it is."""
    path.parent.mkdir(parents=True)
    expected = spoil(path)
    before = path.read_bytes()
    store = SqliteStore(path)

    with pytest.raises(StoreUnavailable, match=expected) as caught:
        store.get("a/b")

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.action
    assert path.read_bytes() == before


@pytest.mark.parametrize("path_given", ["", "a", "a/b/c", "/b", "a/"])
def test_a_path_that_names_no_document_is_a_defect(path: Path, path_given: str) -> None:
    """A collection's path, or an empty part, is refused as Firestore's own client does."""
    store = SqliteStore(path)

    with pytest.raises(ValueError, match="is not a document's path"):
        store.get(path_given)

    store.close()
