"""A run's final tasks by page: those that a person has to look at first."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import RequestError
from orchestrator.model.run import TaskStatus
from orchestrator.operators.paging import read_token, write_token
from orchestrator.operators.tasks.quiet import quiet_page
from orchestrator.ports import DocumentStore, Filter, Query, Snapshot

#: A filter for open tasks: those have no record, and are shown with the run's progress.
RUNNING = "running"
INCOMPLETE = "incomplete"
_FAILED, _SKIPPED, _SUCCEEDED = (
    Filter("status", "==", status.value)
    for status in (TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.SUCCEEDED)
)
#: In the order in which they are shown. Only succeeded tasks are incomplete.
_PARTS: dict[str, tuple[Filter, ...]] = {
    TaskStatus.FAILED.value: (_FAILED,),
    INCOMPLETE: (_SUCCEEDED, Filter("incomplete", "==", True)),
    TaskStatus.SKIPPED.value: (_SKIPPED,),
    TaskStatus.SUCCEEDED.value: (_SUCCEEDED, Filter("incomplete", "==", False)),
}
#: The last part: tasks without a record. They have succeeded.
_QUIET = "unchanged"
#: Filters of a run's tasks.
STATUSES = (*_PARTS, RUNNING)
#: Records of each odd status that are named, at most.
_NAMED = 5


def task_page(
    store: DocumentStore,
    run_path: str,
    *,
    status: str | None,
    marketplace: str | None,
    page_token: str | None,
    limit: int,
) -> tuple[list[Snapshot], str | None, list[str]]:
    """A page of a run's final tasks: failed, incomplete, skipped, then the others, each by connection id.

    An index answers it: it reads the documents that it shows, and one for each part without any. The last
    ones are the tasks in which nothing happened: they have no record, and their shards tell of them.

    Returns:
        The records; the token of the next page, None on the last one; and the faults of unreadable shards.

    Raises:
        RequestError: The token was not given out for this list.
    """
    position = read_token(page_token, 2)
    if status == RUNNING:
        return [], None, []
    parts = list(_PARTS) if status is None else [status]
    if status in {None, TaskStatus.SUCCEEDED.value}:
        parts.append(_QUIET)
    begin, last = position or (parts[0], None)
    if begin not in parts:
        raise RequestError("page_token: it belongs to another list")
    of_marketplace = [] if marketplace is None else [Filter("marketplace", "==", marketplace)]
    found: list[tuple[str, Snapshot]] = []
    for part in parts[parts.index(begin) :]:
        if part == _QUIET:
            quiet, place, faults = quiet_page(store, run_path, marketplace, last, limit - len(found))
            token = write_token(_QUIET, place) if place is not None else None
            return [*_records(found), *quiet], token, faults
        query = Query(
            f"{run_path}/tasks",
            where=[*_PARTS[part], *of_marketplace],
            after=(last,) if last is not None else None,
            limit=limit + 1 - len(found),
        )
        found += [(part, snapshot) for snapshot in store.query(query)]
        last = None
        if len(found) > limit:
            last_part, snapshot = found[limit - 1]
            return _records(found[:limit]), write_token(last_part, snapshot.id), []
    return _records(found), None, []


def odd_tasks(store: DocumentStore, run_path: str) -> list[Snapshot]:
    """Records whose status is a word of a later release, or of a person: no part of the list has them."""
    known = sorted(status.value for status in TaskStatus)
    found: list[Snapshot] = []
    for least, most in zip([None, *known], [*known, None], strict=True):
        where = [Filter("status", ">" if least else ">=", least or "")]
        if most is not None:
            where.append(Filter("status", "<", most))
        found += store.query(Query(f"{run_path}/tasks", where=where, limit=_NAMED))
    return found


def _records(found: Sequence[tuple[str, Snapshot]]) -> list[Snapshot]:
    return [snapshot for _, snapshot in found]
