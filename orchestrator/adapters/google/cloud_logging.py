"""Cloud Logging, read back: `entries.list`, by the labels that the functions' lines carry.

Importing it takes half a second and 66 MB, so only the command `logs` does; the functions write standard
output.
Source: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from google.api_core import exceptions
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.services.logging_service_v2.transports import LoggingServiceV2GrpcTransport
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse, LogEntry
from google.logging.type.log_severity_pb2 import LogSeverity
from google.protobuf.json_format import MessageToDict

from orchestrator.adapters.google.calls import Client, Remedies, retry
from orchestrator.errors import LogUnavailable
from orchestrator.ports import LogLine, LogQuery

#: Entries of one call; the service takes up to 1,000.
PAGE = 1000
_TIMEOUT_S = 20.0
#: A search through much of a log answers empty pages with a token; so long it is followed.
PATIENCE_S = 60.0
#: The service allows 60 calls a minute for a project.
_RETRY = retry(exceptions.DeadlineExceeded, total_s=60.0)
_REMEDIES: Remedies = {
    exceptions.PermissionDenied: "have roles/logging.viewer on the project granted to this account",
    exceptions.NotFound: "correct GOOGLE_CLOUD_PROJECT",
}


class CloudLogs:
    """The LogReader port.

    Args:
        project: The project of the functions.
        host: `HOST:PORT` of another server; empty for the service itself.
        monotonic: Seconds that never go back, to end a long search.
    """

    def __init__(
        self, *, project: str, host: str = "", monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._project = project
        self._monotonic = monotonic
        self._client = Client(
            LoggingServiceV2Client,
            LoggingServiceV2GrpcTransport,
            LogUnavailable,
            _REMEDIES,
            emulator_host=host,
        )

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._client.close()

    def read(self, query: LogQuery) -> list[LogLine]:
        """At most `limit` lines; see LogReader."""
        found: list[LogLine] = []
        for entry in self._entries(query):
            line = _line(entry)
            # Entries of one time are listed by their id.
            if query.after is not None and (line.at, line.id) <= query.after:
                continue
            found.append(line)
            if len(found) == query.limit:
                break
        return found

    def _entries(self, query: LogQuery) -> Iterator[LogEntry]:
        """The entries page by page; a page may be empty before the last one."""
        request = ListLogEntriesRequest(
            resource_names=[f"projects/{self._project}"],
            filter=filter_of(query),
            order_by="timestamp asc",
            page_size=min(PAGE, query.limit + 1),
        )
        over_at = self._monotonic() + PATIENCE_S
        while True:
            page = self._page(request)
            yield from page.entries
            if not page.next_page_token:
                return
            if self._monotonic() > over_at:
                raise LogUnavailable(
                    f"Cloud Logging of {self._project}: the search takes longer than {PATIENCE_S:.0f} s",
                    action="ask for a shorter time (--since), or for one run",
                )
            request.page_token = page.next_page_token

    def _page(self, request: ListLogEntriesRequest) -> ListLogEntriesResponse:
        def call(client: LoggingServiceV2Client) -> ListLogEntriesResponse:
            pager = client.list_log_entries(request=request, retry=None, timeout=_TIMEOUT_S)
            return next(iter(pager.pages))

        return self._client.call(f"Cloud Logging of {self._project}", _RETRY, call)


def filter_of(query: LogQuery) -> str:
    """The query in Cloud Logging's language."""
    since = query.after[0] if query.after is not None else _rfc3339(query.since)
    terms = [
        'resource.type="cloud_run_revision"',
        f"timestamp>={_quoted(since)}",
        f'timestamp<="{_rfc3339(query.until)}"',
    ]
    if query.run_id is not None:
        terms.append(f"labels.run_id={_quoted(query.run_id)}")
    if query.connection_id is not None:
        terms.append(f"labels.connection_id={_quoted(query.connection_id)}")
    if query.severity is not None:
        terms.append(f"severity>={query.severity.upper()}")
    return " AND ".join(terms)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _line(entry: LogEntry) -> LogLine:
    raw = LogEntry.pb(entry)
    payload = _whole(MessageToDict(raw.json_payload)) if raw.HasField("json_payload") else {}
    seconds = datetime.fromtimestamp(raw.timestamp.seconds, UTC)
    return LogLine(
        at=f"{seconds:%Y-%m-%dT%H:%M:%S}.{raw.timestamp.nanos:09d}Z",
        id=raw.insert_id,
        severity=LogSeverity.Name(raw.severity),
        message=str(payload.pop("message", "") or raw.text_payload),
        fields={**payload, **dict(raw.labels)},
    )


def _whole(value: Any) -> Any:
    """A value in which whole numbers are integers: all numbers of a Struct are floats."""
    match value:
        case dict():
            return {name: _whole(each) for name, each in value.items()}
        case list():
            return [_whole(each) for each in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
