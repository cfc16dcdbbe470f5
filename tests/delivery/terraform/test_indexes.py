"""Firestore's indexes are those that the code's queries need, no more and no fewer."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from orchestrator.model.record import Order, Product, StockLevel
from orchestrator.model.run import Run, Shard, Task
from orchestrator.model.state import SyncState
from tests.delivery.terraform.plans import Plan
from tests.delivery.terraform.queries import RecordingStore, call_sites, exercise

#: Fields that are written in some commit or other, beside those that were seen written.
MODELS: dict[str, type[msgspec.Struct]] = {
    "inventory": StockLevel,
    "orders": Order,
    "products": Product,
    "runs": Run,
    "shards": Shard,
    "sync_state": SyncState,
    "tasks": Task,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordingStore]:
    """A store that was asked everything."""
    with pytest.MonkeyPatch.context() as patch:
        recorded = exercise(tmp_path_factory.mktemp("queries"), patch)
        yield recorded
        recorded.close()


def unindexed(plan: Plan) -> set[tuple[str, str]]:
    """Fields without any index."""
    return {
        (found["collection"], found["field"])
        for found in plan.of("google_firestore_field").values()
        if found["index_config"] == [{"indexes": []}]
    }


def test_every_query_was_made(store: RecordingStore) -> None:
    """The list is complete: whoever adds a query has `tests/delivery/terraform/queries.py` make it."""
    made = {place for places in store.made.values() for place in places}

    assert call_sites() - made == set()


def test_composite_indexes_are_those_that_queries_need(store: RecordingStore, prod: Plan) -> None:
    """Every query has its index, and every index its query."""
    needed = {query.composite for query in store.made} - {None}
    planned = {
        (found["collection"], tuple((field["field_path"], field["order"]) for field in found["fields"]))
        for found in prod.of("google_firestore_index").values()
    }

    assert planned == needed


def test_no_queried_field_is_unindexed(store: RecordingStore, prod: Plan) -> None:
    """What is asked for, by itself or within a map, keeps its single-field index."""
    asked = {
        (query.collection, ".".join(parts[: length + 1]))
        for query in store.made
        for parts in (field.split(".") for field in query.fields)
        for length in range(len(parts))
    }

    assert ("sync_state", "lease.expires_at") in asked
    assert asked & unindexed(prod) == set()


def test_unindexed_fields_exist(store: RecordingStore, prod: Plan) -> None:
    """No exemption is for a field that no document has."""
    known = {(collection, field) for collection, fields in store.fields.items() for field in fields} | {
        (collection, field) for collection, model in MODELS.items() for field in model.__struct_fields__
    }

    assert unindexed(prod) <= known


def test_what_expires_is_deleted_by_age(store: RecordingStore, prod: Plan) -> None:
    """Each collection whose documents carry `expires_at` has a deletion by age on it."""
    expiring = {collection for collection, fields in store.fields.items() if "expires_at" in fields}
    deleted = {
        found["collection"]
        for found in prod.of("google_firestore_field").values()
        if found["ttl_config"] and found["field"] == "expires_at"
    }

    assert deleted == expiring
