"""Rows decoded with all their types at once: one unreadable detail costs no other, and no record."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
import pytest

from orchestrator.marketplaces.typed_rows import Rows
from orchestrator.marketplaces.values import Details, Instant


class _Row(msgspec.Struct, rename="camel"):
    """A base as connectors have it."""


class _Tag(_Row):
    the_name: str


class _Box(_Row):
    tags: Annotated[object, list[_Tag]] = None
    since: Annotated[object, Instant] = None
    size: Annotated[object, Decimal] = None


class _Line(_Row, kw_only=True):
    id: int
    main_tag: Annotated[object, _Tag] = None
    all_tags: Annotated[object, list[_Tag]] = msgspec.UNSET
    boxes: Annotated[object, list[_Box]] = None
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


BOX = (
    b'{"id": 1, "boxes": [{"tags": [{"theName": "a"}], "since": "2026-01-02T03:00:00+03:00", "size": 1.25}]}'
)


@pytest.mark.parametrize("odd", [b"", b', "ODD": [7]'], ids=["typed", "loose"])
def test_details_have_details_of_their_own(odd: bytes) -> None:
    """They are decoded with the row as well, and read in the same way if one of them all is unreadable."""
    (line,) = ROWS.decode(b'{"nodes": [%b%b}]}' % (BOX[:-1], odd)).nodes
    details = Details()
    boxes = details.items("boxes", line.boxes, _Box)
    assert boxes is not None
    (box,) = boxes
    assert details.part("box", box, _Box) is box
    assert isinstance(box.since, str if odd else datetime)
    assert details.items("tags", box.tags, _Tag) == [_Tag("a")]
    assert details.moment("since", box.since) == datetime(2026, 1, 2, tzinfo=UTC)
    assert box.size == Decimal("1.25")
    assert details.warnings == ()


def test_a_list_with_other_items_is_unreadable() -> None:
    """The kind of its first item is not that of all."""
    details = Details()
    assert details.items("tags", ["a", "b"], str) == ["a", "b"]
    assert details.items("tags", ["a", None], str) is None
    assert details.warnings == ("tags",)


@pytest.mark.parametrize("number", [b"1e99999999999999999999", b"-1.5e-99999999999999999999"])
def test_a_number_that_python_cannot_express_costs_its_detail_alone(number: bytes) -> None:
    """Each reader names it."""
    (line,) = ROWS.decode(
        b'{"nodes": [{"id": 1, "ODD": %b, "mainTag": {"theName": "a"}, "allTags": %b}]}' % (number, number)
    ).nodes
    details = Details()
    assert details.part("tag", line.main_tag, _Tag) == _Tag("a")
    assert details.text("text", line.odd) is None
    assert details.money("money", line.odd, "ZAR") is None
    assert details.quantity("pieces", line.odd) is None
    assert details.moment("time", line.odd) is None
    assert details.flag("flag", line.odd) is None
    assert details.items("tags", line.all_tags, _Tag) is None
    assert details.warnings == ("text", "money", "pieces", "time", "flag", "tags")


def test_a_number_of_any_size_costs_its_detail_alone() -> None:
    """No float holds it, so a plain decoder would refuse the row."""
    (line,) = ROWS.decode(b'{"nodes": [{"id": 1, "ODD": 1e400, "mainTag": {"theName": "a"}}]}').nodes
    details = Details()
    assert line.odd == Decimal("1e400")
    assert details.part("tag", line.main_tag, _Tag) == _Tag("a")


def test_a_time_that_utc_cannot_express_is_named() -> None:
    """It costs itself, as a time without an offset does."""
    details = Details()
    assert details.moment("late", "9999-12-31T23:59:59-05:00") is None
    assert details.moment("local", "2026-01-01T00:00:00") is None
    assert details.moment("none", "") is None
    assert details.warnings == ("late", "local")


@pytest.mark.parametrize("odd", [b'"c"', b"[7]"], ids=["typed", "loose"])
def test_a_detail_of_any_kind_keeps_all_digits_of_its_numbers(odd: bytes) -> None:
    """Amounts are exact, also in a row with an unreadable detail."""
    raw = b'{"id": 1, "ODD": %b, "price": 100000000000000000.10}' % odd
    assert Rows(_Priced).decode(raw).price == Decimal("100000000000000000.10")
