"""A run's tasks and a connection's history: what they show, and what it costs, on every store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.errors import NotFound, RequestError
from orchestrator.model import ids
from orchestrator.model.documents import to_document
from orchestrator.model.run import Dispatch, Run, RunStatus, Task, TaskStatus
from orchestrator.operators.run_views import RunView, show_run
from orchestrator.operators.tasks.history import History, history
from orchestrator.ports import DocumentStore, Put, Write
from tests.support.stores import CountingStore

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
RUN = "t-1"
SUCCEEDED, FAILED, SKIPPED = TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.SKIPPED


def task_of(
    run_id: str,
    connection_id: str,
    status: TaskStatus = SUCCEEDED,
    *,
    marketplace: str = "shopify",
    incomplete: bool = False,
    at: datetime = NOW,
) -> Put:
    """The write of a final task."""
    task = Task(
        run_id=run_id,
        shard=f"{marketplace}-000000",
        connection_id=connection_id,
        marketplace=marketplace,
        status=status,
        incomplete=incomplete,
        finished_at=at,
        expires_at=LATER,
    )
    return Put(ids.task_path(run_id, connection_id), to_document(task))


def write_all(store: DocumentStore, writes: Sequence[Write]) -> CountingStore:
    """Store documents with a closed run; the store then counts reads."""
    run = Run(
        trigger="scheduler",
        requested_by="scheduler",
        order=ids.order_key(NOW, RUN),
        status=RunStatus.PARTIAL,
        dispatch={"shopify": Dispatch(done=True)},
        dispatched_at=NOW,
        deadline_at=LATER,
        started_at=NOW,
        expires_at=LATER,
    )
    store.commit([Put(ids.run_path(RUN), to_document(run))])
    for begin in range(0, len(writes), 400):
        store.commit(writes[begin : begin + 400])
    return CountingStore(store)


def many(number: int) -> list[Write]:
    """A run's tasks: of every thousand one failed, one is incomplete and one skipped, among the last."""
    odd = {997: (FAILED, False), 998: (SUCCEEDED, True), 999: (SKIPPED, False)}
    writes: list[Write] = []
    for each in range(number):
        status, incomplete = odd.get(each % 1000, (SUCCEEDED, False))
        marketplace = "takealot" if each >= number // 2 else "shopify"
        writes.append(task_of(RUN, f"c-{each:05}", status, marketplace=marketplace, incomplete=incomplete))
    return writes


def words(view: RunView) -> list[tuple[str, str]]:
    """Each task's connection, and its status or `incomplete`."""
    return [
        (task["connection_id"], "incomplete" if task["incomplete"] else task["status"]) for task in view.tasks
    ]


def test_failures_are_on_the_first_page(store: DocumentStore) -> None:
    """Of thousands of tasks, the few that need a look come first; only what is shown is read."""
    counting = write_all(store, many(3000))
    view = show_run(counting, RUN, limit=12)

    assert words(view)[:9] == [
        *((f"c-{n:05}", "failed") for n in (997, 1997, 2997)),
        *((f"c-{n:05}", "incomplete") for n in (998, 1998, 2998)),
        *((f"c-{n:05}", "skipped") for n in (999, 1999, 2999)),
    ]
    assert {word for _, word in words(view)[9:]} == {"succeeded"}
    assert counting.reads <= 1 + 13
    assert view.next_page_token


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_of_tasks_join(store: DocumentStore, limit: int) -> None:
    """Each task is shown once, whatever the page's size, through the parts of the list."""
    statuses = [SUCCEEDED, FAILED, SKIPPED, SUCCEEDED]
    writes = [task_of(RUN, f"c-{n:02}", statuses[n % 4], incomplete=n % 8 == 3) for n in reversed(range(16))]
    counting = write_all(store, writes)
    shown: list[tuple[str, str]] = []
    token, pages = None, 0
    while token is not None or pages == 0:
        view = show_run(counting, RUN, limit=limit, page_token=token)
        assert len(view.tasks) == limit or view.next_page_token is None
        shown += words(view)
        token, pages = view.next_page_token, pages + 1

    order = ["failed", "incomplete", "skipped", "succeeded"]
    assert len(shown) == 16
    assert shown == sorted(shown, key=lambda each: (order.index(each[1]), each[0]))


def test_tasks_are_filtered(store: DocumentStore) -> None:
    """By status and by marketplace; the page's token continues within both."""
    counting = write_all(store, many(2000))
    failed = show_run(counting, RUN, status="failed")
    assert words(failed) == [("c-00997", "failed"), ("c-01997", "failed")]
    assert counting.reads == 3
    assert words(show_run(counting, RUN, status="failed", marketplace="takealot")) == [("c-01997", "failed")]
    assert words(show_run(counting, RUN, status="incomplete")) == [
        ("c-00998", "incomplete"),
        ("c-01998", "incomplete"),
    ]
    assert show_run(counting, RUN, status="running").tasks == []
    first = show_run(counting, RUN, status="skipped", limit=1)
    second = show_run(counting, RUN, status="skipped", limit=1, page_token=first.next_page_token)
    assert words(first) + words(second) == [("c-00999", "skipped"), ("c-01999", "skipped")]
    assert second.next_page_token is None
    with pytest.raises(RequestError, match="page_token"):
        show_run(counting, RUN, status="failed", page_token=first.next_page_token)
    with pytest.raises(RequestError, match="status"):
        show_run(counting, RUN, status="splendid")


def test_a_task_of_an_unknown_status_is_named(store: DocumentStore) -> None:
    """No part of the list has it, whatever its place in the alphabet; the last page names it."""
    odd = {name: {**task_of(RUN, name).data, "status": f"{name}ed"} for name in ("a", "g", "st", "z")}
    writes = [Put(ids.task_path(RUN, name), data) for name, data in odd.items()]
    counting = write_all(store, [*writes, task_of(RUN, "fine")])
    view = show_run(counting, RUN)

    assert words(view) == [("fine", "succeeded")]
    assert [fault.split(" ")[0] for fault in view.faults] == [ids.task_path(RUN, name) for name in odd]


def everything(store: DocumentStore, connection_id: str, limit: int) -> list[str]:
    """The runs of a connection's whole history."""
    found: list[str] = []
    token, pages = None, 0
    while token is not None or pages == 0:
        page: History = history(
            store, connection_id, lease_seconds=600, now=NOW, limit=limit, page_token=token
        )
        found += [task["run_id"] for task in page.tasks]
        token, pages = page.next_page_token, pages + 1
    return found


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_a_history_goes_back_through_all_runs(store: DocumentStore, limit: int) -> None:
    """Newest first, through tasks that ended at the same moment, also one that is planned twice in a run."""
    writes: list[Write] = []
    for number in range(12):
        at = NOW + timedelta(minutes=number // 3)
        writes += [task_of(f"t-{number:02}", name, at=at) for name in ("c-1", "c-2", "c-11")]
    twice = task_of("t-00", "c-1")
    writes.append(Put(ids.second_task_path("t-00", "shopify-000001", "c-1"), twice.data))
    writes.append(Put(ids.task_path("t-99", "c-1"), {**twice.data, "finished_at": "yesterday"}))
    counting = write_all(store, writes)

    found = everything(counting, "c-1", limit)

    assert sorted(found) == sorted(["t-00", *(f"t-{number:02}" for number in range(12))])
    assert [int(run.partition("-")[2]) // 3 for run in found] == sorted(
        (int(run.partition("-")[2]) // 3 for run in found), reverse=True
    )


def test_a_history_reads_only_its_page(store: DocumentStore) -> None:
    """However many tasks there are, a page costs its own documents, the connection and its state."""
    writes: list[Write] = []
    for number in range(40):
        at = NOW + timedelta(minutes=number)
        writes += [task_of(f"t-{number:02}", f"c-{each:02}", at=at) for each in range(50)]
    counting = write_all(store, writes)
    page = history(counting, "c-07", lease_seconds=600, now=NOW, limit=5)

    assert [task["run_id"] for task in page.tasks] == [f"t-{number}" for number in (39, 38, 37, 36, 35)]
    assert counting.reads == 6 + 2


def test_an_unknown_connection_has_no_history(store: DocumentStore) -> None:
    """Neither a document nor a task; a foreign page token is the caller's mistake."""
    counting = write_all(store, [task_of(RUN, "c-1")])

    for name in ("c-2", "", "a/b"):
        with pytest.raises(NotFound, match="no connection"):
            history(counting, name, lease_seconds=600, now=NOW)
    token = show_run(counting, RUN, limit=100).next_page_token
    assert token is None
    with pytest.raises(RequestError, match="page_token"):
        history(counting, "c-1", lease_seconds=600, now=NOW, page_token="WyJhIiwiYiIsImMiXQ")
