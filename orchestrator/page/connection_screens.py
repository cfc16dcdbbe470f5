"""Screens of connections, and of the records that they could not store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import flask

from orchestrator.errors import RequestError
from orchestrator.model.cause import Cause, blame_of
from orchestrator.model.connection import MARKETPLACES, STREAMS, ConnectionStatus
from orchestrator.model.documents import from_document
from orchestrator.model.paces import next_at, own_interval, pace_of
from orchestrator.model.run import Task
from orchestrator.operators import audit_views, connections, reject_views
from orchestrator.operators.acting import bulk
from orchestrator.operators.acting.bulk import Which
from orchestrator.operators.connections import ConnectionView
from orchestrator.operators.health.remedies import remedy, title
from orchestrator.operators.rejects.counts import RejectCounts, count_by_connection, count_by_reason
from orchestrator.operators.tasks.history import History, history
from orchestrator.operators.tasks.windows import windows
from orchestrator.page import csv_cells
from orchestrator.page.buttons import of_connection, of_filter, of_reject, of_rejects
from orchestrator.page.context import context

blueprint = flask.Blueprint("connections", __name__)
LIMIT = 50
_COLUMNS = (
    *("connection", "name", "marketplace", "organization", "status", "health", "data_until", "late_at"),
    *("cause", "cause_since", "cause_message", "last_success_at", "fault"),
)
_REJECTS = ("connection", "reject", "stream", "record", "kind", "reason", "run", "rejected_at", "bytes")
_TASKS = ("run", "status", "reason", "incomplete", "attempts", "error", "finished_at")


def which_of(values: Mapping[str, str]) -> Which:
    """The filter in an address or a form.

    Raises:
        RequestError: An unknown status.
    """
    status = values.get("status") or None
    if status is not None and status not in tuple(ConnectionStatus):
        raise RequestError(f"status: {status[:40]!r} is unknown; it takes {', '.join(ConnectionStatus)}")
    return Which(
        organization_id=values.get("organization") or None,
        marketplace=values.get("marketplace") or None,
        status=ConnectionStatus(status) if status is not None else None,
        cause=values.get("cause") or None,
    )


@blueprint.get("/connections")
def many() -> flask.typing.ResponseReturnValue:
    """Connections that fit a filter, with buttons for all of them."""
    page, arguments = context(), flask.request.args
    which = which_of(arguments)
    if arguments.get("format") == "csv":
        return csv_cells.answer("connections", _COLUMNS, map(_row, _all(which)))
    found = bulk.find(page.services, which, after=arguments.get("after") or None, limit=LIMIT)
    return flask.render_template(
        "connections.html",
        views=found.views,
        next_after=found.next_after,
        which=which,
        cause_title=title(which.cause, which.marketplace) if which.cause else "",
        marketplaces=MARKETPLACES,
        statuses=[each.value for each in ConnectionStatus],
        buttons=of_filter(which),
        now=page.services.clock.now(),
    )


@blueprint.get("/connections/<connection_id>")
def one(connection_id: str) -> flask.typing.ResponseReturnValue:
    """A connection: its cause, streams, history, rejects, and the actions of people on it."""
    page, arguments = context(), flask.request.args
    services = page.services
    if arguments.get("format") == "csv":
        return csv_cells.answer("history", _TASKS, _task_rows(connection_id))
    view = connections.show(services, connection_id)
    past = _history(connection_id, arguments.get("page_token") or None)
    cause = view.state.cause if view.state is not None else None
    rejects = reject_views.list_rejects(services.store, connection_id=connection_id, limit=10)
    audit = audit_views.list_audit(services.store, connection_id=connection_id, limit=10)
    return flask.render_template(
        "connection.html",
        view=view,
        cause=cause,
        cause_title=title(cause.kind, _text(view, "marketplace")) if cause is not None else "",
        cause_action=_remedy(cause),
        blame=blame_of(cause.kind).value if cause is not None else "",
        windows=windows(view.state) if view.state is not None else [],
        streams=view.document.get("streams") if isinstance(view.document.get("streams"), list) else [],
        history=past,
        tasks=[from_document(Task, document) for document in past.tasks],
        rejects=rejects,
        retry=of_rejects(connection_id) if rejects.rejects else [],
        audit=audit,
        every=own_interval(view.document),
        next_at=next_at(pace_of(connection_id, view.document), services.clock.now()),
        buttons=of_connection(connection_id, view.document.get("status")),
        now=services.clock.now(),
    )


@blueprint.get("/rejects")
def rejects() -> flask.typing.ResponseReturnValue:
    """Records that could not be stored, with their reasons."""
    arguments = flask.request.args
    if arguments.get("format") == "csv":
        return csv_cells.answer("rejects", _REJECTS, _reject_rows(arguments))
    found = _rejects(arguments, arguments.get("page_token") or None, LIMIT)
    chosen = arguments.get("connection", "")
    counts = _counts(chosen, arguments.get("counts_token") or None)
    names = {each.connection_id for each in found.rejects}
    only = chosen or (names.pop() if len(names) == 1 else "")
    return flask.render_template(
        "rejects.html",
        page=found,
        connection_id=chosen,
        retry=of_rejects(only) if only and found.rejects else [],
        counts=counts,
        stream=arguments.get("stream", ""),
        streams=STREAMS,
        reason=arguments.get("reason", ""),
    )


@blueprint.get("/rejects/<connection_id>/<reject_id>")
def reject(connection_id: str, reject_id: str) -> flask.typing.ResponseReturnValue:
    """One reject with its raw record."""
    view = reject_views.show_reject(context().services.store, connection_id, reject_id)
    return flask.render_template(
        "reject.html",
        view=view,
        connection_id=connection_id,
        reject_id=reject_id,
        buttons=of_reject(connection_id, reject_id),
    )


def _all(which: Which) -> Iterator[ConnectionView]:
    services, after = context().services, None
    for _ in range(1 + csv_cells.MOST // 100):
        found = bulk.find(services, which, after=after, limit=100)
        yield from found.views
        if (after := found.next_after) is None:
            return


def _row(view: ConnectionView) -> tuple[object, ...]:
    state = view.state
    cause = state.cause if state is not None else None
    return (
        view.id,
        *(view.document.get(name) for name in ("name", "marketplace", "organization_id", "status")),
        state.health if state is not None else None,
        state.since_at if state is not None else None,
        (state.late_at or None) if state is not None else None,
        cause.kind if cause is not None else None,
        cause.since if cause is not None else None,
        cause.message if cause is not None else None,
        state.last_success_at if state is not None else None,
        view.fault or view.state_fault or view.warning,
    )


def _history(connection_id: str, token: str | None, limit: int = 20) -> History:
    services = context().services
    return history(
        services.store,
        connection_id,
        lease_seconds=services.settings.lease_seconds,
        now=services.clock.now(),
        page_token=token,
        limit=limit,
    )


def _task_rows(connection_id: str) -> Iterator[tuple[object, ...]]:
    token = None
    for _ in range(1 + csv_cells.MOST // 100):
        found = _history(connection_id, token, 100)
        for task in (from_document(Task, document) for document in found.tasks):
            error = task.error.message if task.error is not None else None
            yield (
                task.run_id,
                task.status,
                task.reason,
                task.incomplete,
                task.attempts,
                error,
                task.finished_at,
            )
        if (token := found.next_page_token) is None:
            return


def _rejects(arguments: Mapping[str, str], token: str | None, limit: int) -> reject_views.RejectPage:
    return reject_views.list_rejects(
        context().services.store,
        connection_id=arguments.get("connection") or None,
        stream=arguments.get("stream") or None,
        reason=arguments.get("reason") or None,
        page_token=token,
        limit=limit,
    )


def _counts(connection_id: str, token: str | None) -> RejectCounts:
    store = context().services.store
    if connection_id:
        return count_by_reason(store, connection_id, page_token=token)
    return count_by_connection(store, page_token=token)


def _reject_rows(arguments: Mapping[str, str]) -> Iterator[tuple[object, ...]]:
    token = None
    for _ in range(1 + csv_cells.MOST // reject_views.MOST):
        found = _rejects(arguments, token, reject_views.MOST)
        for each in found.rejects:
            yield (
                *(each.connection_id, each.reject_id, each.stream, each.record_id, each.kind),
                *(each.reason, each.run_id, each.rejected_at, each.size_bytes),
            )
        if (token := found.next_page_token) is None:
            return


def _remedy(cause: Cause | None) -> str:
    return remedy(cause.kind, cause.action) if cause is not None else ""


def _text(view: ConnectionView, field: str) -> str | None:
    value = view.document.get(field)
    return value if isinstance(value, str) else None
