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
from orchestrator.marketplaces.values import Amount, money, optional_utc, utc

SECRET = "nobody@example.com"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


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


@pytest.mark.parametrize("currency", ["", "zar", "ZA", "ZARR", "Z4R", "ÄÖÜ"])
def test_what_is_not_a_currency_code_is_refused(currency: str) -> None:
    """ISO 4217 codes are three capital letters."""
    with pytest.raises(RecordInvalid):
        money("1", currency)


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
