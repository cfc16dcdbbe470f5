"""Cloud Logging's filters, as far as the log-based metrics use them, applied to entries.

Source: https://cloud.google.com/logging/docs/view/logging-query-language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Fields that the agent takes out of `jsonPayload` (cloud.google.com/logging/docs/structured-logging).
_LIFTED = {"severity", "time"}
_TERM = re.compile(r'(?P<field>[\w.]+)(?P<op>=~|>=|=|>)(?P<value>\([^)]*\)|"[^"]*"|[\d.]+)')


def entry(line: Mapping[str, Any], service: str = "sync-worker") -> dict[str, Any]:
    """The entry that Cloud Logging makes of a line on standard output."""
    payload = {
        name: value
        for name, value in line.items()
        if name not in _LIFTED and not name.startswith("logging.googleapis.com/")
    }
    resource = {"type": "cloud_run_revision", "labels": {"service_name": service}}
    return {
        "resource": resource,
        "severity": line["severity"],
        "labels": line.get("logging.googleapis.com/labels", {}),
        "jsonPayload": payload,
    }


def value_of(found: Mapping[str, Any], field: str) -> Any:
    """A field of an entry; None if it is absent."""
    value: Any = found
    for name in field.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def matches(text: str, found: Mapping[str, Any]) -> bool:
    """Whether an entry passes a filter: terms joined by AND."""
    return all(_holds(term, found) for term in _terms(text))


def _terms(text: str) -> list[str]:
    """The terms; an AND or OR inside of parentheses or quotes separates none."""
    return [each.strip() for each in re.split(r" AND (?![^(]*\))", text)]


def _holds(term: str, found: Mapping[str, Any]) -> bool:
    if log := re.fullmatch(r'log_id\("([^"]+)"\)', term):
        return str(found.get("logName", "")).endswith(log[1].replace("/", "%2F"))
    parsed = _TERM.fullmatch(term)
    assert parsed is not None, f"not understood: {term}"
    value, given = value_of(found, parsed["field"]), parsed["value"]
    if value is None:
        return False
    if given.startswith("("):
        return str(value) in re.findall(r'"([^"]*)"', given)
    match parsed["op"]:
        case "=":
            return str(value) == given.strip('"')
        case "=~":
            return re.search(given.strip('"'), str(value)) is not None
        case ">":
            return float(value) > float(given)
        case _:
            return float(value) >= float(given)
