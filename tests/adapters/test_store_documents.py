"""The document store's contract: reading returns the written document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ports import Create, Delete, DocumentStore, Put, Query, Update
from tests.support.examples import examples

NOW = datetime(2026, 11, 23, 18, 31, 43, 123456, tzinfo=UTC)

_SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
)
_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).filter(
    lambda name: not (name.startswith("__") and name.endswith("__"))
)
# Lists hold no lists: Firestore has none such.
_VALUES = st.recursive(
    _SCALARS | st.lists(_SCALARS, max_size=4),
    lambda inner: (
        st.dictionaries(_NAMES, inner, max_size=4)
        | st.lists(st.dictionaries(_NAMES, _SCALARS, max_size=3), max_size=3)
    ),
    max_leaves=8,
)
_DOCUMENTS = st.dictionaries(_NAMES, _VALUES, max_size=6)


def _typed(value: Any) -> Any:
    """The value with the type of each part beside it, since True == 1 == 1.0."""
    if isinstance(value, Mapping):
        return {name: _typed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_typed(inner) for inner in value]
    return (type(value), value)


def test_an_absent_document_is_none(store: DocumentStore) -> None:
    """Reading an absent document gives None, in an absent collection too."""
    assert store.get("connections/c-1") is None
    assert store.get("runs/r-1/tasks/c-1") is None


def test_a_document_is_read_as_written(store: DocumentStore) -> None:
    """Every kind of value comes back equal and of the same type, times to the microsecond in UTC."""
    data = {
        "none": None,
        "yes": True,
        "small": 1,
        "large": 2**63 - 1,
        "least": -(2**63),
        "float": 1.0,
        "infinite": math.inf,
        "text": "Ünï©ødé 😀 \n",
        "empty": "",
        "bytes": bytes(range(256)),
        "at": NOW,
        "before_1970": datetime(1931, 5, 6, 7, 8, 9, 10, tzinfo=UTC),
        "list": [1, "a", None, {"at": NOW}],
        "map": {"inner": {"deep": b""}, "with space.and.dots": 1},
        "nothing": {},
        "no_items": [],
    }

    store.commit([Create("connections/c-1", data)])

    read = store.get("connections/c-1")
    assert read is not None
    assert _typed(read.data) == _typed(data)
    assert read.data["at"].tzinfo is UTC
    assert (read.path, read.id) == ("connections/c-1", "c-1")


def test_a_time_of_another_zone_is_the_same_instant(store: DocumentStore) -> None:
    """An aware time is stored as its instant and read in UTC."""
    local = NOW.astimezone(timezone(timedelta(hours=2)))

    store.commit([Put("a/b", {"at": local})])

    read = store.get("a/b")
    assert read is not None
    assert (read.data["at"], read.data["at"].utcoffset()) == (NOW, timedelta(0))


@examples(60, any_health=True)
@given(data=_DOCUMENTS)
def test_any_document_survives(store: DocumentStore, data: dict[str, Any]) -> None:
    """Whatever a document holds is read back the same."""
    store.commit([Put("any/document", data)])

    read = store.get("any/document")
    assert read is not None
    assert _typed(read.data) == _typed(data)


@pytest.mark.parametrize(
    "document_id", ["a b", "x%2Fy", "é", "😀", "a.b", "~", "-", "UPPER", "%", "a'b\"c", "`", "0", "a" * 1000]
)
def test_any_escaped_id_is_usable(store: DocumentStore, document_id: str) -> None:
    """Ids with spaces, quotes, dots, percent signs and any letters are found again."""
    path = f"connections/c-1/orders/{document_id}"

    store.commit([Create(path, {"id": document_id})])

    read = store.get(path)
    assert read is not None
    assert (read.id, read.data) == (document_id, {"id": document_id})
    assert [found.id for found in store.query(Query("connections/c-1/orders", limit=5))] == [document_id]


def test_many_are_read_in_the_order_asked(store: DocumentStore) -> None:
    """Present, absent and repeated paths each give their own answer, in order."""
    store.commit([Put("a/1", {"n": 1}), Put("b/2", {"n": 2})])

    read = store.get_many(["b/2", "a/none", "a/1", "b/2"])

    assert [found and found.data["n"] for found in read] == [2, None, 1, 2]
    assert store.get_many([]) == []


def test_put_replaces_the_whole_document(store: DocumentStore) -> None:
    """A put leaves nothing of the former document."""
    store.commit([Put("a/b", {"old": 1, "kept": 1})])
    store.commit([Put("a/b", {"kept": 2})])

    read = store.get("a/b")
    assert read is not None
    assert read.data == {"kept": 2}


def test_update_replaces_top_level_fields_whole(store: DocumentStore) -> None:
    """A named field is replaced with all that is in it, the others stay."""
    store.commit([Put("a/b", {"lease": {"owner": "x", "fence": 3}, "seq": 1, "health": "ok"})])
    store.commit([Update("a/b", {"lease": {"fence": 4}, "new": [1]})])

    read = store.get("a/b")
    assert read is not None
    assert read.data == {"lease": {"fence": 4}, "seq": 1, "health": "ok", "new": [1]}


def test_a_deleted_document_is_gone(store: DocumentStore) -> None:
    """Deleting removes the document but none under it, and may be repeated."""
    store.commit([Put("a/b", {"n": 1}), Put("a/b/c/d", {"n": 2})])

    first = store.commit([Delete("a/b")])
    again = store.commit([Delete("a/b")])

    assert first == again
    assert first[0].version is None
    assert store.get("a/b") is None
    assert store.get("a/b/c/d") is not None


def test_what_was_given_is_not_changed(store: DocumentStore) -> None:
    """The caller's own data is the same after a commit, nested parts too."""
    fields = {"map": {"n": 1}}
    store.commit([Put("a/b", {"counts": {"n": 1}})])

    store.commit([Update("a/b", fields, increments={"counts.n": 5})])

    assert fields == {"map": {"n": 1}}
