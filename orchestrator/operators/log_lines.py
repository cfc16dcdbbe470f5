"""The log of a run or of a connection, for operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.errors import RequestError
from orchestrator.operators.paging import read_token, require_between, write_token
from orchestrator.ports import LogQuery, LogReader
from orchestrator.runs.start import read_run
from orchestrator.services import Services

#: Lines of one answer, if the caller does not say, and at most.
LIMIT, MOST = 200, 1000
#: How far back a connection's lines are looked for, if the caller does not say, and at most: the log keeps
#: lines for 30 days (cloud.google.com/logging/quotas).
SPAN, LONGEST = timedelta(hours=24), timedelta(days=30)
SEVERITIES = ("info", "warning", "error")
#: A run's first lines are written before its document, and its last ones after it was closed.
_BEFORE, _AFTER = timedelta(minutes=1), timedelta(minutes=10)


class LogView(msgspec.Struct, kw_only=True, frozen=True):
    """A line of the log."""

    at: str
    severity: str
    message: str
    fields: Mapping[str, Any]


class LogPage(msgspec.Struct, kw_only=True, frozen=True):
    """Lines, the oldest first."""

    since: datetime
    until: datetime
    lines: list[LogView]
    next_page_token: str | None


def read_log(
    services: Services,
    reader: Callable[[], LogReader],
    *,
    run_id: str | None,
    connection_id: str | None,
    severity: str | None = None,
    span: timedelta | None = None,
    page_token: str | None = None,
    limit: int = LIMIT,
) -> LogPage:
    """Read a page of the log.

    Args:
        services: The world.
        reader: Gives the log; called once the request is known to be sound.
        run_id: Only this run's lines; the time is that of the run.
        connection_id: Only this connection's lines.
        severity: Only lines of this severity and above.
        span: How far back a connection's lines are looked for.
        page_token: Continues after an earlier page.
        limit: At most this many lines.

    Raises:
        RequestError: Neither a run nor a connection, or a value out of range.
        NotFound: No such run.
        LogUnavailable: The log does not answer.
    """
    if run_id is None and connection_id is None:
        raise RequestError("neither a run nor a connection is named", action="name RUN_ID or --connection ID")
    require_between("limit", limit, 1, MOST)
    after = read_token(page_token, 2)
    since, until = _time(services, run_id, span)
    query = LogQuery(
        run_id=run_id,
        connection_id=connection_id,
        severity=severity,
        since=since,
        until=until,
        after=(after[0], after[1]) if after is not None else None,
        limit=limit,
    )
    found = reader().read(query)
    views = [
        LogView(at=line.at, severity=line.severity, message=line.message, fields=line.fields)
        for line in found
    ]
    token = write_token(found[-1].at, found[-1].id) if len(found) == limit else None
    return LogPage(since=since, until=until, lines=views, next_page_token=token)


def _time(services: Services, run_id: str | None, span: timedelta | None) -> tuple[datetime, datetime]:
    """The time that is searched: a log without bounds is read from its beginning, for minutes."""
    now = services.clock.now()
    if span is not None and not timedelta(0) < span <= LONGEST:
        raise RequestError(f"since: it takes from 1m to {LONGEST.days}d; the log keeps no older lines")
    if run_id is None:
        return now - (span or SPAN), now
    _, run = read_run(services, run_id)
    return run.started_at - _BEFORE, min(now, (run.finished_at or now) + _AFTER)
