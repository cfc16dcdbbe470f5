"""Answers with more than their JSON: notices, marks, comments, and characters that are none."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.decoding import mended, only_value
from orchestrator.errors import MarketplaceError, MarketplaceUnavailable, ResponseInvalid
from orchestrator.marketplaces.response import MOST_NESTED, MOST_VALUES, Response

ROWS = b'[{"id":1,"name":"caf\\u00e9 \\ud83d\\ude00"},{"id":2}]'
WARNING = b"<br />\n<b>Warning</b>:  x[1] {y} in <b>/m.php</b> on line <b>110</b><br />\n"
COMMENT = b"\n<!-- Dynamic page generated in 0.512 seconds. -->\n<!-- super cache [1] {} -->"


def response(body: bytes) -> Response:
    """A good answer."""
    return Response("market things", 200, {"Content-Type": "application/json"}, body)


def rows(body: bytes) -> list[Any]:
    """The rows of an answer."""
    return [msgspec.json.decode(raw) for raw in response(body).rows()]


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + ROWS,
        WARNING * 400 + ROWS,
        ROWS + COMMENT,
        b"\xef\xbb\xbf\n" + WARNING + ROWS + COMMENT + WARNING,
        b"[23-Nov-2026 06:00:00 UTC] PHP Notice: x\n{main}\n" + ROWS,
        b"<style>.a > b {}</style><script>\nlet a = [1]\n</script>" + ROWS,
        b"<!--\n[3]\n-->" + ROWS,
        ROWS + b"0",
        b'{"1":{"id":1,"name":"caf\\u00e9 \\ud83d\\ude00"},"7":{"id":2}}',
    ],
)
def test_anything_around_the_json_that_is_not_json_is_left_out(body: bytes) -> None:
    """The rows are those of the answer alone."""
    assert rows(body) == msgspec.json.decode(ROWS)


@pytest.mark.parametrize(
    ("value", "times"), [(b"0", MOST_VALUES + 2), (b"[[]]", MOST_NESTED), (b'{"":{}}', MOST_NESTED)]
)
def test_an_answer_of_too_many_values_is_not_taken_apart(value: bytes, times: int) -> None:
    """Decoded, each value takes up to forty times its length; commas alone do not count nested ones."""
    with pytest.raises(ResponseInvalid, match="the answer has more than"):
        response(b"[%b]" % b",".join([value] * times)).decode(list[Any])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Sorry",
        ROWS[:-1],
        WARNING + ROWS[:-1],
        b'[{"d":"<b>[1]</b>"',
        b'[{"d":NaN,"e":"<b>[1]</b>"}]',
        b'[]\n[{"d":NaN}]',
        b"[]\n" + ROWS,
        b"<!DOCTYPE html><html><body><script>[]</script></body></html>",
        b"<html><body>\n[]",
        b"<script>\n[]\n",
        b"<!-- \n[]\n -->",
    ],
)
def test_an_answer_without_exactly_one_json_value_is_no_answer(body: bytes) -> None:
    """A page that broke off, two lists, or an error page are not taken for an empty listing."""
    with pytest.raises(MarketplaceUnavailable):
        response(body).rows()


@pytest.mark.parametrize("body", [b'{"code":"x"}', WARNING + b'{"code":"x"}', b"3"])
def test_json_of_another_form_breaks_the_promise(body: bytes) -> None:
    """It is not asked for again."""
    with pytest.raises(ResponseInvalid):
        response(body).rows()


@pytest.mark.parametrize(
    "odd", [b"\\ud800", b"\\udc00", b"\\ud83dx", b"\xff", b"\xed\xa0\x80", b"\x00", b"\x1f", b"\n", b"\t"]
)
def test_an_odd_byte_in_one_row_costs_neither_the_page_nor_the_row(odd: bytes) -> None:
    """Its text has a replacement; other escapes stay, also a backslash before the same letters."""
    body = b'[{"id":1,"name":"a%sb","other":"\\\\ud800 \\ud83d\\ude00"},{"id":2}]' % odd
    found = rows(body)

    assert [row["id"] for row in found] == [1, 2]
    assert found[0]["name"].startswith("a")
    assert found[0]["name"].endswith("b")
    assert found[0]["other"] == "\\ud800 \U0001f600"


def test_a_mended_answer_is_told_once_a_page(caplog: pytest.LogCaptureFixture) -> None:
    """One line for notices and one for characters; a good answer is not told."""
    caplog.set_level(logging.WARNING)
    told: set[str] = set()
    for body in (WARNING + ROWS, WARNING + ROWS + COMMENT, b'["\xff"]', ROWS):
        Response("market things", 200, {}, body, told).rows()

    assert len(caplog.records) == 2
    assert all(record.getMessage().startswith("market things: the answer has") for record in caplog.records)


@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """No other error leaves."""
    with contextlib.suppress(MarketplaceError):
        response(body).rows()


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.none()), max_size=4))
def test_good_json_is_not_mended(value: list[Any]) -> None:
    """Neither plain nor escaped; with notices around it, it is the same value."""
    for text in (msgspec.json.encode(value), json.dumps(value).encode()):
        assert mended(text) is text
        assert only_value(WARNING + text + COMMENT, list[Any]) == value


@pytest.mark.parametrize("unit", [b"\n[", b'\n{"a":[}', b"\n<br/>{}<!--", b">[]<script>", b"\n{}"])
def test_a_hostile_text_takes_no_time(unit: bytes) -> None:
    """The places that are tried are bounded."""
    begun = time.process_time()
    with contextlib.suppress(MarketplaceError):
        response(unit * (2_000_000 // len(unit))).rows()

    assert time.process_time() - begun < 5
