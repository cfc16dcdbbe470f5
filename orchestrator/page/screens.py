"""Screens of the whole: health at a glance, runs, dead letters, actions of people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import flask

from orchestrator.model.connection import MARKETPLACES
from orchestrator.model.documents import attempt, from_document
from orchestrator.model.run import Run, RunStatus, Task
from orchestrator.operators import audit_views, dead_letters, run_views
from orchestrator.operators.dead_letters import Report, Wanted
from orchestrator.operators.health.status import status
from orchestrator.operators.health.status_view import Situation
from orchestrator.operators.run_views import RunPage, RunView
from orchestrator.operators.tasks.pages import STATUSES
from orchestrator.page import buttons, csv_cells, drawing
from orchestrator.page.context import context
from orchestrator.ports import Document, Snapshot

blueprint = flask.Blueprint("screens", __name__)
LIMIT = 50
#: Runs of the first screen's strip: more than a day's at the usual interval.
STRIP = 100
_CALM = {Situation.WELL}
_MILD = {
    Situation.FAILING,
    Situation.THROTTLED,
    Situation.REJECTS_GROWING,
    Situation.INCOMPLETE,
    Situation.NOT_MEASURED,
}
_RUNS = (
    *("run", "status", "trigger", "requested_by", "started_at", "finished_at", "tasks", "succeeded"),
    *("failed", "skipped", "incomplete", "throttled", "seen", "written", "rejected", "estimated_usd"),
)
_TASKS = (
    *("connection", "marketplace", "status", "reason", "incomplete", "attempts", "slices", "seen"),
    *("written", "rejected", "error", "action", "started_at", "finished_at"),
)
_LETTERS = ("kind", "run", "connection", "published_at", "died_at", "deliveries", "bytes", "replay", "why")
_AUDIT = ("at", "actor", "face", "action", "connection", "run", "details")


@blueprint.get("/")
def home() -> flask.typing.ResponseReturnValue:
    """Health at a glance, the worst first."""
    page = context()
    services = page.services
    view = status(services, page.dead_letters())
    day = run_views.list_runs(services.store, limit=STRIP)
    runs = _read(day)
    mood = "calm" if view.situation in _CALM else "mild" if view.situation in _MILD else "bad"
    lags = {
        name: drawing.lag(each.lag_s, view.tick_s, each.freshness.late)
        for name, each in view.marketplaces.items()
    }
    return flask.render_template(
        "home.html",
        view=view,
        mood=mood,
        buttons=buttons.of_status(view),
        groups=[(group, buttons.of_group(group), buttons.group_fields(group)) for group in view.groups],
        lags=lags,
        bars=drawing.strip(runs, view.at),
        is_cut=day.next_page_token is not None and runs[-1][1].started_at > view.at - timedelta(days=1)
        if runs
        else False,
        runs=runs[:5],
        now=view.at,
    )


@blueprint.get("/runs")
def runs() -> flask.typing.ResponseReturnValue:
    """Runs, the newest first."""
    arguments = flask.request.args
    if arguments.get("format") == "csv":
        return csv_cells.answer("runs", _RUNS, _run_rows(arguments))
    found = _runs(arguments, arguments.get("page_token") or None, LIMIT)
    return flask.render_template(
        "runs.html",
        runs=_read(found),
        page=found,
        statuses=[each.value for each in RunStatus],
        marketplaces=MARKETPLACES,
    )


@blueprint.get("/runs/<run_id>")
def run(run_id: str) -> flask.typing.ResponseReturnValue:
    """A run: its progress, its share of each marketplace, and its tasks, the failed ones first."""
    page, arguments = context(), flask.request.args
    if arguments.get("format") == "csv":
        return csv_cells.answer(f"run-{run_id}", _TASKS, _task_rows(run_id, arguments))
    view = _run(run_id, arguments, arguments.get("page_token") or None)
    # One that cannot be read is shown as it is; the faults say why.
    read, _ = attempt(Run, Snapshot(f"runs/{run_id}", view.run, None))
    tasks = [from_document(Task, document) for document in view.tasks]
    now = page.services.clock.now()
    return flask.render_template(
        "run.html",
        run_id=run_id,
        run=read,
        view=view,
        tasks=tasks,
        bars=drawing.timeline(read, tasks, now) if read is not None else [],
        statuses=STATUSES,
        marketplaces=MARKETPLACES,
        buttons=buttons.of_run(run_id, read) if read is not None else [],
        audit=audit_views.list_audit(page.services.store, run_id=run_id, limit=10),
        now=now,
    )


@blueprint.get("/dead")
def dead() -> flask.typing.ResponseReturnValue:
    """Dead letters, each with the effect of a replay."""
    arguments = flask.request.args
    report = _letters(arguments)
    if arguments.get("format") == "csv":
        return csv_cells.answer("dead-letters", _LETTERS, map(_letter_row, report.letters))
    fields = {
        name: value
        for name, value in (
            ("connection_id", arguments.get("connection")),
            ("run_id", arguments.get("run")),
        )
        if value
    }
    found = [buttons.Button("Replay these", "replay", fields, is_main=True)] if report.letters else []
    if any(letter.kind is None for letter in report.letters):
        also = {**fields, "discard_unreadable": "yes"}
        found.append(buttons.Button("Replay, and remove unreadable ones", "replay", also, is_danger=True))
    return flask.render_template("dead.html", report=report, buttons=found)


@blueprint.get("/audit")
def audit() -> flask.typing.ResponseReturnValue:
    """The actions of people, the latest first."""
    arguments = flask.request.args
    if arguments.get("format") == "csv":
        return csv_cells.answer("audit", _AUDIT, _audit_rows(arguments))
    found = _audit(arguments, arguments.get("page_token") or None, LIMIT)
    return flask.render_template("audit.html", page=found)


def _read(page: RunPage) -> list[tuple[str, Run]]:
    """The runs of a page, which leaves out those that cannot be read."""
    return [(document["run_id"], from_document(Run, document)) for document in page.runs]


def _runs(arguments: Mapping[str, str], token: str | None, limit: int) -> RunPage:
    return run_views.list_runs(
        context().services.store,
        status=arguments.get("status") or None,
        marketplace=arguments.get("marketplace") or None,
        page_token=token,
        limit=limit,
    )


def _run_rows(arguments: Mapping[str, str]) -> Iterator[tuple[object, ...]]:
    token = None
    for _ in range(1 + csv_cells.MOST // run_views.MOST):
        found = _runs(arguments, token, run_views.MOST)
        for run_id, each in _read(found):
            tasks, records = each.tasks, each.records
            yield (
                *(run_id, each.status, each.trigger, each.requested_by, each.started_at, each.finished_at),
                *(tasks.total, tasks.succeeded, tasks.failed, tasks.skipped),
                *(tasks.incomplete or 0, tasks.throttled or 0),
                *(records.seen, records.written, records.rejected, each.cost.estimated_usd),
            )
        if (token := found.next_page_token) is None:
            return


def _run(run_id: str, arguments: Mapping[str, str], token: str | None, limit: int = LIMIT) -> RunView:
    services = context().services
    return run_views.show_run(
        services.store,
        run_id,
        status=arguments.get("status") or None,
        marketplace=arguments.get("marketplace") or None,
        page_token=token,
        limit=limit,
        lease_seconds=services.settings.lease_seconds,
    )


def _task_rows(run_id: str, arguments: Mapping[str, str]) -> Iterator[tuple[object, ...]]:
    token = None
    for _ in range(1 + csv_cells.MOST // run_views.MOST):
        found = _run(run_id, arguments, token, run_views.MOST)
        yield from map(_task_row, found.tasks)
        if (token := found.next_page_token) is None:
            return


def _task_row(document: Document) -> tuple[object, ...]:
    task = from_document(Task, document)
    counts = task.streams.values()
    return (
        *(task.connection_id, task.marketplace, task.status, task.reason, task.incomplete),
        *(task.attempts, task.slices, sum(each.seen for each in counts)),
        *(sum(each.written for each in counts), sum(each.rejected for each in counts)),
        task.error.message if task.error is not None else None,
        task.error.action if task.error is not None else None,
        *(task.started_at, task.finished_at),
    )


def _letters(arguments: Mapping[str, str]) -> Report:
    page = context()
    wanted = Wanted(connection_id=arguments.get("connection") or None, run_id=arguments.get("run") or None)
    return dead_letters.look(page.services, page.dead_letters(), wanted)


def _letter_row(letter: dead_letters.Letter) -> tuple[object, ...]:
    return (
        *(letter.kind, letter.run_id, letter.connection_id, letter.published_at, letter.died_at),
        *(letter.deliveries, letter.size_bytes, letter.effect, letter.why),
    )


def _audit(arguments: Mapping[str, str], token: str | None, limit: int) -> audit_views.AuditPage:
    return audit_views.list_audit(
        context().services.store,
        connection_id=arguments.get("connection") or None,
        run_id=arguments.get("run") or None,
        page_token=token,
        limit=limit,
    )


def _audit_rows(arguments: Mapping[str, str]) -> Iterator[tuple[object, ...]]:
    token = None
    for _ in range(1 + csv_cells.MOST // audit_views.MOST):
        found = _audit(arguments, token, audit_views.MOST)
        for each in found.entries:
            yield (
                *(each.at, each.actor, each.face, each.action),
                *(each.connection_id, each.run_id, each.details),
            )
        if (token := found.next_page_token) is None:
            return
