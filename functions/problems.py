"""Errors as the caller is told them: `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import flask
import msgspec
from werkzeug.exceptions import BadRequest, RequestTimeout

from orchestrator.errors import (
    Conflict,
    NotFound,
    NotPossible,
    QueueUnavailable,
    RequestError,
    SecretUnavailable,
    StoreUnavailable,
)

#: Seconds after which a caller may repeat a request that failed for the moment.
RETRY_AFTER = 5

_UNAVAILABLE = (StoreUnavailable, QueueUnavailable, SecretUnavailable, Conflict)


class Problem(Exception):
    """An answer that is an error.

    Args:
        status: Its HTTP status.
        detail: One line for the caller; empty if the status is all that the caller learns.
        headers: Further headers.
    """

    def __init__(
        self, status: HTTPStatus, detail: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or status.phrase)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> flask.Response:
        """The problem as it is sent."""
        body = {"type": "about:blank", "title": self.status.phrase, "status": self.status.value}
        if self.detail:
            body["detail"] = self.detail
        return flask.Response(
            msgspec.json.encode(body),
            status=self.status.value,
            headers=self.headers,
            content_type="application/problem+json",
        )


class Unavailable(Problem):
    """A service behind this one does not answer; the caller may repeat the request."""

    def __init__(self) -> None:
        detail = "a service behind this one does not answer; asking again is safe"
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(RETRY_AFTER)})


def problem_of(error: Exception) -> Problem:
    """The answer for an error; an unexpected one tells the caller nothing."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BadRequest):
        return Problem(HTTPStatus.BAD_REQUEST, "the request could not be read to its end")
    if isinstance(error, RequestTimeout):
        return Problem(HTTPStatus.REQUEST_TIMEOUT, error.description or "")
    if isinstance(error, _UNAVAILABLE):
        return Unavailable()
    if isinstance(error, RequestError):
        detail = f"{error.message}; {error.action}" if error.action else error.message
        if isinstance(error, NotFound):
            return Problem(HTTPStatus.NOT_FOUND, detail)
        return Problem(
            HTTPStatus.CONFLICT if isinstance(error, NotPossible) else HTTPStatus.BAD_REQUEST, detail
        )
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a defect; its cause is in the log")
