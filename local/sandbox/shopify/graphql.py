"""Shopify's GraphQL: real parsing and validation, a small executor, costs in points.

A node is a dict of its fields; a field with arguments is a function of them. An inline fragment applies to
the nodes whose global id names its type. An object costs one point, a connection two and its size times its
node's cost. How Shopify counts lists that are no connections is not documented: here one counts by its size,
and as three objects if it has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from graphql import (
    FieldNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    build_schema,
    get_variable_values,
    parse,
    print_ast,
    validate,
    value_from_ast_untyped,
)

_SCHEMA = build_schema(Path(__file__).with_name("schema.graphql").read_text())
_CAPITAL = re.compile("[A-Z]")
#: Lists that take no size, and the number of objects that they count as.
_LISTS = frozenset({"customAttributes", "discountAllocations", "quantities", "selectedOptions", "taxLines"})
_SIZELESS = 3
#: The largest page of any connection.
LARGEST_PAGE = 250


class Refused(Exception):
    """The query is refused; `errors` are GraphQL's own, `status` is the answer's."""

    def __init__(self, errors: list[dict[str, Any]], status: int = 200) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors
        self.status = status


#: The number of encoded rows that are kept; the oldest are dropped first.
_KEPT_ROWS = 50_000
_rows: dict[tuple[str, str, Hashable], tuple[msgspec.Raw, int]] = {}


@dataclass(frozen=True, slots=True)
class Row:
    """A node that is built on its first use, and then kept encoded."""

    #: Differs whenever the node's content differs.
    key: Hashable
    build: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Validated:
    """A document, and the ids of its selections that depend on no variable."""

    operation: OperationDefinitionNode | None
    errors: list[dict[str, Any]]
    fixed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Query:
    """A validated query with its variables."""

    text: str
    selections: SelectionSetNode
    variables: Mapping[str, Any]
    fixed: frozenset[int]

    def requested_cost(self) -> int:
        """The maximum cost of the query.

        Raises:
            Refused: A connection has no page size, or too large a one.
        """
        return self._cost(self.selections)

    def run(self, root: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """The data, and its cost.

        Raises:
            Refused: A field refuses its arguments.
        """
        points = [0]
        return self._project(self.selections, root, points), points[0]

    def _cost(self, selections: SelectionSetNode) -> int:
        # Fragments of several types: the most expensive one.
        total = max((self._cost(each.selection_set) for each in _fragments(selections)), default=0)
        for field in _fields(selections):
            if field.selection_set is None or field.name.value == "pageInfo":
                continue
            inner = field.selection_set
            nodes = next((each for each in _fields(inner) if each.name.value == "nodes"), None)
            arguments = self._arguments(field)
            first = len(arguments["ids"]) if "ids" in arguments else arguments.get("first")
            if nodes is None or nodes.selection_set is None:
                times = _SIZELESS if field.name.value in _LISTS else 1
                total += (first if isinstance(first, int) else times) * (1 + self._cost(inner))
                continue
            if not isinstance(first, int) or not 0 < first <= LARGEST_PAGE:
                message = f"{field.name.value}: first takes 1 to {LARGEST_PAGE}"
                raise Refused([{"message": message, "extensions": {"code": "argumentLiteralsIncompatible"}}])
            total += 2 + first * (1 + self._cost(nodes.selection_set))
        return total

    def _arguments(self, field: FieldNode) -> dict[str, Any]:
        values = {
            each.name.value: value_from_ast_untyped(each.value, dict(self.variables))
            for each in field.arguments or ()
        }
        given = {
            name: value for name, value in values.items() if value is not None and value is not Undefined
        }
        return {
            _CAPITAL.sub(lambda found: f"_{found[0].lower()}", name): value for name, value in given.items()
        }

    def _project(
        self, selections: SelectionSetNode, node: Mapping[str, Any], points: list[int]
    ) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for each in _fragments(selections):
            if each.type_condition and f"/{each.type_condition.name.value}/" in node["id"]:
                data |= self._project(each.selection_set, node, points)
        for field in _fields(selections):
            value = node[field.name.value]
            if callable(value):
                value = value(**self._arguments(field))
            if field.selection_set is not None:
                inner = field.selection_set
                if isinstance(value, list):
                    points[0] += len(value)
                    value = [self._element(field, inner, each, points) for each in value]
                elif isinstance(value, dict):
                    points[0] += "endCursor" not in value and "nodes" not in value
                    value = self._project(inner, value, points)
            data[field.alias.value if field.alias else field.name.value] = value
        return data

    def _element(
        self,
        field: FieldNode,
        inner: SelectionSetNode,
        node: Row | Mapping[str, Any] | None,
        points: list[int],
    ) -> dict[str, Any] | msgspec.Raw | None:
        if node is None:
            return None
        if not isinstance(node, Row):
            return self._project(inner, node, points)
        if id(inner) not in self.fixed:
            return self._project(inner, node.build(), points)
        key = (self.text, field.name.value, node.key)
        if key not in _rows:
            own = [0]
            encoded = msgspec.Raw(msgspec.json.encode(self._project(inner, node.build(), own)))
            if len(_rows) >= _KEPT_ROWS:
                del _rows[next(iter(_rows))]
            _rows[key] = (encoded, own[0])
        encoded, cost = _rows[key]
        points[0] += cost
        return encoded


def read_query(text: str, variables: Mapping[str, Any]) -> Query:
    """Parse and validate.

    Raises:
        Refused: The text is no GraphQL (status 400), or does not fit the schema (status 200).
    """
    document = _validated(text)
    if document.errors or document.operation is None:
        raise Refused(document.errors, 400 if document.operation is None else 200)
    operation = document.operation
    values = get_variable_values(_SCHEMA, operation.variable_definitions or (), dict(variables))
    if isinstance(values, list):
        raise Refused([{"message": error.message} for error in values])
    return Query(text, operation.selection_set, values.coerced, document.fixed)


@lru_cache(maxsize=64)
def _validated(text: str) -> _Validated:
    try:
        document = parse(text)
    except GraphQLError as error:
        return _Validated(None, [{"message": error.message}])
    operation = document.definitions[0]
    if not isinstance(operation, OperationDefinitionNode) or len(document.definitions) != 1:
        return _Validated(None, [{"message": "this sandbox accepts one operation and no named fragments"}])
    found = validate(_SCHEMA, document)
    errors = [{"message": error.message, "extensions": {"code": "undefinedField"}} for error in found]
    return _Validated(operation, errors, frozenset(_fixed(operation.selection_set)))


def _fixed(selections: SelectionSetNode) -> Iterator[int]:
    if "$" not in print_ast(selections):
        yield id(selections)
    for each in selections.selections:
        if isinstance(each, FieldNode | InlineFragmentNode) and each.selection_set is not None:
            yield from _fixed(each.selection_set)


def _fragments(selections: SelectionSetNode) -> list[InlineFragmentNode]:
    return [each for each in selections.selections if isinstance(each, InlineFragmentNode)]


def _fields(selections: SelectionSetNode) -> list[FieldNode]:
    return [each for each in selections.selections if isinstance(each, FieldNode)]
