"""The fields of a connector's settings and secret, for people who fill them in."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec


class Entry(NamedTuple):
    """One field of a form."""

    name: str
    description: str
    required: bool
    #: The only values that it takes; empty if it takes others.
    choices: tuple[str, ...]
    #: The type without notes and without None.
    kind: Any


def entries(form: type[msgspec.Struct]) -> list[Entry]:
    """The fields of a form, in its order."""
    found = []
    for each in msgspec.structs.fields(form):
        notes = getattr(each.type, "__metadata__", ())
        texts = [note.description for note in notes if isinstance(note, msgspec.Meta) and note.description]
        kind = _plain(each.type)
        choices = tuple(get_args(kind)) if get_origin(kind) is Literal else ()
        found.append(Entry(each.encode_name, " ".join(texts), each.required, choices, kind))
    return found


def value(form: type[msgspec.Struct], name: str, text: str) -> Any:
    """A field's value as people write it: a text, `true` or `false`, a JSON list or a list with commas.

    A field that the form does not have, and a text that does not fit, are returned as they are: the form
    refuses them by name.

    Raises:
        ValueError: The text begins like a JSON list and is none.
    """
    kind = next((each.kind for each in entries(form) if each.name == name), None)
    if kind is bool:
        return {"true": True, "false": False}.get(text, text)
    if text.startswith("["):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ValueError(f"{name}: starts with [ but is no JSON list: {error}") from error
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _plain(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        inner = [each for each in get_args(kind) if each is not NoneType]
        return _plain(inner[0]) if len(inner) == 1 else kind
    return kind
