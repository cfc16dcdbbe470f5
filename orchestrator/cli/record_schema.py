"""JSON Schema of the records' documents, and the meaning of their fields as the types say it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from orchestrator.model.records.document import SCHEMA, Envelope
from orchestrator.model.records.record import Order, Product, StockLevel

#: The type of each stream's records, and the name of its schema.
KINDS: Mapping[str, tuple[type[msgspec.Struct], str]] = {
    "orders": (Order, "order"),
    "products": (Product, "product"),
    "inventory": (StockLevel, "stock_level"),
}
#: Fields of the envelope that are absent from most documents.
OPTIONAL = frozenset({"raw"})
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of document, by the name of its file.

    Times are timestamps in Firestore; in JSON they are texts in the form of RFC 3339.
    """
    return {f"{name}.v{SCHEMA}.json": _schema(kind, name) for kind, name in KINDS.values()}


def _schema(kind: type[msgspec.Struct], name: str) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([kind, Envelope], ref_template="#/$defs/{name}")
    structs: list[type[msgspec.Struct]] = [*structs_of(kind), Envelope]
    for each in structs:
        _describe(components[each.__name__], each)
    record, envelope = components.pop(kind.__name__), components.pop(Envelope.__name__)
    properties = {**envelope["properties"], **record["properties"]}
    properties["schema"]["const"] = SCHEMA
    return {
        "$schema": _DIALECT,
        "$id": f"{name}.v{SCHEMA}.json",
        "title": kind.__name__,
        "description": record["description"],
        "type": "object",
        "properties": properties,
        # Each field of the record and of its envelope is in each document of this version.
        "required": [field for field in properties if field not in OPTIONAL],
        "$defs": dict(sorted(components.items())),
    }


def _describe(component: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """Add the meanings of a struct's fields, and the form of its times."""
    component["description"] = (inspect.getdoc(kind) or "").partition(".")[0] + "."
    for field in msgspec.structs.fields(kind):
        told = component["properties"][field.encode_name]
        for option in told.get("anyOf", [told]):
            if option.get("type") == "string" and _is_time(field.type):
                option["format"] = "date-time"
        if meaning := meanings(kind)[field.name]:
            told["description"] = meaning


def _is_time(kind: object) -> bool:
    told = msgspec.inspect.type_info(kind)
    options = told.types if isinstance(told, msgspec.inspect.UnionType) else (told,)
    return any(isinstance(each, msgspec.inspect.DateTimeType) for each in options)


def structs_of(kind: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """A struct and all structs inside it, each once, in the order of their first mention."""
    found: dict[type[msgspec.Struct], None] = {kind: None}
    waiting = [kind]
    while waiting:
        for field in msgspec.structs.fields(waiting.pop(0)):
            for inner in _structs_in(msgspec.inspect.type_info(field.type)):
                if inner not in found:
                    found[inner] = None
                    waiting.append(inner)
    return list(found)


def _structs_in(told: msgspec.inspect.Type) -> Iterator[type[msgspec.Struct]]:
    match told:
        case msgspec.inspect.StructType(cls=kind):
            yield kind
        case msgspec.inspect.UnionType(types=types):
            for each in types:
                yield from _structs_in(each)
        case msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item):
            yield from _structs_in(item)


@cache
def meanings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The comment (`#:`) of each field of a struct, with JSON's null; empty if its name says it all."""
    source = textwrap.dedent(inspect.getsource(kind))
    lines = source.splitlines()
    (body,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    found = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            comment = " ".join(reversed(list(_comment_above(lines, node.lineno - 1))))
            found[node.target.id] = re.sub(r"\bNone\b", "null", comment)
    return found


def _comment_above(lines: list[str], at: int) -> Iterator[str]:
    """The lines of a comment that ends above a line, from its end."""
    while at > 0 and (line := lines[at - 1].strip()).startswith("#:"):
        yield line.removeprefix("#:").strip()
        at -= 1
