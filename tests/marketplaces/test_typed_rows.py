"""Rows decoded with all their types at once: one unreadable detail costs no other, and no record."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
import pytest

from orchestrator.marketplaces.typed_rows import Rows
from orchestrator.marketplaces.values import Details


class _Row(msgspec.Struct, rename="camel"):
    """A base as connectors have it."""


class _Tag(_Row):
    the_name: str


class _Line(_Row, kw_only=True):
    id: int
    main_tag: Annotated[object, _Tag] = None
    all_tags: Annotated[object, list[_Tag]] = msgspec.UNSET
    odd: Annotated[object, str] = msgspec.field(default=None, name="ODD")


class _Lines(_Row):
    nodes: list[_Line]
    last: _Line | None = None


class _Priced(_Line):
    price: object = None


ROWS = Rows(_Lines)
GOOD = b'{"id": 1, "mainTag": {"theName": "a"}, "allTags": [{"theName": "b"}], "ODD": "c"}'


def test_details_come_as_their_kinds() -> None:
    """Each detail is of its kind, in every nested row."""
    row = ROWS.decode(b'{"nodes": [%b], "last": %b}' % (GOOD, GOOD))
    for line in (row.nodes[0], row.last):
        assert line is not None
        assert (line.main_tag, line.all_tags, line.odd) == (_Tag("a"), [_Tag("b")], "c")


def test_a_detail_that_is_not_told_keeps_its_default() -> None:
    """A row without details is no unreadable one."""
    (line,) = ROWS.decode(b'{"nodes": [{"id": 1}]}').nodes
    assert (line.main_tag, line.all_tags, line.odd) == (None, msgspec.UNSET, None)


def test_an_unreadable_detail_leaves_all_others_readable() -> None:
    """The readers take the details of a loose row as well."""
    (line,) = ROWS.decode(b'{"nodes": [%b]}' % GOOD.replace(b'"c"', b"[7]")).nodes
    details = Details()
    assert line.id == 1
    assert details.part("tag", line.main_tag, _Tag) == _Tag("a")
    assert details.items("tags", line.all_tags, _Tag) == [_Tag("b")]
    assert details.text("odd", line.odd) is None
    assert details.warnings == ("odd",)


def test_a_field_that_is_no_detail_refuses_the_row() -> None:
    """The loose form is no way around a field's own type."""
    with pytest.raises(msgspec.ValidationError, match="id"):
        ROWS.decode(b'{"nodes": [{"id": "one"}]}')


@pytest.mark.parametrize("odd", [b'"c"', b"[7]"], ids=["typed", "loose"])
def test_a_detail_of_any_kind_keeps_all_digits_of_its_numbers(odd: bytes) -> None:
    """Amounts are exact, also in a row with an unreadable detail."""
    raw = b'{"id": 1, "ODD": %b, "price": 100000000000000000.10}' % odd
    assert Rows(_Priced).decode(raw).price == Decimal("100000000000000000.10")
