"""Money, times and scrubbing: exact, aware, and without personal data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.scrub import scrub
from orchestrator.marketplaces.values import (
    NO_DETAIL,
    Amount,
    Details,
    Many,
    listed,
    money,
    optional_utc,
    plain_text,
    quantity,
    total_quantity,
    utc,
    without_noise,
)
from orchestrator.model.records.record import Money

SECRET = "nobody@example.com"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class _Numbers(msgspec.Struct):
    rows: Many[int]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("599.0", "ZAR", "599.00"),
        ("599", "ZAR", "599.00"),
        (345, "ZAR", "345.00"),
        ("0.1", "ZAR", "0.10"),
        ("-12.5", "GBP", "-12.50"),
        ("-0", "GBP", "0.00"),
        ("1200", "JPY", "1200"),
        ("1200.00", "JPY", "1200"),
        ("1.5", "KWD", "1.500"),
        ("19.995", "ZAR", "19.995"),
        ("19.9950", "ZAR", "19.995"),
        ("1E+3", "ZAR", "1000.00"),
        (Decimal("15.75"), "ZAR", "15.75"),
    ],
)
def test_money_has_at_least_the_currencys_decimals_and_loses_none(
    amount: Amount, currency: str, text: str
) -> None:
    """Amounts are written out with the minor unit of their currency."""
    assert money(amount, currency).amount == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6))
def test_money_is_exact(amount: Decimal) -> None:
    """Whatever the amount, reading its text gives the very same number."""
    assert Decimal(money(str(amount), "ZAR").amount) == amount


@given(st.text(max_size=12))
def test_any_text_is_an_exact_amount_or_refused(text: str) -> None:
    """There is no third way: nothing is rounded, and no other error leaves."""
    try:
        amount = money(text, "ZAR").amount
    except RecordInvalid:
        return
    assert Decimal(amount) == Decimal(text)


@pytest.mark.parametrize(
    "amount", ["NaN", "Infinity", "1e999999", "1e-999999", "12,50", "", "R 12", "\u0663\u066b\u0665"]
)
def test_what_is_not_a_reasonable_number_is_refused(amount: str) -> None:
    """It is refused before it could be written out as a megabyte of zeros."""
    with pytest.raises(RecordInvalid):
        money(amount, "ZAR")


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0" * 200 + "1.00", "ZAR"), ("1.00" + " " * 200, "ZAR"), ("1.00", " " * 200 + "ZAR")],
)
def test_long_texts_do_not_stay_in_memory(amount: str, currency: str) -> None:
    """The process remembers amounts by their texts, and a text may have megabytes."""
    before = money.cache_info().currsize
    with pytest.raises(RecordInvalid, match="too long"):
        money(amount, currency)
    assert money.cache_info().currsize == before


@pytest.mark.parametrize("currency", ["", "rand", "R", "ZA", "ZARR", "Z4R", "ÄÖÜ"])
def test_what_is_not_a_currency_code_is_refused(currency: str) -> None:
    """ISO 4217 codes are three capital letters."""
    with pytest.raises(RecordInvalid):
        money("1", currency)


def test_a_currency_in_lower_case_is_the_same_currency() -> None:
    """Plugins write it so in single amounts."""
    assert money("1", "zar") == Money("1.00", "ZAR")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (2, 2),
        (Decimal("2.0"), 2),
        (Decimal("1E+3"), 1000),
        (Decimal("1.52"), "1.52"),
        (Decimal("1.50"), "1.5"),
        (Decimal("-0.125"), "-0.125"),
        (Decimal("-0"), 0),
        (Decimal("0.30000000000000004"), "0.3"),
        (Decimal("6.9999999999999991"), 7),
    ],
)
def test_a_quantity_by_weight_is_exact_and_a_whole_one_an_integer(
    number: int | Decimal, expected: int | str
) -> None:
    """Shops sell 1.52 of an item; the noise of a binary fraction is not a part of it."""
    found = quantity(number)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("number", [10**16, Decimal("NaN"), Decimal("Infinity"), Decimal("1e999999999")])
def test_what_is_no_number_of_pieces_is_refused(number: int | Decimal) -> None:
    """It is refused before it could take all memory."""
    with pytest.raises(RecordInvalid):
        quantity(number)


def test_quantities_add_up_exactly() -> None:
    """Whole again, if they meet a whole number."""
    assert total_quantity(Decimal("0.1"), Decimal("0.2"), 1) == "1.3"
    assert total_quantity(Decimal("0.75"), Decimal("1.25")) == 2
    assert total_quantity() == 0


@pytest.mark.parametrize(
    ("number", "meant"),
    [
        ("14.309999999999999", "14.31"),
        ("0.1000000000000000055", "0.1"),
        ("347.24666666666667", "347.24666666666667"),
        ("14.31", "14.31"),
        ("1234567890123.45", "1234567890123.45"),
    ],
)
def test_the_noise_of_a_binary_fraction_is_no_amount(number: str, meant: str) -> None:
    """A share that does not divide evenly is no noise."""
    assert str(without_noise(Decimal(number))) == meant


ODD = (b'"N/A"', b"{}", b"[]", b"true", b'"12,50"', b"1e999", b'{"a":[1]}', b'"1e999999"', b'"\\ud800"')


@pytest.mark.parametrize("odd", ODD)
def test_an_unusable_detail_is_null_and_named(odd: bytes) -> None:
    """Whatever a plugin writes into it."""
    details = Details()

    assert details.money("line.total", msgspec.Raw(odd), "ZAR") is None
    assert details.quantity("line.quantity", msgspec.Raw(odd)) is None
    assert details.money("line.total", msgspec.Raw(odd), "ZAR") is None
    assert details.warnings == ("line.total", "line.quantity")


@pytest.mark.parametrize("odd", [b'"rand"', b"null", b"7", b'""', b"{}"])
def test_an_unknown_currency_in_one_amount_costs_that_amount(odd: bytes) -> None:
    """It is null and named."""
    details = Details()

    assert details.money("fee", msgspec.Raw(b'"1.00"'), msgspec.Raw(odd)) is None
    assert details.warnings == ("fee",)


def test_details_are_read_as_text_or_number() -> None:
    """None without a warning if there is none; PHP writes false, or an empty list for an object."""
    details = Details()
    raw = msgspec.Raw

    assert details.money("a", raw(b'"12.5"'), "zar") == Money("12.50", "ZAR")
    assert details.money("a", raw(b"14.309999999999999"), "ZAR") == Money("14.31", "ZAR")
    assert details.money("a", 14.5, "ZAR") == Money("14.50", "ZAR")
    assert details.quantity("b", raw(b'"1.50"')) == "1.5"
    assert details.text("c", raw(b"5")) == "5"
    assert details.text("c", raw(b'"x"')) == "x"
    assert details.part("d", raw(b'{"amount":"1","currency":"ZAR"}'), Money) == Money("1", "ZAR")
    for nothing in (b"null", b'""', b'" "'):
        assert details.money("a", raw(nothing), "ZAR") is None
        assert details.quantity("b", raw(nothing)) is None
        assert details.text("c", raw(nothing)) is None
    assert details.text("c", raw(b"false")) is None
    assert details.part("d", raw(b"[]"), Money) is None
    assert details.text("c", NO_DETAIL) is None
    assert details.warnings == ()


def test_a_text_that_is_a_list_is_unreadable_and_so_is_an_object_that_is_one() -> None:
    """An empty list is PHP's empty object, and no empty text."""
    details = Details()

    assert details.text("c", msgspec.Raw(b"[]")) is None
    assert details.part("d", msgspec.Raw(b"[1]"), Money) is None
    assert details.warnings == ("c", "d")


def test_a_list_may_be_sent_as_an_object_with_numbered_keys() -> None:
    """PHP does so once the numbers have a gap; another object is no list."""
    for text in (b'{"rows":{"1":5,"7":6}}', b'{"rows":[5,6]}'):
        assert listed(msgspec.json.decode(text, type=_Numbers).rows) == [5, 6]
    with pytest.raises(msgspec.ValidationError):
        listed({"code": 5})


@given(st.datetimes(), st.integers(-23 * 60, 23 * 60))
def test_utc_keeps_the_instant(local: datetime, offset_minutes: int) -> None:
    """Only the zone changes; a time that UTC cannot express is refused."""
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    try:
        converted = utc(moment)
    except RecordInvalid:
        assert moment.year in (1, 9999)
        return
    assert converted.tzinfo is UTC
    assert converted == moment


def test_a_time_out_of_range_is_refused() -> None:
    """The first hours of the year 1 east of Greenwich do not exist in UTC."""
    with pytest.raises(RecordInvalid):
        utc(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))))
    assert optional_utc(None) is None


@given(JSON)
def test_scrubbing_removes_the_fields_at_any_depth_and_nothing_else(value: Any) -> None:
    """Fields that are not named stay unchanged."""
    record = {"kept": [value, {"Email": SECRET, "deep": {"email": [SECRET], "x": 1}}], "EMAIL": SECRET}

    scrubbed = scrub(msgspec.json.encode(record), frozenset({"email"}))

    assert SECRET.encode() not in scrubbed
    assert msgspec.json.decode(scrubbed)["kept"][1] == {"deep": {"x": 1}}
    without = scrub(msgspec.json.encode(value), frozenset({"no such field ☃"}))
    assert msgspec.json.decode(without) == value


def test_scrubbing_keeps_numbers_exact() -> None:
    """A reject's amounts are exactly the marketplace's."""
    assert scrub(b'{"a":0.1000000000000000055,"b":15.750}', frozenset()) == (
        b'{"a":0.1000000000000000055,"b":15.750}'
    )


@given(st.binary())
def test_scrubbing_tolerates_anything(raw: bytes) -> None:
    """Text that cannot be searched for personal data is not kept."""
    assert isinstance(msgspec.json.decode(scrub(raw, frozenset({"email"}))), object)


@pytest.mark.parametrize(
    "raw", [b"", b"email: " + SECRET.encode(), b"[" * 100_000, b'{"email":"' + SECRET.encode()]
)
def test_what_is_not_json_is_kept_as_its_length_only(raw: bytes) -> None:
    """Nothing of it is stored."""
    assert scrub(raw, frozenset({"email"})) == msgspec.json.encode({"unreadable_bytes": len(raw)})


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("EUCALYPTUS  WREATH", "EUCALYPTUS  WREATH"),
        ("EUCALYPTUS &amp; PINECONE  WREATH", "EUCALYPTUS & PINECONE  WREATH"),
        ("Ring twice &amp; wait.\nThe dog is kind.", "Ring twice & wait.\nThe dog is kind."),
        ("Salt&nbsp;&amp;&#160;pepper", "Salt & pepper"),
        ("5 < 6 &  7", "5 < 6 &  7"),
        ("<p>Salt &amp;\n  pepper</p>", "Salt & pepper"),
        ("Mug<br>blue &lt;b&gt;", "Mug blue <b>"),
        ("<b></b>", ""),
    ],
)
def test_a_text_that_may_be_html_is_plain(markup: str, text: str) -> None:
    """Tags make one line of it; without a tag, spaces and lines stay as they were written."""
    assert plain_text(markup) == text
