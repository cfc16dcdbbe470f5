"""docs/connections.md: settings, secret and access of each marketplace, as its connector describes them.

`python -m tests.delivery.docs.connections` writes the generated parts anew, and `make docs` those of all
pages. The text between them is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from local.processes import ROOT
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import Access, AnyConnector, Scope
from tests.delivery.docs.examples import EXAMPLES, Example
from tests.delivery.docs.markdown import listed, table, with_part

PAGE = ROOT / "docs" / "connections.md"
#: The marker of the settings that connections of every marketplace take; the others are marketplaces.
COMMON = "common"


def parts() -> dict[str, str]:
    """The generated parts of the page by their markers."""
    found = {COMMON: _settings(_fields(connector.settings for connector in REGISTRY.values()))}
    for marketplace, connector in REGISTRY.items():
        found[marketplace] = section(connector, EXAMPLES[marketplace])
    return found


def with_parts(text: str) -> str:
    """The page with the generated parts as they should be."""
    for marker, part in parts().items():
        text = with_part(text, marker, part)
    return text


def section(connector: AnyConnector, example: Example) -> str:
    """All that the connector says of one marketplace, with the example."""
    return "\n\n".join(
        [
            "**Settings**",
            _settings(own_settings(connector)) if own_settings(connector) else "None of its own.",
            f"```sh\n{example.command(connector.marketplace)}\n```",
            "**Secret**",
            *_secret(connector.credential, example.secrets),
            "**Access**",
            *_access(connector.access, connector.streams),
        ]
    )


def own_settings(connector: AnyConnector) -> dict[str, FieldInfo]:
    """The settings that not every marketplace takes."""
    common = _fields(connector.settings for connector in REGISTRY.values())
    own = _fields([connector.settings])
    return {name: field for name, field in own.items() if name not in common}


def description(field: FieldInfo) -> str:
    """The meaning of a field.

    Raises:
        LookupError: The field has no description.
    """
    metas = getattr(field.type, "__metadata__", ())
    found = [meta.description for meta in metas if isinstance(meta, msgspec.Meta) and meta.description]
    if not found:
        raise LookupError(f"{field.name} has no description")
    return str(found[0])


def takes(kind: Any) -> str:
    """A type in plain words.

    Raises:
        LookupError: No words are known for it.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return takes(inner[0])
    if origin is Literal:
        return listed([f"`{value}`" for value in inner], "or")
    if origin in {Union, UnionType}:
        return listed([takes(each) for each in inner if each is not NoneType], "or")
    if kind == tuple[str, ...]:
        return "a JSON list of texts"
    if kind is datetime:
        return "a time with its zone, such as `2026-11-23T06:00:00Z`"
    if kind is str:
        return "text"
    if kind is bool:
        return "`true` or `false`"
    raise LookupError(f"no words for {kind}")


def effect(scope: Scope) -> str:
    """The effect on the streams if the credential lacks a scope."""
    streams = listed([f"`{name}`" for name in scope.streams], "and")
    if not scope.streams:
        return "no stream needs it; `connections check` does"
    if scope.optional:
        return f"{streams} without this data"
    return f"{streams} {'fails' if len(scope.streams) == 1 else 'fail'}"


def _fields(forms: Iterable[type[msgspec.Struct]]) -> dict[str, FieldInfo]:
    """The fields that all of these forms have."""
    each = [{field.encode_name: field for field in fields(form)} for form in forms]
    return {name: field for name, field in each[0].items() if all(other.get(name) == field for other in each)}


def _settings(shown: Mapping[str, FieldInfo]) -> str:
    rows = []
    for name, field in shown.items():
        needed = "yes" if field.required else "no"
        if not field.required and field.default is not None:
            default = str(field.default)
            needed = f"no, default `{default.lower() if isinstance(field.default, bool) else default}`"
        rows.append([f"`{name}`", takes(field.type), needed, description(field)])
    return table(["setting", "takes", "required", "meaning"], rows)


def _secret(form: type[msgspec.Struct], secrets: Mapping[str, Mapping[str, str]]) -> list[str]:
    rows = []
    for name, field in _fields([form]).items():
        needed = "yes" if field.required else "no"
        forms = [title for title, content in secrets.items() if name in content]
        if not field.required and forms:
            needed = f"for {listed(forms, 'and')}"
        rows.append([f"`{name}`", takes(field.type), needed, description(field)])
    told = [table(["field", "takes", "required", "meaning"], rows)]
    for title, content in secrets.items():
        json = msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
        told += [*([f"As {title}:"] if len(secrets) > 1 else []), f"```json\n{json}\n```"]
    return told


def _access(access: Access, streams: Iterable[str]) -> list[str]:
    told = [f"Where: {' → '.join(access.menu_path)}."]
    rows = [[f"`{scope.name}`", scope.needed_for, effect(scope)] for scope in access.scopes]
    if rows:
        told.append(table([access.scopes_are, "needed for", "without it"], rows))
    covered = {name for scope in access.scopes for name in scope.streams}
    if free := [f"`{name}`" for name in streams if name not in covered]:
        told.append(f"No {access.scopes_are} is needed for {listed(free, 'and')}.")
    sources = ", ".join(f"<{source}>" for source in access.sources)
    return [*told, f"Lifetime: {access.lifetime}", f"Sources: {sources}."]


def write() -> None:
    """Write the generated parts anew."""
    PAGE.write_text(with_parts(PAGE.read_text()))


if __name__ == "__main__":
    write()
