"""Log lines as Cloud Logging reads them: one JSON object a line on standard output.

Source: https://cloud.google.com/logging/docs/structured-logging (special fields) and
https://cloud.google.com/error-reporting/docs/formatting-error-messages (`stack_trace`).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from orchestrator import log_context

_MARK = "[redacted]"
#: The fields of a record that were not given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
#: Bound fields that people search for across lines; labels are indexed.
_LABELS = ("run_id", "connection_id", "marketplace")

_NAMES = (
    r"access[_-]?token|refresh[_-]?token|id[_-]?token|client[_-]?secret|consumer[_-]?(?:key|secret)|api[_-]?key"
    r"|x-[\w-]{0,40}?(?:access-token|secret|api-key)|authorization|password|signature|hmac"
)
_SECRETS = (
    # Credentials behind the scheme of a header.
    (re.compile(r"\b(Bearer|Basic)\s+[^\s\"',;]+", re.IGNORECASE), rf"\1 {_MARK}"),
    # A JSON Web Token anywhere.
    (re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){1,2}"), _MARK),
    # Tokens that marketplaces and Google mark as such.
    (
        re.compile(
            r"\b(?:shp[a-z]{2}_\w{8,}|c[ks]_[0-9a-f]{16,}|Atz[a-z]\|[\w-]+|ya29\.[\w.-]+)|v\^1\.1#[^\s\"'&]+"
        ),
        _MARK,
    ),
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        _MARK,
    ),
    # `name=value`, `"name": "value"` and `Name: value`; for words that also occur in prose only the first.
    (
        re.compile(
            rf"\b((?:{_NAMES})[\"']?\s*[=:]\s*[\"']?)(?!\[redacted|Bearer|Basic)[^\s\"'&,;}}]+", re.IGNORECASE
        ),
        rf"\1{_MARK}",
    ),
    (re.compile(r"([?&](?:token|key|secret|code|sig)=)[^\s\"'&]+", re.IGNORECASE), rf"\1{_MARK}"),
    # `scheme://user:password@host`
    (
        re.compile(r"(\b[a-z][a-z0-9+.-]{0,15}://[^\s/:@]{0,200}:)[^\s/@]{1,400}@", re.IGNORECASE),
        rf"\1{_MARK}@",
    ),
)


#: No pattern matches a text without one of these, and most texts have none.
_HINTS = (
    *("bearer", "basic", "eyj", "shp", "ck_", "cs_", "atz", "ya29", "v^1", "private key", "token", "secret"),
    *("key", "code", "sig", "authorization", "password", "hmac", "://"),
)
#: Characters; Cloud Logging takes 256 KiB an entry.
_LONGEST = 32_768


def redact(text: str) -> str:
    """Replace everything that looks like a credential, and cut an endless text."""
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON.

    Args:
        project: The Google Cloud project of the traces; if it is empty, no trace is written.
    """

    def __init__(self, project: str) -> None:
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        bound = dict(log_context.current())
        trace, span = bound.pop("trace", None), bound.pop("span", None)
        bound.pop("traceparent", None)
        line: dict[str, object] = {
            "severity": record.levelname if record.levelno <= logging.CRITICAL else "CRITICAL",
            "message": redact(_subject(bound) + record.getMessage()),
            "time": datetime.fromtimestamp(record.created, UTC),
            "logger": record.name,
            **{name: redact(value) for name, value in bound.items()},
        }
        line.update((name, _plain(value)) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            line["stack_trace"] = redact(self.formatException(record.exc_info))
        if trace and self._project:
            line["logging.googleapis.com/trace"] = f"projects/{self._project}/traces/{trace}"
        if span:
            line["logging.googleapis.com/spanId"] = span
        labels = {name: bound[name] for name in _LABELS if name in bound}
        if labels:
            line["logging.googleapis.com/labels"] = labels
        return msgspec.json.encode(line, enc_hook=str).decode()


class _StdoutHandler(logging.Handler):
    """Looks standard output up at each line: the framework replaces it to add execution ids."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            sys.stdout.write(self.format(record) + "\n")
            sys.stdout.flush()
        except Exception:  # noqa: BLE001 - a log line never breaks the work it reports
            self.handleError(record)


def _subject(bound: Mapping[str, str]) -> str:
    """The connection that the work is about, in front of a message: people read messages alone."""
    connection_id = bound.get("connection_id")
    if not connection_id:
        return ""
    marketplace = bound.get("marketplace")
    return f"{connection_id} ({marketplace}): " if marketplace else f"{connection_id}: "


def configure(level: str, project: str) -> None:
    """Send all log records to standard output as JSON; a later call replaces an earlier one.

    Args:
        level: The least severity that is written, such as `INFO`.
        project: The Google Cloud project of the traces; may be empty.
    """
    handler = _StdoutHandler()
    handler.setFormatter(JsonFormatter(project))
    root = logging.getLogger()
    for present in root.handlers[:]:
        if isinstance(present, _StdoutHandler):
            root.removeHandler(present)
    root.addHandler(handler)
    root.setLevel(level)
    # At DEBUG these write URLs, headers and whole documents.
    for noisy in ("urllib3", "google", "grpc"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _plain(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | datetime):
        return value
    return redact(str(value))
