"""Firestore's indexes are those that the code's queries need, no more and no fewer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore_v1.client import Client

from orchestrator.model.records.document import Envelope
from orchestrator.model.records.record import Order, Product, StockLevel
from orchestrator.model.run import Run, Shard, Task
from orchestrator.model.state import SyncState
from orchestrator.model.vault import CheckRequest, StoredCredential
from tests.delivery.consumers import queries
from tests.delivery.terraform.plans import Plan
from tests.delivery.terraform.queries import RecordingStore, call_sites, exercise
from tests.support.clocks import START

Index = tuple[str, tuple[tuple[str, str], ...]]
RECORDS = ("orders", "products", "inventory")

#: Fields that are written in some commit or other, beside those that were seen written.
MODELS: dict[str, type[msgspec.Struct]] = {
    "checks": CheckRequest,
    "credentials": StoredCredential,
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


def indexed(plan: Plan) -> set[tuple[str, str]]:
    """Fields of records that keep a single-field index."""
    return {
        (found["collection"], found["field"])
        for found in plan.of("google_firestore_field").values()
        if found["index_config"] != [{"indexes": []}]
    }


def planned(plan: Plan, scope: str) -> set[Index]:
    """The composite indexes of a scope."""
    return {
        (
            found["collection"],
            tuple(
                (field["field_path"], field["order"] or field["array_config"]) for field in found["fields"]
            ),
        )
        for found in plan.of("google_firestore_index").values()
        if found["query_scope"] == scope
    }


def group_index(query: Any) -> Index:
    """The index of a query of a collection group: equalities, list, order, and the field that is summed.

    No field has a single-field index across connections, so none is merged.
    """
    message = query._to_protobuf()
    is_sum = "structured_query" in type(message).meta.fields
    structured = message.structured_query if is_sum else message
    filters = [each.field_filter or each.unary_filter for each in structured.where.composite_filter.filters]
    names = {each.field.field_path: type(each.op)(each.op).name for each in filters}
    orders = [(each.field.field_path, each.direction.name) for each in structured.order_by]
    ranged = [name for name, op in names.items() if op not in {"EQUAL", "IS_NULL", "ARRAY_CONTAINS"}]
    columns = [(name, "ASCENDING") for name, op in names.items() if op in {"EQUAL", "IS_NULL"}]
    columns += [(name, "CONTAINS") for name, op in names.items() if op == "ARRAY_CONTAINS"]
    columns += orders or [(name, "ASCENDING") for name in ranged]
    if is_sum:
        columns += [(each.sum.field.field_path, "ASCENDING") for each in message.aggregations]
    (source,) = structured.from_
    assert source.all_descendants
    return source.collection_id, tuple(columns)


def documented() -> list[Any]:
    """Each documented query, with some values."""
    db = Client(project="none", credentials=AnonymousCredentials())
    return [
        queries.to_ship(db, "o"),
        queries.to_ship_by(db, "o", START),
        queries.revenue(db, "o", "m", "c", START, START),
        queries.orders_with_sku(db, "o", "s"),
        queries.orders_of_status(db, "o", "open"),
        queries.products_with_sku(db, "o", "s"),
        queries.stock(db, "o", "s"),
        *(queries.changes(db, records, "o", START) for records in RECORDS),
    ]


def test_every_documented_query_is_compared() -> None:
    """A query that is added there has its index here."""
    made = {name for name in vars(queries) if inspect.isfunction(getattr(queries, name)) and name[0] != "_"}
    named = set(inspect.getsource(documented).replace("(", " ").replace("queries.", " queries.").split())

    assert {f"queries.{name}" for name in made} <= named


def test_every_query_was_made(store: RecordingStore) -> None:
    """The list is complete: whoever adds a query has `tests/delivery/terraform/queries.py` make it."""
    made = {place for places in store.made.values() for place in places}

    assert call_sites() - made == set()


def test_composite_indexes_are_those_that_queries_need(store: RecordingStore, prod: Plan) -> None:
    """Every query has its index, and every index its query."""
    needed = {query.composite for query in store.made if not query.group} - {None}

    assert planned(prod, "COLLECTION") == needed


def test_queries_of_groups_have_an_index_each(store: RecordingStore, prod: Plan) -> None:
    """Every query across collections, documented or made, has its index, and every index its query."""
    made = {query.composite for query in store.made if query.group} - {None}

    assert ("tasks", (("connection_id", "ASCENDING"), ("finished_at", "DESCENDING"))) in made
    assert planned(prod, "COLLECTION_GROUP") == made | {group_index(query) for query in documented()}


def test_a_group_is_ordered_by_fields_with_an_index_across_all(store: RecordingStore, prod: Plan) -> None:
    """A group's query of one field needs that field's own index, across all collections of the id."""
    asked = {
        (query.collection, query.order) for query in store.made if query.group and query.composite is None
    }

    assert ("rejects", "connection_id") in asked
    assert asked == {
        (found["collection"], found["field"])
        for found in prod.of("google_firestore_field").values()
        for config in found["index_config"]
        for index in config["indexes"]
        if index["query_scope"] == "COLLECTION_GROUP"
    }


def test_no_queried_field_is_unindexed(store: RecordingStore, prod: Plan) -> None:
    """What is asked for, by itself or within a map, keeps its single-field index."""
    asked = {
        (query.collection, ".".join(parts[: length + 1]))
        for query in store.made
        if not query.group  # their composite indexes need none
        for parts in (field.split(".") for field in query.fields)
        for length in range(len(parts))
    }

    assert ("sync_state", "lease.expires_at") in asked
    assert asked & unindexed(prod) == set()
    assert ("orders", "id_hash") in asked
    assert {each for each in asked if each[0] in RECORDS} <= indexed(prod)


def test_unindexed_fields_exist(store: RecordingStore, prod: Plan) -> None:
    """No exemption is for a field that no document has; of records all but the named fields are exempt."""
    wildcards = {(collection, "*") for collection in RECORDS}
    known = {(collection, field) for collection, fields in store.fields.items() for field in fields} | {
        (collection, field) for collection, model in MODELS.items() for field in model.__struct_fields__
    }
    known |= {(collection, field) for collection in RECORDS for field in Envelope.__struct_fields__}

    assert {each for each in unindexed(prod) if each[0] in RECORDS} == wildcards
    assert unindexed(prod) - wildcards - {("checks", "*"), ("credentials", "*")} <= known
    assert indexed(prod) <= known


def test_what_expires_is_deleted_by_age(store: RecordingStore, prod: Plan) -> None:
    """Each collection whose documents carry `expires_at` has a deletion by age on it."""
    # A lease of the vault's keys is no document's age; a check is asked for elsewhere.
    expiring = {collection for collection, fields in store.fields.items() if "expires_at" in fields}
    expiring = (expiring - {"vault"}) | {"checks"}
    deleted = {
        found["collection"]
        for found in prod.of("google_firestore_field").values()
        if found["ttl_config"] and found["field"] == "expires_at"
    }

    assert deleted == expiring
