"""The document store on Firestore: optimistic commits with preconditions, no transactions.

A version is the document's update time. A write that changes nothing keeps it, so code that relies on
versions changes a field (`seq`) in every commit.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.api_core import exceptions
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

from orchestrator.adapters.google.calls import Client, Refusals, Remedies, retry
from orchestrator.adapters.google.firestore_values import (
    field_path,
    fill_fields,
    fill_value,
    read_fields,
    read_value,
)
from orchestrator.errors import Conflict, StoreUnavailable, WriteRejected
from orchestrator.model.documents import MAX_COMMIT_BYTES, MAX_DOCUMENT_BYTES, document_bytes
from orchestrator.ports import Create, Delete, Filter, Put, Query, Snapshot, Update, Write, Written

#: One attempt; the largest commit takes a few seconds.
_TIMEOUT_S = 12.0
# With a last attempt 20 s, so a slice whose store is unavailable still ends inside its margin.
_RETRY = retry(total_s=8.0)
_Operator = types.StructuredQuery.FieldFilter.Operator
_OPERATORS = {
    "==": _Operator.EQUAL,
    "<": _Operator.LESS_THAN,
    "<=": _Operator.LESS_THAN_OR_EQUAL,
    ">": _Operator.GREATER_THAN,
    ">=": _Operator.GREATER_THAN_OR_EQUAL,
    "in": _Operator.IN,
}
_ASCENDING, _DESCENDING = (
    types.StructuredQuery.Direction.ASCENDING,
    types.StructuredQuery.Direction.DESCENDING,
)
_REMEDIES: Remedies = {
    exceptions.PermissionDenied: "grant this identity (the function's account, or yours) "
    "roles/datastore.user on the project",
    exceptions.NotFound: "create the database, or correct GOOGLE_CLOUD_PROJECT and FIRESTORE_DATABASE",
    exceptions.FailedPrecondition: "create the index that the query needs (terraform apply)",
}
_COMMIT_REFUSALS: Refusals = {
    exceptions.AlreadyExists: Conflict,
    exceptions.FailedPrecondition: Conflict,
    exceptions.NotFound: Conflict,
    exceptions.Aborted: Conflict,
    exceptions.InvalidArgument: WriteRejected,
}
#: The alias of the one aggregation of a request.
_RESULT = "n"
_CommitRequest = types.CommitRequest.pb()
_BatchGetRequest = types.BatchGetDocumentsRequest.pb()
_QueryRequest = types.RunQueryRequest.pb()
_AggregationRequest = types.RunAggregationQueryRequest.pb()
_StructuredQuery = types.StructuredQuery.pb()


class FirestoreStore:
    """The DocumentStore port; safe for threads. The client is made on first use, so after a fork.

    Args:
        project: The project's id.
        database: The database's id; `(default)` for the default one.
        emulator_host: `HOST:PORT` of Google's emulator; empty for the service itself.
    """

    def __init__(self, *, project: str, database: str, emulator_host: str = "") -> None:
        self._database = f"projects/{project}/databases/{database}"
        self._name = f"Firestore {self._database}"
        self._root = f"{self._database}/documents"
        #: The time that the last answer told, and when it came on the monotonic clock.
        self._told: tuple[datetime, float] | None = None
        self._metadata = [("google-cloud-resource-prefix", self._database)]
        if emulator_host:
            self._metadata.append(("authorization", "Bearer owner"))  # past its security rules
        self._client = Client(
            FirestoreClient, FirestoreGrpcTransport, StoreUnavailable, _REMEDIES, emulator_host=emulator_host
        )

    def close(self) -> None:
        """Close the connection to Firestore; using the store again opens it again."""
        self._client.close()

    def get(self, path: str) -> Snapshot | None:
        """Read one document."""
        return self.get_many([path])[0]

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """Read several documents as of one moment."""
        if not paths:
            return []
        names = [f"{self._root}/{path}" for path in paths]
        request = _BatchGetRequest(database=self._database, documents=dict.fromkeys(names))

        def read(client: FirestoreClient) -> dict[str, Snapshot]:
            answers = client.batch_get_documents(
                request=types.BatchGetDocumentsRequest.wrap(request), **self._options()
            )
            found = [types.BatchGetDocumentsResponse.pb(answer) for answer in answers]
            self._note_time(one.read_time for one in found)
            return {one.found.name: self._snapshot(one.found) for one in found if one.HasField("found")}

        snapshots = self._client.call(self._name, _RETRY, read)
        return [snapshots.get(name) for name in names]

    def query(self, query: Query) -> list[Snapshot]:
        """Read some documents of a collection in order."""
        if _matches_nothing(query.where):
            return []
        parent, structured = self._structured(query.collection, query.where)
        structured.from_[0].all_descendants = query.group
        order_by, after = query.sort_field, query.after
        direction = _DESCENDING if query.descending else _ASCENDING
        for field in ("__name__",) if order_by is None else (field_path(order_by.split(".")), "__name__"):
            structured.order_by.add(direction=direction).field.field_path = field
        if after is not None:
            for value in after[:-1]:
                fill_value(structured.start_at.values.add(), value)
            last = after[-1] if query.group else f"{query.collection}/{after[-1]}"
            structured.start_at.values.add(reference_value=f"{self._root}/{last}")
        structured.limit.value = query.limit
        request = _QueryRequest(parent=parent, structured_query=structured)

        def read(client: FirestoreClient) -> list[Snapshot]:
            answers = client.run_query(request=types.RunQueryRequest.wrap(request), **self._options())
            found = [types.RunQueryResponse.pb(answer) for answer in answers]
            self._note_time(one.read_time for one in found)
            return [self._snapshot(one.document) for one in found if one.HasField("document")]

        return self._client.call(self._name, _RETRY, read)

    def count(self, collection: str, where: Sequence[Filter] = (), *, group: bool = False) -> int:
        """Count documents; billed as one read per thousand."""
        if _matches_nothing(where):
            return 0
        request = self._aggregation(collection, where)
        counted = request.structured_aggregation_query
        counted.structured_query.from_[0].all_descendants = group
        counted.aggregations.add(alias=_RESULT).count.SetInParent()
        return int(self._aggregate(request))

    def sum(self, collection: str, field: str, where: Sequence[Filter] = ()) -> float:
        """Add up a number; billed like a count."""
        if _matches_nothing(where):
            return 0
        request = self._aggregation(collection, where)
        added = request.structured_aggregation_query.aggregations.add(alias=_RESULT)
        added.sum.field.field_path = field_path(field.split("."))
        return self._aggregate(request)

    def _aggregation(self, collection: str, where: Sequence[Filter]) -> Any:
        parent, query = self._structured(collection, where)
        request = _AggregationRequest(parent=parent)
        request.structured_aggregation_query.structured_query.CopyFrom(query)
        return request

    def _aggregate(self, request: Any) -> float:
        def read(client: FirestoreClient) -> float:
            answers = client.run_aggregation_query(
                request=types.RunAggregationQueryRequest.wrap(request), **self._options()
            )
            found = [types.RunAggregationQueryResponse.pb(answer) for answer in answers]
            self._note_time(one.read_time for one in found)
            values = [one.result.aggregate_fields[_RESULT] for one in found if one.HasField("result")]
            return sum(read_value(value) or 0 for value in values)

        return self._client.call(self._name, _RETRY, read)

    def now(self) -> datetime | None:
        """Firestore's time, from the `commit_time` or `read_time` that each of its answers carries."""
        told = self._told
        return told[0] + timedelta(seconds=time.monotonic() - told[1]) if told is not None else None

    def _note_time(self, told: Iterable[Any]) -> None:
        """Remember the latest time that an answer tells; it has passed by now, so `now` is never ahead."""
        times = [(each.seconds, each.nanos) for each in told if each.seconds]
        if times:
            seconds, nanos = max(times)
            moment = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=nanos // 1000)
            self._told = (moment, time.monotonic())

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Apply all writes or none, in one request."""
        if not writes:
            return []
        request = self._commit_request(writes)

        def send(client: FirestoreClient) -> types.CommitResponse:
            return client.commit(request=types.CommitRequest.wrap(request), **self._options())

        about = f"{self._name}: commit of {len(writes)} writes"
        answer = types.CommitResponse.pb(self._client.call(about, _RETRY, send, _COMMIT_REFUSALS))
        self._note_time([answer.commit_time])
        return [_written(write, result) for write, result in zip(writes, answer.write_results, strict=True)]

    def _commit_request(self, writes: Sequence[Write]) -> Any:
        if len({write.path for write in writes}) != len(writes):
            raise ValueError("a path occurs at most once in a commit")
        request = _CommitRequest(database=self._database)
        for write in writes:
            try:
                self._add(request.writes.add(), write)
            except (ValueError, RecursionError) as error:
                raise WriteRejected(f"{write.path}: cannot be stored: {error}") from error
        size = request.ByteSize()
        # The service refuses both as well, but its answers to an oversized request vary.
        if size > MAX_DOCUMENT_BYTES // 2:
            _check_documents(writes, request.writes)
        if size > MAX_COMMIT_BYTES:
            raise WriteRejected(
                f"commit of {size} bytes: a commit may have {MAX_COMMIT_BYTES}", action="split it"
            )
        return request

    def _add(self, target: Any, write: Write) -> None:
        name = f"{self._root}/{write.path}"
        if isinstance(write, Delete):
            target.delete = name
            return
        target.update.name = name
        if isinstance(write, Update):
            fill_fields(target.update.fields, write.fields)
            # An empty mask changes no field; without a mask the whole document would be replaced.
            target.update_mask.SetInParent()
            target.update_mask.field_paths.extend(field_path([field]) for field in write.fields)
            for path, by in write.increments.items():
                transform = target.update_transforms.add(field_path=field_path(path.split(".")))
                transform.increment.integer_value = by
            if write.version is None:
                target.current_document.exists = True
            else:
                target.current_document.update_time.CopyFrom(write.version)
            return
        fill_fields(target.update.fields, write.data)
        if isinstance(write, Create):
            target.current_document.exists = False

    def _structured(self, collection: str, where: Sequence[Filter]) -> tuple[str, Any]:
        above, _, name = collection.rpartition("/")
        query = _StructuredQuery()
        query.from_.add(collection_id=name)
        if where:
            query.where.composite_filter.op = types.StructuredQuery.CompositeFilter.Operator.AND
        for field, op, value in where:
            added = query.where.composite_filter.filters.add()
            if value is None and op == "==":
                added.unary_filter.op = types.StructuredQuery.UnaryFilter.Operator.IS_NULL
                added.unary_filter.field.field_path = field_path(field.split("."))
            else:
                added.field_filter.field.field_path = field_path(field.split("."))
                added.field_filter.op = _OPERATORS[op]
                fill_value(added.field_filter.value, value)
        return (f"{self._root}/{above}" if above else self._root), query

    def _snapshot(self, document: Any) -> Snapshot:
        path = document.name.removeprefix(f"{self._root}/")
        return Snapshot(path, read_fields(document.fields), document.update_time)

    def _options(self) -> dict[str, Any]:
        return {"retry": None, "timeout": _TIMEOUT_S, "metadata": self._metadata}


def _check_documents(writes: Sequence[Write], messages: Sequence[Any]) -> None:
    for write, message in zip(writes, messages, strict=True):
        # Counting exactly costs a walk, so only large documents are counted.
        if not isinstance(write, Create | Put) or message.ByteSize() <= MAX_DOCUMENT_BYTES // 2:
            continue
        if document_bytes(write.path, write.data) > MAX_DOCUMENT_BYTES:
            raise WriteRejected(
                f"{write.path}: is larger than a document may be ({MAX_DOCUMENT_BYTES} bytes)"
            )


def _matches_nothing(where: Sequence[Filter]) -> bool:
    return any(each.op == "in" and not each.value for each in where)


def _written(write: Write, result: Any) -> Written:
    if isinstance(write, Delete):
        return Written(None, {})
    if isinstance(write, Update) and write.increments:
        values = map(read_value, result.transform_results)
        return Written(result.update_time, dict(zip(write.increments, values, strict=True)))
    return Written(result.update_time, {})
