"""Rows that are decoded with all their types at once, or else with their details as they came."""

from __future__ import annotations

import functools
import operator
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

import msgspec

from orchestrator.decoding import exact

S = TypeVar("S", bound=msgspec.Struct)
_NO_NUMBER = object()


class Rows(Generic[S]):
    """Decodes rows of one type.

    A detail that a record can do without is declared as `Annotated[object, Kind]`. Nearly all rows have the
    kinds that the marketplace documents: one pass of the decoder then makes all their details. The details of
    any other row are what JSON they came as; `values.Details` reads both, and names the unreadable ones.
    Numbers of undeclared details keep all their digits.

    Args:
        kind: The rows' type.
    """

    def __init__(self, kind: type[S]) -> None:
        # Made here, before any thread decodes (see orchestrator/decoding.py).
        self._loose = msgspec.json.Decoder(kind, float_hook=_number)
        self._typed: msgspec.json.Decoder[S] = msgspec.json.Decoder(_typed(kind), float_hook=exact)

    def decode(self, raw: bytes) -> S:
        """A row.

        Raises:
            ValidationError: A field that is no detail is missing, or has another type.
            DecodeError: It is not JSON.
        """
        try:
            return self._typed.decode(raw)
        except msgspec.ValidationError:
            return self._loose.decode(raw)


def _number(text: str) -> object:
    """A number with all its digits; an object that no reader understands if Python cannot express it."""
    try:
        return exact(text)
    except msgspec.ValidationError:
        return _NO_NUMBER


@functools.cache
def _typed(kind: Any) -> Any:
    """The type with the kinds of its details as their types; itself if it has no details."""
    changed = [
        (field.name, form, _same(field))
        for field in msgspec.structs.fields(kind)
        if (form := _form(field.type)) is not field.type
    ]
    if not changed:
        return kind
    return msgspec.defstruct(kind.__name__, changed, bases=(kind,), kw_only=True)


def _form(form: Any) -> Any:
    """A field's type with typed details; the same object if it has none."""
    if get_origin(form) is Annotated:
        told, *kinds = get_args(form)
        return _form(kinds[0]) | None | msgspec.UnsetType if told is object else form
    if isinstance(form, type) and issubclass(form, msgspec.Struct):
        return _typed(form)
    inner = get_args(form)
    found = tuple(_form(each) for each in inner)
    if all(mine is other for mine, other in zip(found, inner, strict=True)):
        return form
    if get_origin(form) in (list, tuple, dict):
        return get_origin(form)[found]
    return functools.reduce(operator.or_, found)


def _same(field: msgspec.structs.FieldInfo) -> Any:
    """The field's own name in JSON, and its default."""
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(name=field.encode_name, default_factory=field.default_factory)
    return msgspec.field(name=field.encode_name, default=field.default)
