"""The HTTP interface: finds the route, authenticates the caller, reads the request, answers.

`openapi.yaml` beside this file describes it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

import flask
import msgspec

from functions import requests, traces
from functions.auth.gate import Gate, Refused
from functions.problems import Problem, problem_of
from orchestrator import log_context
from orchestrator.errors import SyncError
from orchestrator.model import ids
from orchestrator.model.audit import Actor, Face
from orchestrator.operators import run_views
from orchestrator.operators.health import status
from orchestrator.ports import Counter
from orchestrator.runs import start
from orchestrator.runs.cancel import cancel_run
from orchestrator.services import Services

_log = logging.getLogger(__name__)

#: The job name of the local stack's interval scheduler.
INTERVAL_JOB = "interval"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Call(NamedTuple):
    """A request of an authenticated caller."""

    request: flask.Request
    services: Services
    caller: str
    body: bytes
    parameters: dict[str, str]
    #: From the path; empty if the path has none.
    run_id: str
    #: Gives what counts dead letters, if there is anything.
    dead_letters: Callable[[], Counter | None]

    @property
    def actor(self) -> Actor:
        """The caller, for the audit."""
        return Actor(self.caller, Face.HTTP)


class Route(NamedTuple):
    """One path and method."""

    method: str
    path: re.Pattern[str]
    answer: Callable[[Call], flask.Response]
    parameters: tuple[str, ...] = ()
    #: Whether only the scheduler may call it; otherwise only operators may.
    is_scheduler: bool = False


#: The answer to a browser, which cannot send the token that all other paths ask for.
PAGE = (
    "The operators' page is on your own machine: install this package there and run `marketplace-sync ui`.\n"
)


def _scheduler(call: Call) -> flask.Response:
    job, schedule_time = requests.schedule_of(call.request)
    trigger = "interval" if job == INTERVAL_JOB else "scheduler"
    started = start.start_tick(
        call.services, job=job, schedule_time=schedule_time, requested_by=call.caller, trigger=trigger
    )
    # A run that a person forced proves nothing about the schedule.
    return _accepted(started, trigger if schedule_time is not None else "forced", call.caller)


def _trigger(call: Call) -> flask.Response:
    wanted = requests.decoded(call.body, start.TriggerRequest)
    key = requests.idempotency_key_of(call.request)
    own = ids.key_of(call.caller, key) if key is not None else None
    started = start.start_manual(call.services, wanted, by=call.actor, idempotency_key=own)
    return _accepted(started, "manual", call.caller)


def _retry(call: Call) -> flask.Response:
    requests.decoded(call.body, requests.Nothing)
    started = start.retry_run(call.services, call.run_id, by=call.actor)
    return _accepted(started, "retry", call.caller)


def _cancel(call: Call) -> flask.Response:
    requests.decoded(call.body, requests.Nothing)
    return _accepted(cancel_run(call.services, call.run_id, by=call.actor), "cancel", call.caller)


def _status(call: Call) -> flask.Response:
    return _json(status.status(call.services, call.dead_letters()))


def _list_runs(call: Call) -> flask.Response:
    get = call.parameters.get
    page = run_views.list_runs(
        call.services.store,
        status=get("status"),
        marketplace=get("marketplace"),
        page_token=get("page_token"),
    )
    return _json(page)


def _show_run(call: Call) -> flask.Response:
    get = call.parameters.get
    view = run_views.show_run(
        call.services.store,
        call.run_id,
        status=get("status"),
        marketplace=get("marketplace"),
        page_token=get("page_token"),
        lease_seconds=call.services.settings.lease_seconds,
    )
    return _json(view)


def _accepted(started: start.Started, trigger: str, caller: str) -> flask.Response:
    """The answer to a call that starts or cancels a run; `trigger` is the log's word for the call."""
    again = " again" if started.duplicate else ""
    # A retry's path names another run.
    with log_context.bind(run_id=started.run_id):
        _log.info(
            "run %s accepted%s (%s, asked by %s): %d connections",
            *(started.run_id, again, trigger, caller, started.tasks),
            extra={
                "action": "run_accepted",
                "trigger": trigger,
                "caller": caller,
                "tasks": started.tasks,
                "duplicate": started.duplicate,
            },
        )
    response = _json(started, HTTPStatus.ACCEPTED)
    response.headers["Location"] = f"/api/sync/runs/{started.run_id}"
    return response


def _json(value: object, status: HTTPStatus = HTTPStatus.OK) -> flask.Response:
    return flask.Response(msgspec.json.encode(value), status=status.value, content_type="application/json")


_RUN = r"/api/sync/runs/(?P<run_id>[\w.~:-]{1,600})"
ROUTES = (
    Route("POST", re.compile("/api/sync/scheduler"), _scheduler, is_scheduler=True),
    Route("POST", re.compile("/api/sync/trigger"), _trigger),
    Route("GET", re.compile("/api/sync/status"), _status),
    Route("GET", re.compile("/api/sync/runs"), _list_runs, ("status", "marketplace", "page_token")),
    Route("GET", re.compile(_RUN, re.ASCII), _show_run, ("status", "marketplace", "page_token")),
    Route("POST", re.compile(f"{_RUN}/retry", re.ASCII), _retry),
    Route("POST", re.compile(f"{_RUN}/cancel", re.ASCII), _cancel),
)


@dataclass(frozen=True, slots=True)
class Api:
    """Answers requests.

    Args:
        gate: Authenticates callers.
        services: Gives the services; called only for an authenticated caller.
        dead_letters: Gives what counts dead letters, if there is anything; called for a status only.
    """

    gate: Gate
    services: Callable[[], Services]
    dead_letters: Callable[[], Counter | None] = lambda: None

    def __call__(self, request: flask.Request) -> flask.Response:
        """Answer one request; never raises."""
        with log_context.bind(**traces.from_fields(request.headers).fields()):
            try:
                response = self._answer(request)
            except Exception as error:  # noqa: BLE001 - every error has an answer and a log line
                response = _failed(request, error)
            response.headers.update(_HEADERS)
            return response

    def _answer(self, request: flask.Request) -> flask.Response:
        if request.path == "/" and request.method == "GET":
            return flask.Response(PAGE, content_type="text/plain; charset=utf-8")
        route, run_id = _find(request)
        caller = (
            self.gate.scheduler(request.headers)
            if route.is_scheduler
            else self.gate.operator(request.headers)
        )
        body = requests.body_of(request)
        parameters = requests.parameters(request, route.parameters)
        with log_context.bind(run_id=run_id or None):
            call = Call(request, self.services(), caller, body, parameters, run_id, self.dead_letters)
            return route.answer(call)


def _failed(request: flask.Request, error: Exception) -> flask.Response:
    problem = problem_of(error)
    where = {"method": request.method, "path": request.path[:200], "status": problem.status.value}
    told = (request.method, where["path"], problem.status.value)
    kind = error.kind if isinstance(error, SyncError) else type(error).__name__
    if isinstance(error, Refused):
        _log.warning(
            "caller refused: %s %s answered %d to %s: %s",
            *(*told, error.who, error.reason),
            extra={"action": "caller_refused", "caller": error.who, "reason": error.reason, **where},
        )
    elif problem.status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.exception(
            "request failed: %s %s answered %d: %s",
            *(*told, error),
            extra={"action": "request_crashed", "kind": kind, **where},
        )
    else:
        severity = logging.WARNING if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
        _log.log(
            severity,
            "request failed: %s %s answered %d: %s",
            *(*told, error),
            extra={"action": "request_failed", "kind": kind, **where},
        )
    return problem.response()


def _find(request: flask.Request) -> tuple[Route, str]:
    """The route, and the run id in its path."""
    allowed = []
    for route in ROUTES:
        match = route.path.fullmatch(request.path)
        if match is not None and route.method == request.method:
            return route, match.groupdict().get("run_id", "")
        if match is not None:
            allowed.append(route.method)
    if request.path == "/":
        allowed.append("GET")
    if allowed:
        headers = {"Allow": ", ".join(allowed)}
        raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"this path takes {headers['Allow']}", headers)
    raise Problem(HTTPStatus.NOT_FOUND, "there is nothing at this path")
