"""docs/records.md: the data dictionary, made of the records' types and of the marketplaces' mappings.

`python -m tests.delivery.docs.records` writes the generated parts anew, and `make docs` those of all pages.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from local.processes import ROOT
from orchestrator.cli.record_schema import KINDS, meanings
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.model.records.document import Envelope
from orchestrator.model.records.record import (
    Attribute,
    Barcode,
    Charge,
    LinePart,
    Money,
    Option,
    Weight,
)
from tests.delivery.docs.markdown import table, with_part

PAGE = ROOT / "docs" / "records.md"
#: Parts that are alike for all marketplaces.
SHARED = (Money, Charge, Attribute, LinePart, Barcode, Weight, Option)
#: Fields that follow from other fields, for every marketplace alike.
DERIVED = frozenset(
    {
        *("orders.status", "orders.to_ship", "orders.currency", "orders.other_total", "orders.net"),
        *("orders.net_micros", "orders.skus", "orders.fees", "orders.truncated", "orders.warnings"),
        *("products.skus", "products.description", "products.truncated", "products.warnings"),
        *("products.variants.barcodes", "inventory.available_micros"),
        *("inventory.truncated", "inventory.warnings"),
    }
)


def mappings() -> dict[str, Mapping[str, str]]:
    """By marketplace, the source of each field that it fills, in its own words."""
    return {
        name: importlib.import_module(f"orchestrator.marketplaces.{name}.mapping").MAPPING
        for name in REGISTRY
    }


def parts() -> dict[str, str]:
    """The generated parts of the page by their markers."""
    found = {"envelope": _plain(Envelope), "shared": "\n\n".join(_shared(kind) for kind in SHARED)}
    for stream, (kind, _) in KINDS.items():
        found[stream] = "\n\n".join(_mapped(path, struct) for path, struct in structs(stream, kind))
    return found


def structs(path: str, kind: type[msgspec.Struct]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """A record and the structs inside it that marketplaces fill in their own ways, with their paths."""
    yield path, kind
    for name, told in get_type_hints(kind).items():
        for inner in _structs_in(told):
            if inner not in SHARED:
                yield from structs(f"{path}.{name}", inner)


def paths() -> set[str]:
    """The path of each field of each record, as the mappings name them."""
    return {
        f"{path}.{name}"
        for stream, (kind, _) in KINDS.items()
        for path, struct in structs(stream, kind)
        for name in struct.__struct_fields__
    }


def _structs_in(told: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(told, type) and issubclass(told, msgspec.Struct):
        yield told
    for each in get_args(told):
        yield from _structs_in(each)


def _mapped(path: str, kind: type[msgspec.Struct]) -> str:
    """The fields of a struct, with one column a marketplace."""
    told = mappings()
    rows = []
    for name, form in get_type_hints(kind).items():
        place = f"{path}.{name}"
        is_derived = place in DERIVED or (any(_structs_in(form)) and _has_own_table(form))
        sources = [each.get(place, "" if is_derived else "-") for each in told.values()]
        rows.append([f"`{name}`", words(form), meanings(kind)[name], *sources])
    return f"### `{path}`\n\n{table(['field', 'type', 'meaning', *told], rows)}"


def _has_own_table(form: Any) -> bool:
    return all(inner not in SHARED for inner in _structs_in(form))


def _plain(kind: type[msgspec.Struct]) -> str:
    rows = [[f"`{name}`", words(form), meanings(kind)[name]] for name, form in get_type_hints(kind).items()]
    return table(["field", "type", "meaning"], rows)


def _shared(kind: type[msgspec.Struct]) -> str:
    return f"### {kind.__name__}\n\n{(kind.__doc__ or '').partition(chr(10))[0]}\n\n{_plain(kind)}"


def words(form: Any) -> str:
    """A type in plain words.

    Raises:
        LookupError: No words are known for it.
    """
    origin, inner = get_origin(form), get_args(form)
    if origin is tuple:
        return f"list of {words(inner[0])}"
    if origin is dict:
        return f"map of {words(inner[1])}"
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in inner)
    if origin is Union or inner:
        told = [words(each) for each in inner if each is not NoneType]
        return " or ".join([*told, *(["null"] if NoneType in inner else [])])
    if isinstance(form, type) and issubclass(form, msgspec.Struct):
        return form.__name__
    known = {str: "text", int: "integer", bool: "boolean", datetime: "time"}
    if form not in known:
        raise LookupError(f"no words for {form}")
    return known[form]


def with_parts(text: str) -> str:
    """The page with the generated parts as they should be."""
    for marker, part in parts().items():
        text = with_part(text, marker, part)
    return text


def write() -> None:
    """Write the generated parts anew."""
    PAGE.write_text(with_parts(PAGE.read_text()))


if __name__ == "__main__":
    write()
