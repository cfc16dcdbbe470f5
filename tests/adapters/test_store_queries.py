"""The document store's contract: the results of queries, and their order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.ports import Delete, DocumentStore, Filter, Put, Query

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
EARLY, LATE = NOW - timedelta(microseconds=1), NOW + timedelta(microseconds=1)
# In the order of their UTF-8 bytes.
IDS = ["!", "%2F", "-", "0", "10", "9", "A", "Z", "_", "a", "a b", "b", "é", "中", "\uffee", "😀"]


def _seed(store: DocumentStore, collection: str, documents: dict[str, dict[str, Any]]) -> None:
    store.commit([Put(f"{collection}/{name}", data) for name, data in documents.items()])


def _ids(store: DocumentStore, collection: str, **query: Any) -> list[str]:
    return [found.id for found in store.query(Query(collection, **{"limit": 100, **query}))]


def test_documents_come_in_the_order_of_their_ids_bytes(store: DocumentStore) -> None:
    """Ids are ordered by their UTF-8 bytes, and never backwards."""
    _seed(store, "a", {name: {} for name in reversed(IDS)})

    assert _ids(store, "a") == IDS
    with pytest.raises(ValueError, match="by a field only"):
        store.query(Query("a", descending=True, limit=1))


@pytest.mark.parametrize("size", [1, 3, 16])
def test_pages_give_each_document_once(store: DocumentStore, size: int) -> None:
    """Continuing behind the last id of a page meets every document once."""
    _seed(store, "a", {name: {} for name in IDS})
    seen: list[str] = []
    after = None
    while page := store.query(Query("a", after=after, limit=size)):
        assert len(page) <= size
        seen += [found.id for found in page]
        after = (page[-1].id,)

    assert seen == IDS


def test_a_collection_ends_where_it_ends(store: DocumentStore) -> None:
    """Neither collections below a document nor such with a longer name are met."""
    _seed(store, "runs", {"r-1": {}, "r-2": {}})
    _seed(store, "runs/r-1/tasks", {"t-1": {"n": 1}})
    _seed(store, "runs/r-2/tasks", {"t-2": {"n": 2}})
    _seed(store, "runs2", {"x": {}})

    assert _ids(store, "runs") == ["r-1", "r-2"]
    assert _ids(store, "runs/r-1/tasks") == ["t-1"]
    assert _ids(store, "runs/none/tasks") == []
    assert store.count("runs") == 2
    assert store.count("none") == 0


def test_a_group_is_counted_across_documents(store: DocumentStore) -> None:
    """All collections of one id, and none with a longer name; documents without the field are left out."""
    _seed(store, "runs/r-1/tasks", {"t-1": {"n": 1}, "t-2": {"n": 2}, "t-3": {}})
    _seed(store, "runs/r-2/tasks", {"t-1": {"n": 3}})
    _seed(store, "runs/r-2/some-tasks", {"t-1": {"n": 3}})

    assert store.count("tasks", [Filter("n", ">", 1)], group=True) == 2
    assert store.count("runs/r-1/tasks", [Filter("n", ">", 1)]) == 1
    assert store.count("none", [Filter("n", ">", 1)], group=True) == 0


def test_order_by_a_field_then_by_id(store: DocumentStore) -> None:
    """Equal values are ordered by id, and both turn round together."""
    _seed(store, "a", {"b": {"n": 1}, "a": {"n": 1}, "c": {"n": 0}, "d": {"n": -5}, "e": {"n": 2.5}})

    assert _ids(store, "a", order_by="n") == ["d", "c", "a", "b", "e"]
    assert _ids(store, "a", order_by="n", descending=True) == ["e", "b", "a", "c", "d"]


def test_documents_without_the_field_are_left_out(store: DocumentStore) -> None:
    """Ordering by a field skips documents that lack it or one of its parents; null is a value."""
    _seed(
        store,
        "a",
        {
            "null": {"lease": {"at": None}},
            "set": {"lease": {"at": NOW}},
            "missing": {"lease": {}},
            "no_map": {"lease": 1},
            "none": {},
        },
    )

    assert _ids(store, "a", order_by="lease.at") == ["null", "set"]


@pytest.mark.parametrize("descending", [False, True])
def test_pages_in_order_of_a_field(store: DocumentStore, descending: bool) -> None:
    """Continuing behind (value, id) meets every document once, through ties."""
    _seed(store, "a", {f"d{number}": {"at": NOW + timedelta(seconds=number // 3)} for number in range(10)})
    seen: list[str] = []
    after = None
    while page := store.query(Query("a", order_by="at", descending=descending, after=after, limit=2)):
        seen += [found.id for found in page]
        after = (page[-1].data["at"], page[-1].id)

    assert seen == sorted((f"d{number}" for number in range(10)), reverse=descending)


_FILTERED: list[tuple[list[Filter], list[str]]] = [
    ([Filter("status", "==", "active")], ["c1", "c2", "c4"]),
    ([Filter("status", "==", "active"), Filter("marketplace", "==", "shopify")], ["c1", "c4"]),
    ([Filter("status", "in", ["paused", "gone", "nothing"])], ["c3", "c5"]),
    ([Filter("status", "in", [])], []),
    ([Filter("status", "in", ["active"]), Filter("marketplace", "==", "amazon")], ["c2"]),
    ([Filter("lease.at", "<", NOW)], ["c1"]),
    ([Filter("lease.at", "<=", NOW)], ["c1", "c2"]),
    ([Filter("lease.at", ">", NOW)], ["c3"]),
    ([Filter("lease.at", ">=", NOW)], ["c2", "c3"]),
    ([Filter("lease.at", "==", NOW)], ["c2"]),
    ([Filter("lease.at", "==", None)], ["c4"]),
    ([Filter("n", ">", 0)], ["c2", "c3"]),
    ([Filter("n", ">=", 0), Filter("n", "<", 2)], ["c1", "c2"]),
    ([Filter("n", "==", True)], ["c5"]),
    ([Filter("n", "==", 1)], ["c2"]),
    ([Filter("status", ">", "active")], ["c5", "c3"]),
    ([Filter("raw", "==", b"x")], ["c1"]),
    ([Filter("absent", "==", None)], []),
]


@pytest.mark.parametrize(("where", "expected"), _FILTERED)
@pytest.mark.parametrize("collection", ["connections", "sync_state", "runs", "runs/r/shards", "any"])
def test_filters(store: DocumentStore, collection: str, where: list[Filter], expected: list[str]) -> None:
    """All conditions must hold; a range is of one type, and orders by its own field."""
    _seed(
        store,
        collection,
        {
            "c1": {"status": "active", "marketplace": "shopify", "lease": {"at": EARLY}, "n": 0, "raw": b"x"},
            "c2": {"status": "active", "marketplace": "amazon", "lease": {"at": NOW}, "n": 1, "raw": "x"},
            "c3": {"status": "paused", "marketplace": "shopify", "lease": {"at": LATE}, "n": 2.5},
            "c4": {"status": "active", "marketplace": "shopify", "lease": {"at": None}, "n": "text"},
            "c5": {"status": "gone", "marketplace": "ebay", "lease": "text", "n": True},
        },
    )  # fmt: skip

    assert _ids(store, collection, where=where) == expected
    assert store.count(collection, where) == len(expected)


def test_filters_pages_and_limits_go_together(store: DocumentStore) -> None:
    """A filtered listing is paged by id as an unfiltered one is."""
    _seed(
        store,
        "connections",
        {
            f"c{number:02}": {"marketplace": "m", "status": ["active", "paused"][number % 2]}
            for number in range(20)
        },
    )
    where = [Filter("marketplace", "==", "m"), Filter("status", "==", "active")]

    assert _ids(store, "connections", where=where, limit=3) == ["c00", "c02", "c04"]
    assert _ids(store, "connections", where=where, limit=3, after=("c04",)) == ["c06", "c08", "c10"]
    assert _ids(store, "connections", where=where, limit=3, after=("c17",)) == ["c18"]


def test_a_filter_and_another_order(store: DocumentStore) -> None:
    """The matches may be ordered by another field."""
    _seed(
        store, "runs", {f"r{number}": {"status": "running", "order": f"{9 - number}"} for number in range(4)}
    )
    _seed(store, "runs", {"old": {"status": "failed", "order": "0"}})
    where = [Filter("status", "in", ["running", "dispatching"])]

    assert _ids(store, "runs", where=where, order_by="order", limit=3) == ["r3", "r2", "r1"]
    assert _ids(store, "runs", where=where, order_by="order", after=("8", "r1")) == ["r0"]


def test_large_integers_and_fractions_are_told_apart(store: DocumentStore) -> None:
    """Numbers compare by value over their whole range, whatever their type."""
    values = [-(2**63), -(2**53) - 1, -(2**53), -1, -0.5, 0, 0.5, 1, 2**53, 2**53 + 1, 2**63 - 1]
    _seed(store, "a", {f"{index:02}": {"n": value} for index, value in enumerate(values)})

    assert _ids(store, "a", order_by="n") == [f"{index:02}" for index in range(len(values))]
    assert _ids(store, "a", where=[Filter("n", "==", 2**53 + 1)]) == ["09"]
    assert _ids(store, "a", where=[Filter("n", ">", 2**53)]) == ["09", "10"]


def test_values_of_different_types_have_an_order(store: DocumentStore) -> None:
    """Null, truth values, numbers, times, text and bytes follow each other."""
    values: list[Any] = [None, False, True, -1, 3, NOW, NOW + timedelta(days=1), "", "Z", "a", b"", b"\x01"]
    _seed(store, "a", {f"{index:02}": {"v": value} for index, value in enumerate(values)})

    assert _ids(store, "a", order_by="v") == [f"{index:02}" for index in range(len(values))]


def test_counts_follow_writes(store: DocumentStore) -> None:
    """A count covers committed documents without the deleted ones."""
    _seed(store, "a", {str(number): {"open": number % 2} for number in range(7)})
    store.commit([Delete("a/1")])

    assert store.count("a") == 6
    assert store.count("a", [Filter("open", ">", 0)]) == 2


def test_numbers_of_many_documents_are_added_up(store: DocumentStore) -> None:
    """A sum takes whole and decimal numbers at a dotted field, and passes over everything else."""
    _seed(
        store,
        "a",
        {
            "whole": {"cost": {"usd": 2}, "day": 1},
            "decimal": {"cost": {"usd": 0.25}, "day": 2},
            "text": {"cost": {"usd": "7"}, "day": 2},
            "null": {"cost": {"usd": None}, "day": 2},
            "missing": {"cost": {}, "day": 2},
            "no_map": {"cost": 7, "day": 2},
            "old": {"cost": {"usd": 100}, "day": 0},
        },
    )

    assert store.sum("a", "cost.usd") == 102.25
    assert store.sum("a", "cost.usd", [Filter("day", ">=", 1)]) == 2.25
    assert store.sum("a", "day", [Filter("day", "in", [1, 2])]) == 11
    assert store.sum("a", "cost.usd", [Filter("day", ">", 9)]) == 0
    assert store.sum("a", "cost.usd", [Filter("day", "in", [])]) == 0
    assert store.sum("none", "cost.usd") == 0


@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_group_is_read_across_documents(store: DocumentStore, size: int) -> None:
    """All collections of an id, at any depth, newest first through ties; pages join by path."""
    for number in range(6):
        at = NOW + timedelta(seconds=number // 2)
        _seed(
            store, f"runs/r{number}/tasks", {"c-1": {"of": "c-1", "at": at}, "c-2": {"of": "c-2", "at": at}}
        )
    _seed(store, "runs/r0/shards/s/tasks", {"c-1": {"of": "c-1", "at": NOW}})
    _seed(store, "runs/r0/other_tasks", {"c-1": {"of": "c-1", "at": NOW}})
    seen: list[str] = []
    after = None
    where = [Filter("of", "==", "c-1")]
    while page := store.query(
        Query("tasks", where=where, order_by="at", descending=True, after=after, limit=size, group=True)
    ):
        assert len(page) <= size
        seen += [found.path for found in page]
        after = (page[-1].data["at"], page[-1].path)

    assert seen == [
        *(f"runs/r{number}/tasks/c-1" for number in (5, 4, 3, 2, 1, 0)),
        "runs/r0/shards/s/tasks/c-1",
    ]
