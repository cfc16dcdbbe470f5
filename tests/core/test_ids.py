"""Ids: which ticks are one, how runs sort, and that any text makes a document's id and comes back."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.errors import RecordInvalid
from orchestrator.model import ids

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2099, 12, 31),  # noqa: DTZ001 - the same
    timezones=st.just(UTC),
)
#: The distance to another moment: mostly too little for a coarse id to notice.
distances = st.sampled_from([0, 1, 999_999, 10**6, 59 * 10**6, 60 * 10**6, 10**9]).map(
    lambda us: timedelta(microseconds=us)
)
#: The job names that Cloud Scheduler allows.
jobs = st.from_regex(r"[A-Za-z0-9_-]{1,500}", fullmatch=True)
#: Texts with many characters that are escaped, and with lone surrogates.
texts = st.text(st.characters() | st.sampled_from("/%._\0\n\x7f25FAab"), max_size=40)


def is_valid(document_id: str) -> bool:
    """Firestore's rules for a document's id (firebase.google.com/docs/firestore/quotas)."""
    return (
        0 < len(document_id.encode()) <= 1500
        and "/" not in document_id
        and document_id not in {".", ".."}
        and re.fullmatch(r"__.*__", document_id, re.DOTALL) is None
    )


@given(moments, jobs, zones, st.integers(0, 999_999))
def test_a_tick_is_its_second_and_its_job(moment: datetime, job: str, zone: timezone, fraction: int) -> None:
    """However its time is written, in whatever zone and with whatever fraction, a tick has one id."""
    tick = ids.tick_run_id(moment, job)

    assert ids.tick_run_id(moment.astimezone(zone), job) == tick
    assert ids.tick_run_id(moment.replace(microsecond=fraction), job) == tick
    assert is_valid(tick)
    assert not ids.has_options(tick)


@given(moments, distances, jobs, jobs | st.none())
@example(datetime(2026, 1, 1, tzinfo=UTC), timedelta(0), "a-b", "b")
def test_other_ticks_have_other_ids(
    one: datetime, distance: timedelta, job: str, another: str | None
) -> None:
    """Another second or another job is another run."""
    other, another = one + distance, another or job
    same = one.replace(microsecond=0) == other.replace(microsecond=0) and job == another

    assert (ids.tick_run_id(one, job) == ids.tick_run_id(other, another)) is same


@given(moments, distances, jobs, jobs | st.none(), st.integers(1, 99), st.integers())
@example(datetime(2026, 1, 1, 6, tzinfo=UTC), timedelta(0), "sync", None, 1, 0)
def test_no_kind_of_run_takes_another_s_id(
    one: datetime, distance: timedelta, job: str, another: str | None, number: int, seed: int
) -> None:
    """Ticks, forced runs, manual ones and retries never meet, and each id is a document's."""
    other, another = one + distance, another or job
    rng = random.Random(seed)
    tick, forced = ids.tick_run_id(one, job), ids.forced_run_id(other, another)
    manual = ids.manual_run_id(other, rng, None)
    named = ids.manual_run_id(other, rng, ids.key_of(another, job))
    retries = [ids.retry_run_id(run_id, number) for run_id in (tick, forced, manual, named)]
    found = [tick, forced, manual, named, *retries]

    assert len(set(found)) == len(found)
    assert all(map(is_valid, found))
    assert [ids.has_options(run_id) for run_id in found] == [False, False, *[True] * 6]


@given(moments, jobs, zones, st.integers(0, 999_999))
def test_a_forced_run_is_one_a_second(moment: datetime, job: str, zone: timezone, microsecond: int) -> None:
    """A call that is delivered twice at once is the same run."""
    forced = ids.forced_run_id(moment, job)

    assert ids.forced_run_id(moment.replace(microsecond=microsecond).astimezone(zone), job) == forced
    assert ids.forced_run_id(moment + timedelta(seconds=1), job) != forced


@given(moments, st.integers(), st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_a_manual_run_is_its_caller_and_key(
    moment: datetime, seed: int, caller: str, key: str, other: str
) -> None:
    """The same caller's same key is the same run at any time; another key or caller gets another run."""
    first = ids.manual_run_id(moment, random.Random(seed), ids.key_of(caller, key))
    again = ids.manual_run_id(moment + timedelta(days=9), random.Random(seed + 1), ids.key_of(caller, key))

    assert first == again
    assert (ids.manual_run_id(moment, random.Random(seed), ids.key_of(caller, other)) == first) is (
        key == other
    )
    assert (ids.manual_run_id(moment, random.Random(seed), ids.key_of(other, key)) == first) is (
        caller == other
    )


@given(moments, distances, jobs, jobs, zones, zones)
def test_order_is_by_creation_and_then_by_id(
    one: datetime, distance: timedelta, job: str, another: str, zone: timezone, other_zone: timezone
) -> None:
    """Runs sort as they were made, to the microsecond, in whatever zone the time was given."""
    other = one + distance
    first = ids.order_key(one.astimezone(zone), job)
    second = ids.order_key(other.astimezone(other_zone), another)

    assert (first < second) is ((one, job) < (other, another))
    assert (first == second) is ((one, job) == (other, another))


@given(moments, st.timedeltas(timedelta(milliseconds=1), timedelta(days=99)), st.integers(), st.integers())
def test_manual_runs_sort_by_time(moment: datetime, later: timedelta, one: int, other: int) -> None:
    """A ULID made a millisecond later sorts behind."""
    first, second = ids.ulid(moment, random.Random(one)), ids.ulid(moment + later, random.Random(other))

    assert len(first) == 26
    assert first < second


@given(texts)
@example("__")
@example("____")
@example("__a\n__")
@example("..")
@example("%2F")
@example("\ud800")
@example("é" * 750)
@example("é" * 751)
@example("/" * 501)
def test_any_text_makes_an_id_and_comes_back(text: str) -> None:
    """A text that cannot be an id is refused as the record's fault; any other is escaped and unescaped."""
    try:
        document_id = ids.escape(text)
    except RecordInvalid:
        unpaired = any("\ud800" <= each <= "\udfff" for each in text)
        assert not text or unpaired or len(re.sub(r"[/%\x00-\x1f\x7f]", "%XX", text).encode()) > 1495
        return

    assert is_valid(document_id)
    assert ids.unescape(document_id) == text


@given(texts, texts)
def test_no_two_texts_share_an_id(one: str, other: str) -> None:
    """Two records never become one document."""
    try:
        same = ids.escape(one) == ids.escape(other)
    except RecordInvalid:
        return

    assert same is (one == other)


@pytest.mark.parametrize("number", [0, 7, 999_999])
def test_a_shard_names_its_marketplace(number: int) -> None:
    """Also one whose name has a hyphen."""
    for marketplace in ("shopify", "a-b"):
        assert ids.marketplace_of(ids.shard_id(marketplace, number)) == marketplace
