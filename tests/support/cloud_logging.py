"""A stand-in for Cloud Logging's `ListLogEntries`, at the protocol: gRPC, filters, order, pages.

It keeps to the rules of https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list: a page token
belongs to the request that it was given for, a page may be empty before the last one, and entries of one time
are in the order of their ids.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse, LogEntry
from google.logging.type.log_severity_pb2 import LogSeverity
from google.protobuf.json_format import ParseDict
from google.protobuf.timestamp_pb2 import Timestamp

from tests.adapters.grpc_server import Failure, Method, serving
from tests.support.lines import Line

SERVICE = "google.logging.v2.LoggingServiceV2"
_TERM = re.compile(r'([\w.]+)(>=|<=|=)("(?:[^"\\]|\\.)*"|\w+)')


def _text(entry: LogEntry) -> str:
    raw = LogEntry.pb(entry).timestamp
    return f"{datetime.fromtimestamp(raw.seconds, UTC):%Y-%m-%dT%H:%M:%S}.{raw.nanos:09d}Z"


@dataclass
class CloudLogging:
    """Entries, and the calls for them."""

    project: str
    entries: list[LogEntry] = field(default_factory=list)
    requests: list[ListLogEntriesRequest] = field(default_factory=list)
    #: Errors of the next calls, and how many empty pages come before each page with entries.
    failures: list[Failure] = field(default_factory=list)
    empty_pages: int = 0

    def write(self, line: Line, *, insert_id: str = "", at: str | None = None) -> None:
        """Take a line of standard output, as Cloud Run's agent does."""
        payload = {name: value for name, value in line.items() if "googleapis" not in name}
        stamp = Timestamp()
        stamp.FromJsonString(at or payload["time"])
        entry = LogEntry(
            log_name=f"projects/{self.project}/logs/run.googleapis.com%2Fstdout",
            severity=payload.pop("severity"),
            insert_id=insert_id or f"id-{len(self.entries):06d}",
            labels=line.get("logging.googleapis.com/labels", {}),
        )
        payload.pop("time")
        raw = LogEntry.pb(entry)
        raw.timestamp.CopyFrom(stamp)
        raw.resource.type = "cloud_run_revision"
        ParseDict(payload, raw.json_payload)
        self.entries.append(entry)

    def answer(self, request: ListLogEntriesRequest) -> ListLogEntriesResponse:
        """ListLogEntries."""
        self.requests.append(ListLogEntriesRequest(request))
        if self.failures:
            raise self.failures.pop(0)
        if list(request.resource_names) != [f"projects/{self.project}"]:
            raise Failure(grpc.StatusCode.PERMISSION_DENIED, "Permission 'logging.logEntries.list' denied")
        if request.order_by not in {"", "timestamp asc", "timestamp desc"}:
            raise Failure(grpc.StatusCode.INVALID_ARGUMENT, "order_by")
        if not 0 <= request.page_size <= 1000:
            raise Failure(grpc.StatusCode.INVALID_ARGUMENT, "page_size")
        asked = f"{request.filter}\n{request.order_by}"
        start, empties = 0, self.empty_pages
        if request.page_token:
            given, _, place = b64decode(request.page_token).decode().rpartition("\n")
            if given != asked:
                raise Failure(grpc.StatusCode.INVALID_ARGUMENT, "page_token doesn't match arguments")
            start, empties = (int(each) for each in place.split(","))
        found = self._matching(request.filter)
        if request.order_by == "timestamp desc":
            found.reverse()
        size = 0 if empties else request.page_size or 50
        end = start + size
        more = f"{asked}\n{end},{empties - 1 if empties else self.empty_pages}"
        token = b64encode(more.encode()).decode() if end < len(found) else ""
        return ListLogEntriesResponse(entries=found[start:end], next_page_token=token)

    def _matching(self, text: str) -> list[LogEntry]:
        terms = []
        for term in text.split(" AND "):
            parsed = _TERM.fullmatch(term.strip())
            if parsed is None:
                raise Failure(grpc.StatusCode.INVALID_ARGUMENT, f"Unparseable filter: {term}")
            terms.append(parsed.groups())
        passed = [entry for entry in self.entries if all(_holds(entry, *term) for term in terms)]
        return sorted(passed, key=lambda entry: (_text(entry), entry.insert_id))


def _holds(entry: LogEntry, name: str, op: str, given: str) -> bool:
    value: Any
    wanted: Any = re.sub(r"\\(.)", r"\1", given[1:-1]) if given.startswith('"') else given
    match name.split("."):
        case ["timestamp"]:
            value = _text(entry)
            whole, _, part = wanted.removesuffix("Z").partition(".")
            wanted = f"{whole}.{part:0<9}Z"
        case ["severity"]:
            value, wanted = LogEntry.pb(entry).severity, LogSeverity.Value(wanted)
        case ["resource", "type"]:
            value = entry.resource.type
        case ["labels", label]:
            value = dict(entry.labels).get(label)
        case _:
            raise Failure(grpc.StatusCode.INVALID_ARGUMENT, f"unknown field {name}")
    if op == "=":
        return bool(value == wanted)
    return bool(value >= wanted if op == ">=" else value <= wanted)


@contextmanager
def cloud_logging(project: str, lines: Sequence[Line] = ()) -> Iterator[tuple[CloudLogging, str]]:
    """Serve until the block ends; gives the log and its `HOST:PORT`."""
    log = CloudLogging(project)
    for line in lines:
        log.write(line)
    method = Method(ListLogEntriesRequest, ListLogEntriesResponse, log.answer)
    with serving(SERVICE, {"ListLogEntries": method}) as host:
        yield log, host
