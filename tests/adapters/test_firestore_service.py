"""The Firestore adapter's errors for those of the service, and its use of several databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.cloud.firestore_v1 import types

from local.google.emulators import Emulators
from local.processes import free_ports
from orchestrator.adapters.google import firestore
from orchestrator.adapters.google.calls import retry
from orchestrator.adapters.google.firestore import FirestoreStore
from orchestrator.errors import Conflict, StoreError, StoreUnavailable, WriteRejected
from orchestrator.ports import Put, Query, Update
from tests.adapters.grpc_server import Failure, Method, serving
from tests.support.emulators import fresh_project

Code = grpc.StatusCode


@dataclass(slots=True)
class Service:
    """Firestore that has nothing, accepts everything, and fails as it is told."""

    failures: list[Failure] = field(default_factory=list)
    calls: int = 0
    #: The time that it tells with each answer; None for none.
    time: datetime | None = None

    def commit(self, request: types.CommitRequest) -> types.CommitResponse:
        """Answer Commit."""
        self._count()
        results = [types.WriteResult() for _ in request.writes]
        return types.CommitResponse(write_results=results, commit_time=self.time)

    def get(self, request: types.BatchGetDocumentsRequest) -> types.BatchGetDocumentsResponse:
        """Answer BatchGetDocuments."""
        self._count()
        return types.BatchGetDocumentsResponse(missing=request.documents[0], read_time=self.time)

    def query(self, request: types.RunQueryRequest) -> types.RunQueryResponse:
        """Answer RunQuery."""
        self._count()
        return types.RunQueryResponse(read_time=self.time)

    def count(self, request: types.RunAggregationQueryRequest) -> types.RunAggregationQueryResponse:
        """Answer RunAggregationQuery."""
        self._count()
        return types.RunAggregationQueryResponse(
            result=types.AggregationResult(aggregate_fields={"n": types.Value(integer_value=7)}),
            read_time=self.time,
        )

    def _count(self) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def service() -> Service:
    """The service."""
    return Service()


@pytest.fixture
def retried_s() -> float:
    """How long a call is repeated; a busy machine may need seconds for the first attempt."""
    return 20.0


@pytest.fixture
def store(service: Service, retried_s: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[FirestoreStore]:
    """The adapter, connected to the service."""
    monkeypatch.setattr(firestore, "_RETRY", retry(total_s=retried_s))
    t = types
    methods = {
        "Commit": Method(t.CommitRequest, t.CommitResponse, service.commit),
        "BatchGetDocuments": Method(
            t.BatchGetDocumentsRequest, t.BatchGetDocumentsResponse, service.get, streams=True
        ),
        "RunQuery": Method(t.RunQueryRequest, t.RunQueryResponse, service.query, streams=True),
        "RunAggregationQuery": Method(
            t.RunAggregationQueryRequest, t.RunAggregationQueryResponse, service.count, streams=True
        ),
    }
    with serving("google.firestore.v1.Firestore", methods) as host:
        store = FirestoreStore(project="p", database="(default)", emulator_host=f"http://{host}/")
        yield store
        store.close()


_READS: list[Callable[[FirestoreStore], Any]] = [
    lambda store: store.get("a/b"),
    lambda store: store.query(Query("a", limit=1)),
    lambda store: store.count("a"),
]
_CALLS = [*_READS, lambda store: store.commit([Put("a/b", {})])]


@pytest.mark.parametrize("call", _CALLS)
@pytest.mark.parametrize("off", [timedelta(minutes=-20), timedelta(minutes=20)])
def test_every_answer_tells_the_store_s_time(
    store: FirestoreStore, service: Service, call: Callable[[FirestoreStore], Any], off: timedelta
) -> None:
    """It is known from the first answer on, passes like this process's time, and costs no call."""
    assert store.now() is None
    service.time = datetime.now(UTC) + off
    call(store)
    first, second = store.now(), store.now()

    assert first is not None
    assert second is not None
    assert service.time <= first <= second <= datetime.now(UTC) + off
    assert service.calls == 1


def test_a_later_answer_s_time_counts(store: FirestoreStore, service: Service) -> None:
    """Time that this process did not see pass, because it was suspended, is made up for."""
    for hours in (0, 5):
        service.time = datetime(2026, 11, 23, hours, tzinfo=UTC)
        store.get("a/b")
        now = store.now()

        assert now is not None
        assert timedelta(0) <= now - service.time < timedelta(minutes=5)


@pytest.mark.parametrize("call", _CALLS)
@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.INTERNAL, Code.RESOURCE_EXHAUSTED])
def test_what_passes_is_retried(
    store: FirestoreStore, service: Service, call: Callable[[FirestoreStore], Any], code: grpc.StatusCode
) -> None:
    """One failure that may pass is not noticed."""
    service.failures = [Failure(code)]

    call(store)

    assert service.calls == 2


@pytest.mark.parametrize("retried_s", [1.0])
@pytest.mark.parametrize("call", _CALLS)
def test_retries_end(store: FirestoreStore, service: Service, call: Callable[[FirestoreStore], Any]) -> None:
    """A failure that stays is reported after a bounded time."""
    service.failures = [Failure(Code.UNAVAILABLE, "down\nfor long") for _ in range(50)]

    with pytest.raises(StoreUnavailable, match="down") as caught:
        call(store)

    assert "\n" not in str(caught.value)
    assert 1 < service.calls < 20


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (Code.ALREADY_EXISTS, Conflict),
        (Code.FAILED_PRECONDITION, Conflict),
        (Code.NOT_FOUND, Conflict),
        (Code.ABORTED, Conflict),
        (Code.INVALID_ARGUMENT, WriteRejected),
        (Code.PERMISSION_DENIED, StoreUnavailable),
        (Code.UNAUTHENTICATED, StoreUnavailable),
        (Code.DEADLINE_EXCEEDED, StoreUnavailable),
        (Code.UNKNOWN, StoreUnavailable),
    ],
)
def test_errors_of_a_commit(
    store: FirestoreStore, service: Service, code: grpc.StatusCode, expected: type[StoreError]
) -> None:
    """Each status becomes the error for the caller's next step, at once."""
    service.failures = [Failure(code, "details")]

    with pytest.raises(expected, match="details"):
        store.commit([Update("a/b", {"n": 1})])

    assert service.calls == 1


@pytest.mark.parametrize("read", _READS)
@pytest.mark.parametrize(
    ("code", "action"),
    [
        (
            Code.PERMISSION_DENIED,
            "grant this identity (the function's account, or yours) roles/datastore.user on the project",
        ),
        (Code.UNAUTHENTICATED, "gcloud auth application-default login"),
        (Code.NOT_FOUND, "create the database"),
        (Code.FAILED_PRECONDITION, "create the index"),
        (Code.DEADLINE_EXCEEDED, "if it passes"),
    ],
)
def test_errors_of_a_read(
    store: FirestoreStore,
    service: Service,
    read: Callable[[FirestoreStore], Any],
    code: grpc.StatusCode,
    action: str,
) -> None:
    """A read that fails names the database and the remedy."""
    service.failures = [Failure(code, "details")]

    with pytest.raises(StoreUnavailable, match=r"projects/p/databases/\(default\)") as caught:
        read(store)

    assert action in caught.value.action


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be reached at all is reported after a bounded time."""
    monkeypatch.setattr(firestore, "_RETRY", retry(total_s=0.5))
    (port,) = free_ports(1)
    store = FirestoreStore(project="p", database="(default)", emulator_host=f"127.0.0.1:{port}")

    with pytest.raises(StoreUnavailable):
        store.get("a/b")

    store.close()


@pytest.mark.emulator
def test_databases_are_apart(emulators: Emulators) -> None:
    """A named database holds documents of its own, on the emulator too."""
    project = fresh_project()
    stores = [
        FirestoreStore(project=project, database=database, emulator_host=emulators.firestore_host)
        for database in ("(default)", "sellers")
    ]
    for number, store in enumerate(stores):
        store.commit([Put("a/b", {"n": number})])

    read = [store.get("a/b") for store in stores]
    counts = [store.count("a") for store in stores]
    for store in stores:
        store.close()

    assert [found and found.data for found in read] == [{"n": 0}, {"n": 1}]
    assert counts == [1, 1]
