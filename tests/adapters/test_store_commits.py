"""The document store's contract: commits are atomic and guarded by the versions that were read."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.errors import Conflict, WriteRejected
from orchestrator.ports import Create, Delete, Document, DocumentStore, Put, Query, Snapshot, Update, Write

THREADS = 32
INCREMENTS = 3


def _read(store: DocumentStore, path: str) -> Snapshot:
    found = store.get(path)
    assert found is not None, path
    return found


def test_a_commit_of_nothing_is_nothing(store: DocumentStore) -> None:
    """No writes give no results."""
    assert store.commit([]) == []


def test_create_refuses_an_existing_document(store: DocumentStore) -> None:
    """A second create conflicts and leaves the first one's document."""
    store.commit([Create("runs/r-1", {"by": "first"})])

    with pytest.raises(Conflict):
        store.commit([Create("runs/r-1", {"by": "second"})])

    assert _read(store, "runs/r-1").data == {"by": "first"}


def test_a_document_can_be_created_again_after_a_delete(store: DocumentStore) -> None:
    """A deleted path is free, and its old version fits nothing any more."""
    store.commit([Create("a/b", {"n": 1})])
    old = _read(store, "a/b")
    store.commit([Delete("a/b")])
    store.commit([Create("a/b", {"n": 1})])

    with pytest.raises(Conflict):
        store.commit([Update("a/b", {"n": 2}, version=old.version)])


def test_update_refuses_an_absent_document(store: DocumentStore) -> None:
    """There is nothing to update, with a version or without."""
    store.commit([Put("a/other", {"n": 1})])
    version = _read(store, "a/other").version

    for stale in (None, version):
        with pytest.raises(Conflict):
            store.commit([Update("a/b", {"n": 1}, version=stale)])

    assert store.get("a/b") is None


def test_update_with_the_version_read_is_applied(store: DocumentStore) -> None:
    """The version of a get, of a query and of a commit's own result all hold until the next change."""
    (written,) = store.commit([Create("a/b", {"seq": 1})])
    (written,) = store.commit([Update("a/b", {"seq": 2}, version=written.version)])
    (written,) = store.commit([Update("a/b", {"seq": 3}, version=_read(store, "a/b").version)])
    (found,) = store.query(Query("a", limit=1))
    store.commit([Update("a/b", {"seq": 4}, version=found.version)])

    assert _read(store, "a/b").data == {"seq": 4}


def test_update_with_an_older_version_is_refused(store: DocumentStore) -> None:
    """A decision about a document that has changed since must be made again."""
    store.commit([Create("a/b", {"seq": 1})])
    read = _read(store, "a/b")
    store.commit([Update("a/b", {"seq": 2}, version=read.version)])

    with pytest.raises(Conflict):
        store.commit([Update("a/b", {"seq": 3}, version=read.version)])

    assert _read(store, "a/b").data == {"seq": 2}


@pytest.mark.parametrize(
    "write", [Put("a/b", {"seq": 2}), Update("a/b", {"seq": 2}), Update("a/b", increments={"n": 1})]
)
def test_every_changing_write_makes_a_new_version(store: DocumentStore, write: Write) -> None:
    """A put, an update and an increment each make earlier versions stale."""
    store.commit([Create("a/b", {"seq": 1})])
    read = _read(store, "a/b")

    (written,) = store.commit([write])

    assert written.version != read.version
    with pytest.raises(Conflict):
        store.commit([Update("a/b", {"seq": 9}, version=read.version)])
    store.commit([Update("a/b", {"seq": 9}, version=written.version)])


def test_a_write_that_changes_nothing_fences_on_the_embedded_store_only(store: DocumentStore) -> None:
    """Firestore keeps the update time of a no-op, so `seq` grows in every commit that has to fence."""
    store.commit([Create("a/b", {"seq": 1})])
    read = _read(store, "a/b")
    store.commit([Update("a/b", {"seq": 1})])

    if isinstance(store, SqliteStore):
        with pytest.raises(Conflict):
            store.commit([Update("a/b", {"seq": 2}, version=read.version)])
    else:
        assert _read(store, "a/b").version == read.version


_REFUSED: list[Write] = [
    Create("a/exists", {}),
    Update("a/absent", {"n": 1}),
    Put("a/large", {"text": "x" * 1_100_000}),
]


@pytest.mark.parametrize("refused", _REFUSED, ids=["create", "update", "size"])
@pytest.mark.parametrize("is_last", [True, False])
def test_a_refused_commit_writes_nothing(store: DocumentStore, refused: Write, is_last: bool) -> None:
    """One write that is refused takes all others of its commit with it, at any position."""
    before: Document = {"n": 1}
    store.commit([Put("a/exists", before), Put("a/gone", before)])
    others: list[Write] = [
        Create("a/new", {"n": 2}),
        Put("a/put", {"n": 2}),
        Delete("a/gone"),
        *(Put(f"many/{number}", {"n": number}) for number in range(50)),
    ]
    if refused.path != "a/exists":
        others.append(Update("a/exists", {"n": 2}, increments={"k": 1}))

    with pytest.raises((Conflict, WriteRejected)):
        store.commit([*others, refused] if is_last else [refused, *others])

    assert [found.data for found in store.query(Query("a", limit=9))] == [before, before]
    assert store.count("many") == 0


def test_increments_give_their_results(store: DocumentStore) -> None:
    """Each increment's value comes back under its path, with missing numbers and parents counted as 0."""
    store.commit(
        [Put("s/1", {"open": 64, "tasks": {"failed": 1, "note": "x"}, "word": "text", "flag": True})]
    )

    first, second, third = store.commit(
        [
            Put("s/2", {"z": 1}),
            Update(
                "s/1",
                {"seq": 7},
                increments={
                    "open": -1,
                    "tasks.failed": 2,
                    "tasks.skipped": 3,
                    "a.b.c": 4,
                    "word": 5,
                    "flag": 6,
                    "zero": 0,
                },
            ),
            Delete("s/3"),
        ]
    )

    assert (first.increments, third.increments) == ({}, {})
    assert second.increments == {
        "open": 63, "tasks.failed": 3, "tasks.skipped": 3, "a.b.c": 4, "word": 5, "flag": 6, "zero": 0
    }  # fmt: skip
    assert _read(store, "s/1").data == {
        "open": 63,
        "tasks": {"failed": 3, "skipped": 3, "note": "x"},
        "a": {"b": {"c": 4}},
        "word": 5,
        "flag": 6,
        "zero": 0,
        "seq": 7,
    }
    (again,) = store.commit([Update("s/1", increments={"open": -3})])
    assert again.increments == {"open": 60}


def test_results_stand_in_the_order_of_the_writes(store: DocumentStore) -> None:
    """Results belong to their writes, however a store groups these."""
    store.commit([Put("a/1", {}), Put("a/3", {})])

    results = store.commit(
        [
            Update("a/1", increments={"n": 1}),
            Delete("a/2"),
            Update("a/3", increments={"n": 3}),
            Create("a/4", {}),
        ]
    )

    assert [dict(result.increments) for result in results] == [{"n": 1}, {}, {"n": 3}, {}]
    assert [result.version is None for result in results] == [False, True, False, False]


@pytest.mark.parametrize(
    "writes",
    [
        [Put("a/b", {"text": "x" * 1_048_600})],
        [Put("a/b", {"numbers": list(range(140_000))})],
        [Put("a/b", {"bytes": b"x" * 1_100_000})],
        [Create("a/b", {"parts": {str(n): "y" * 100_000 for n in range(11)}})],
        [Put(f"a/{n}", {"text": "x" * 900_000}) for n in range(13)],
        [Put("a/b", {"text": "\ud800"})],
        [Put("a/b", {"number": 2**64})],
    ],
    ids=["text", "numbers", "bytes", "parts", "commit", "surrogate", "integer"],
)
def test_data_that_can_never_be_stored_is_rejected(store: DocumentStore, writes: Sequence[Write]) -> None:
    """Oversized documents and commits, and invalid values, are told apart from conflicts."""
    with pytest.raises(WriteRejected) as caught:
        store.commit(writes)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert store.count("a") == 0


def test_a_document_just_under_the_limit_is_stored(store: DocumentStore) -> None:
    """A document may have almost a mebibyte."""
    store.commit([Put("a/b", {"text": "x" * 1_048_000})])

    assert len(_read(store, "a/b").data["text"]) == 1_048_000


def test_a_path_occurs_once_in_a_commit(store: DocumentStore) -> None:
    """Two writes to one document in one commit are a defect of the caller."""
    with pytest.raises(ValueError, match="at most once"):
        store.commit([Put("a/b", {}), Delete("a/b")])


def test_concurrent_deciders_lose_nothing(store: DocumentStore) -> None:
    """Many threads that read, decide and commit on one document each get all their changes in."""
    store.commit([Create("a/b", {"seq": 0, "who": []})])

    def decide(thread: int) -> int:
        conflicts = 0
        for step in range(INCREMENTS):
            while True:
                read = _read(store, "a/b")
                data = {"seq": read.data["seq"] + 1, "who": [*read.data["who"], f"{thread}-{step}"]}
                try:
                    store.commit(
                        [Update("a/b", data, version=read.version), Create(f"log/{thread}-{step}", {})]
                    )
                except Conflict:
                    conflicts += 1
                    time.sleep(random.uniform(0.0, 0.05))
                else:
                    break
        return conflicts

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(decide, range(THREADS)))

    final = _read(store, "a/b").data
    assert (
        final["seq"]
        == len(final["who"])
        == len(set(final["who"]))
        == store.count("log")
        == THREADS * INCREMENTS
    )


def test_concurrent_increments_each_see_their_own_result(store: DocumentStore) -> None:
    """A countdown by increments gives every caller another value, and exactly one of them 0."""
    store.commit([Create("s/1", {"open": THREADS})])

    def finish(thread: int) -> int:
        while True:
            try:
                result = store.commit([Create(f"t/{thread}", {}), Update("s/1", increments={"open": -1})])
            except Conflict:
                assert store.get(f"t/{thread}") is None
            else:
                return result[1].increments["open"]

    with ThreadPoolExecutor(THREADS) as pool:
        left = list(pool.map(finish, range(THREADS)))

    assert sorted(left) == list(range(THREADS))


def test_times_in_conditions_are_exact(store: DocumentStore) -> None:
    """Microseconds survive, so that a version or cursor made of a time is the one that was stored."""
    at = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    store.commit([Create("a/b", {"at": at})])

    assert _read(store, "a/b").data["at"].microsecond == 1


def test_the_store_s_time_is_never_ahead(store: DocumentStore) -> None:
    """After a commit it is this moment, give or take; a store without a clock of its own tells none."""
    store.commit([Create("a/b", {"n": 1})])
    told, now = store.now(), datetime.now(UTC)

    if isinstance(store, SqliteStore):
        assert told is None
    else:
        assert told is not None
        # The emulator runs on this machine and tells whole milliseconds or less.
        assert timedelta(seconds=-30) < told - now <= timedelta(milliseconds=1)
