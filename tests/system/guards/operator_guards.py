"""The guards of the operators' views."""

from __future__ import annotations

from tests.system.guards.guard import Guard

TASKS = "orchestrator/operators/tasks/"
_QUERIES = "tests/adapters/test_task_queries.py"

OPERATOR_GUARDS = (
    Guard(
        "operators: failed tasks come first",
        TASKS + "pages.py",
        "    for part in parts[parts.index(begin) :]:\n",
        "    for part in sorted(parts[parts.index(begin) :], reverse=True):\n",
        f"{_QUERIES}::test_failures_are_on_the_first_page",
    ),
    Guard(
        "operators: a task of an unknown status is named, not lost",
        "orchestrator/operators/run_views.py",
        "        tasks = [*tasks, *odd_tasks(store, snapshot.path)]\n",
        "        pass\n",
        f"{_QUERIES}::test_a_task_of_an_unknown_status_is_named",
    ),
    Guard(
        "operators: one record without a time does not break a connection's history",
        TASKS + "history.py",
        ', Filter("finished_at", ">", _FIRST)]',
        "]",
        f"{_QUERIES}::test_a_history_goes_back_through_all_runs",
    ),
    Guard(
        "operators: a worker's sign of life is its own commit, and no other's",
        TASKS + "open_tasks.py",
        "last_sign_at = max(task.started_at, lease.expires_at - timedelta(seconds=lease_seconds))",
        "last_sign_at = task.started_at",
        "tests/core/test_open_tasks.py::test_a_silent_worker_is_told_from_a_busy_one",
    ),
    Guard(
        "operators: the marketplace's own count of a window is kept with it",
        "orchestrator/sync/stream_sync.py",
        "            total=self._total if self._total is not None else window.total,\n",
        "",
        "tests/core/test_open_tasks.py::test_a_listing_tells_the_marketplaces_own_count",
    ),
    Guard(
        "operators: a reject tells its connection, so that it is found among all",
        "orchestrator/sync/rejects.py",
        '            "connection_id": self.task.holder.connection_id,\n',
        "",
        "tests/cli/test_failed_first.py::test_rejects_are_read_again",
    ),
    Guard(
        "operators: rejected records are read again although their stream is past them",
        "orchestrator/operators/rejects/retry.py",
        "streams=list(rejects), full=True)",
        "streams=list(rejects))",
        "tests/cli/test_failed_first.py::test_rejects_are_read_again",
    ),
)
