"""Reading a request: its body within bounds, its parameters and the scheduler's headers."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO, Annotated, TypeVar

import flask
import msgspec
from werkzeug.wsgi import get_input_stream

from functions.bodies import time_limit
from functions.problems import Problem
from orchestrator.decoding import UNREADABLE

#: Bytes; a larger body is refused.
LARGEST_BODY = 64 * 1024

_TOO_LARGE = f"the body is larger than {LARGEST_BODY} bytes"
#: The server's stream of the body, in the request's environment.
_BODY = "sync.body"
#: A job's short name; cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs.
_JOB = re.compile(r"[A-Za-z0-9_-]{1,500}")
_KEY = re.compile(r"[!-~]{1,255}")

T = TypeVar("T")
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a call without arguments: absent or `{}`."""


def hide_body() -> None:
    """Keep a request's body from the framework, which reads all of it before any answer is sent.

    A caller who is refused has the answer at once, whatever is still to come of the body. `body_of` reads it.
    """
    environ = flask.request.environ
    environ[_BODY] = get_input_stream(environ)
    environ["wsgi.input"], environ["wsgi.input_terminated"] = io.BytesIO(), True


def body_of(request: flask.Request) -> bytes:
    """The whole body, also of a chunked request.

    Flask's own limit refuses a chunked body of exactly the limit, and raises once more when the framework
    reads the rest.

    Raises:
        Problem: 413; it is too large. 400; it breaks off.
        RequestTimeout: It does not arrive in time.
    """
    if (request.content_length or 0) > LARGEST_BODY:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
    stream: IO[bytes] = request.environ.get(_BODY) or request.stream
    body = b""
    with time_limit(request.environ):
        try:
            while len(body) <= LARGEST_BODY and (part := stream.read(LARGEST_BODY + 1 - len(body))):
                body += part
        except Exception as error:  # each server has its own errors for a body that breaks off
            raise Problem(HTTPStatus.BAD_REQUEST, "the request could not be read to its end") from error
    if len(body) > LARGEST_BODY:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
    return body


def decoded(body: bytes, kind: type[T]) -> T:
    """A JSON body as a value of its type; an empty one counts as `{}`.

    Raises:
        Problem: 400; names the field.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except UNREADABLE as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"body: {error}") from error


def parameters(request: flask.Request, known: Collection[str]) -> dict[str, str]:
    """The query parameters; an empty one counts as absent.

    Raises:
        Problem: 400; one is unknown or given twice.
    """
    for name, values in request.args.lists():
        if name not in known:
            allowed = f"; known are {', '.join(known)}" if known else "; this path takes none"
            raise Problem(HTTPStatus.BAD_REQUEST, f"query parameter {name[:40]!r} is unknown{allowed}")
        if len(values) > 1:
            raise Problem(HTTPStatus.BAD_REQUEST, f"query parameter {name!r} is given more than once")
    return {name: value for name, value in request.args.items() if value}


def schedule_of(request: flask.Request) -> tuple[str, datetime | None]:
    """The job of a tick, and the tick's own time in UTC; None if the call carries no time.

    Raises:
        Problem: 400; a header is malformed.
    """
    job = request.headers.get("X-CloudScheduler-JobName") or "unnamed"
    if not _JOB.fullmatch(job):
        raise Problem(HTTPStatus.BAD_REQUEST, "X-CloudScheduler-JobName is not a job's short name")
    text = request.headers.get("X-CloudScheduler-ScheduleTime", "").strip()
    if not text:
        return job, None
    try:
        instant: datetime = msgspec.convert(text, _Instant)
        return job, instant.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError) as error:
        message = "X-CloudScheduler-ScheduleTime is not an RFC 3339 time with its offset"
        raise Problem(HTTPStatus.BAD_REQUEST, message) from error


def idempotency_key_of(request: flask.Request) -> str | None:
    """The caller's own name for this request; None if there is none.

    Raises:
        Problem: 400; it is malformed.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise Problem(HTTPStatus.BAD_REQUEST, "Idempotency-Key takes 1 to 255 visible ASCII characters")
    return key
