"""docs/operating.md lists the log's events: each that the code writes, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from local.processes import ROOT

TEXT = (ROOT / "docs" / "operating.md").read_text()
SOURCES = [ROOT / "main.py", *(ROOT / "functions").rglob("*.py"), *(ROOT / "orchestrator").rglob("*.py")]
METHODS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def log_calls() -> Iterator[tuple[str, ast.Call, ast.AST]]:
    """Each call that writes a log line, with its place and the function around it."""
    for path in SOURCES:
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in {*METHODS, "log"}
                    and ast.unparse(node.func.value) in {"log", "_log"}
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node, function


def extra_of(call: ast.Call, function: ast.AST) -> ast.Dict | None:
    """The fields of a log line: a display in the call, or one that the function has given a name."""
    extra = next((each.value for each in call.keywords if each.arg == "extra"), None)
    if isinstance(extra, ast.Name):
        extra = next(
            (
                node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == extra.id
            ),
            None,
        )
    return extra if isinstance(extra, ast.Dict) else None


def action_of(call: ast.Call, function: ast.AST) -> str | None:
    """The event's name; None if the line has none, or one that is made while the code runs."""
    fields = extra_of(call, function)
    if fields is None:
        return None
    for key, value in zip(fields.keys, fields.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == "action":
            return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
    return None


def events() -> dict[str, set[str]]:
    """The documented events with their severities."""
    table = TEXT.partition("<!-- events -->")[2].partition("<!-- /events -->")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \| .+ \|$", table, flags=re.MULTILINE)
    names = [name for name, _ in rows]
    assert names == sorted(set(names))
    return {name: set(severities.split(", ")) for name, severities in rows}


def test_every_line_has_a_stable_event() -> None:
    """No line is without an event, and no event's name is made of an error's kind or a variable."""
    assert [place for place, call, function in log_calls() if action_of(call, function) is None] == []


def test_the_table_lists_the_events_of_the_code() -> None:
    """Each event with its severity, in both directions."""
    written: dict[str, set[str]] = {}
    for _, call, function in log_calls():
        assert isinstance(call.func, ast.Attribute)
        severities = {"info", "warning"} if call.func.attr == "log" else {METHODS[call.func.attr]}
        written.setdefault(str(action_of(call, function)), set()).update(severities)

    assert len(written) >= 30
    assert events() == written
