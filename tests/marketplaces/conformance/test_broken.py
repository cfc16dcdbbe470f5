"""The suite bites: a connector that breaks one rule fails it. The guide's connector is broken in each way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    PageTokenExpired,
    RecordInvalid,
    RequestRejected,
)
from orchestrator.marketplaces.client import Auth, Client
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.marketplaces.spec import AnySession, AnyStream, Page, Window
from orchestrator.model.records.record import Money, Order, Product, Record
from tests.delivery.docs.guide import driftwood
from tests.marketplaces.conformance.case import opened, several_pages
from tests.marketplaces.conformance.faults import SWITCHES, survives
from tests.marketplaces.conformance.market import Market
from tests.marketplaces.conformance.rules import LIMITED, RULES

pytestmark = pytest.mark.long

SECOND = timedelta(seconds=1)
Fetch = Callable[[AnySession, Window, str | None], Page]
Break = Callable[[AnyStream], AnyStream]


def fetching(change: Callable[[Fetch, AnySession, Window, str | None], Page]) -> Break:
    """A stream whose pages are read in another way."""
    return lambda stream: replace(
        stream, fetch=lambda session, window, token: change(stream.fetch, session, window, token)
    )


def normalizing(change: Callable[[Any], Record]) -> Break:
    """A stream whose records become something else."""
    return lambda stream: replace(stream, normalize=lambda raw, pii: change(stream.normalize(raw, pii)))


def drop_the_last_row(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """Off by one."""
    page = fetch(session, window, token)
    return replace(page, records=page.records[:-1])


def stop_after_the_first_page(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """The predecessor of this package did that."""
    return replace(fetch(session, window, token), next_token=None)


def turn_pages_round(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """Newest first."""
    page = fetch(session, window, token)
    return replace(page, records=page.records[::-1])


def begin_late(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """An exclusive lower bound."""
    return fetch(session, Window(window.since + SECOND, window.until), token)


def end_early(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """An exclusive upper bound."""
    return fetch(session, Window(window.since, window.until - SECOND), token)


def keep_tokens_in_the_session(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """A token that dies with its session, and is not said to."""
    mine = f"{id(session)}:"
    if token is not None and not token.startswith(mine):
        raise RequestRejected("no such cursor")
    page = fetch(session, window, token.removeprefix(mine) if token is not None else None)
    return replace(page, next_token=page.next_token and mine + page.next_token)


def page_by_offset(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """Rows that move shift those behind them over the reader."""
    rows: list[bytes] = []
    following: str | None = None
    while True:
        page = fetch(session, window, following)
        rows += page.records
        following = page.next_token
        if following is None:
            break
    start = int(token or 0)
    end = start + 50
    return Page(rows[start:end], str(end) if end < len(rows) else None)


def miscount(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """A count that never equals the rows read."""
    page = fetch(session, window, token)
    return replace(page, total=(page.total or 0) + 1)


def log_the_token(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """A line for debugging that was left behind."""
    headers = vars(session.client)["_auth"].headers(session.client)
    logging.getLogger("broken").debug("sending %s", headers)
    return fetch(session, window, token)


def ask_for_buyers(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """Personal data is asked for, whatever the connection says."""
    return fetch(replace(session, store_buyer_pii=True), window, token)


def refuse_an_expired_token(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """The next invocation would meet the same token again."""
    try:
        return fetch(session, window, token)
    except PageTokenExpired as error:
        raise RequestRejected(error.message) from None


def take_no_answer_for_the_end(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """Nothing could be read, so nothing is there."""
    try:
        return fetch(session, window, token)
    except MarketplaceError:
        return Page([], None)


def leave_out_what_is_odd(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """A record that cannot be read disappears without a trace."""
    page = fetch(session, window, token)
    return replace(page, records=[raw for raw in page.records if b"999000111" not in raw])


def trust_the_order(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
    """A row older than the row before it is taken for seen."""
    page = fetch(session, window, token)
    kept: list[bytes] = []
    latest = ""
    for raw in page.records:
        updated_at = msgspec.json.decode(raw)["updated_at"]
        if updated_at >= latest:
            kept.append(raw)
            latest = updated_at
    return replace(page, records=kept)


def end_where_it_repeats(seen: set[bytes]) -> Break:
    """A record that comes again is taken for the end of the listing."""

    def change(fetch: Fetch, session: AnySession, window: Window, token: str | None) -> Page:
        page = fetch(session, window, token)
        if token is None:
            seen.clear()
        if seen.intersection(page.records):
            return Page([], None)
        seen.update(page.records)
        return page

    return fetching(change)


def in_local_time(record: Order) -> Order:
    """Aware, but not UTC."""
    moment = record.created_at.astimezone(timezone(timedelta(hours=2)))
    return msgspec.structs.replace(record, created_at=moment)


def without_zone(record: Order) -> Order:
    """A naive time."""
    return msgspec.structs.replace(record, created_at=record.created_at.replace(tzinfo=None))


def through_a_float(record: Order) -> Order:
    """12.50 becomes 12.5."""
    assert record.total is not None
    return msgspec.structs.replace(
        record, total=Money(str(float(record.total.amount)), record.total.currency)
    )


def with_a_fee_in_the_total(record: Order) -> Order:
    """Its parts make another total than the marketplace's."""
    return msgspec.structs.replace(record, total=Money("999999.00", "ZAR"), other_total=Money("0.00", "ZAR"))


def with_other_skus(record: Order) -> Order:
    """The list of its SKUs names one that no line has."""
    return msgspec.structs.replace(record, skus=("no such line",))


def in_a_state_of_its_own(record: Order) -> Order:
    """A word that no consumer knows."""
    return msgspec.structs.replace(record, status="on its way")


def at_one_price(record: Product) -> Product:
    """The price is not the marketplace's."""
    one = (msgspec.structs.replace(record.variants[0], price=Money("1.00", "ZAR")),)
    return msgspec.structs.replace(record, variants=one)


def numbered(numbers: Iterator[int]) -> Break:
    """Something that differs from reading to reading."""
    return normalizing(lambda record: msgspec.structs.replace(record, title=f"read {next(numbers)}"))


def never_twice_the_same(numbers: Iterator[int]) -> Break:
    """Its rows are completed, and differ from reading to reading although nothing has changed."""
    return lambda stream: replace(numbered(numbers)(stream), complete=lambda _, rows: rows)


def with_other_ids(numbers: Iterator[int]) -> Break:
    """An id of our own making."""
    return normalizing(lambda record: msgspec.structs.replace(record, id=str(next(numbers))))


def knowing_every_word(record: Product) -> Product:
    """A word nobody has heard of is an error."""
    if record.status == "unknown":
        raise RecordInvalid("no such state")
    return record


def wanting_a_title(record: Product) -> Product:
    """Optional fields are required."""
    if record.title is None:
        raise RecordInvalid("no title")
    return record


BROKEN_STREAMS: list[tuple[str, str, Break]] = [
    ("complete_over_many_pages", "orders", fetching(drop_the_last_row)),
    ("complete_over_many_pages", "products", fetching(stop_after_the_first_page)),
    ("complete_over_many_pages", "products", normalizing(at_one_price)),
    ("ascending_or_held_until_the_scan_ends", "orders", fetching(turn_pages_round)),
    ("boundary_times_are_inclusive", "orders", fetching(begin_late)),
    ("boundary_times_are_inclusive", "orders", fetching(end_early)),
    ("every_page_token_resumes", "orders", fetching(keep_tokens_in_the_session)),
    ("times_are_aware_utc", "orders", normalizing(in_local_time)),
    ("times_are_aware_utc", "orders", normalizing(without_zone)),
    ("money_is_exact_decimal_with_currency", "orders", normalizing(through_a_float)),
    ("amounts_add_up", "orders", normalizing(with_a_fee_in_the_total)),
    ("fields_agree", "orders", normalizing(with_other_skus)),
    ("documents_fit_the_published_schema", "orders", normalizing(in_a_state_of_its_own)),
    ("ids_are_stable", "products", with_other_ids(count())),
    ("ids_are_stable", "orders", lambda stream: replace(stream, record_id=lambda raw: "one")),
    ("unchanged_data_normalizes_to_identical_bytes", "products", numbered(count())),
    ("an_unchanged_second_run_writes_nothing", "products", numbered(count())),
    ("an_unchanged_record_costs_no_detail_call", "products", never_twice_the_same(count())),
    ("one_change_changes_exactly_that_document", "products", numbered(count())),
    ("one_change_changes_exactly_that_document", "products", normalizing(at_one_price)),
    ("what_vanished_is_marked", "inventory", fetching(miscount)),
    ("no_secret_is_shown", "products", fetching(log_the_token)),
    ("expired page token", "orders", fetching(refuse_an_expired_token)),
    ("changes while paging", "orders", fetching(page_by_offset)),
    ("a malformed record", "products", fetching(leave_out_what_is_odd)),
    ("records out of order", "orders", fetching(trust_the_order)),
    ("duplicates across pages", "orders", end_where_it_repeats(set())),
    ("unknown words", "products", normalizing(knowing_every_word)),
    ("missing optional fields", "products", normalizing(wanting_a_title)),
    *(
        (name, "products", fetching(take_no_answer_for_the_end))
        for name, switch in SWITCHES.items()
        if switch.for_good in ("marketplace_unavailable", "rate_limited", "credentials_rejected")
    ),
]


def check(market: Market, stream: str, name: str, path: Path) -> None:
    """One rule or one fault, by its name."""
    size = several_pages(driftwood(), stream)
    with opened(market, stream, path, size=size, small_buckets=name in LIMITED) as case:
        if name in RULES:
            RULES[name](case)
        else:
            survives(case, SWITCHES[name])


@pytest.mark.parametrize(
    ("name", "stream", "broken"),
    [pytest.param(*case, id=f"{case[0]}-{number}") for number, case in enumerate(BROKEN_STREAMS)],
)
def test_a_stream_that_breaks_a_rule_fails_it(name: str, stream: str, broken: Break, tmp_path: Path) -> None:
    """The check with the fault's name finds the fault of a stream."""
    market = driftwood()
    streams = {**market.connector.streams, stream: broken(market.connector.streams[stream])}
    market = replace(market, connector=replace(market.connector, streams=streams))

    with pytest.raises((AssertionError, RequestRejected)):
        check(market, stream, name, tmp_path)


def heedless(session: AnySession) -> None:
    """Knows of no limit, and takes a refusal for final."""
    client: Any = session.client
    client._pace = None
    client._errors[429] = RequestRejected


def confusing(session: AnySession) -> None:
    """Takes a server's error for a request that is wrong."""
    client: Any = session.client
    client._errors |= dict.fromkeys((500, 502, 503, 504), RequestRejected)


def impatient(session: AnySession) -> None:
    """Takes a limit for an outage."""
    client: Any = session.client
    client._errors[429] = MarketplaceUnavailable


class Forgetful:
    """Never exchanges a token that was refused."""

    def __init__(self, auth: Auth) -> None:
        self.headers = auth.headers

    def refresh(self, client: Client) -> bool:
        """There is another; nobody asks for it."""
        return False


def forgetful(session: AnySession) -> None:
    """Takes an expired token for a wrong one."""
    client: Any = session.client
    client._auth = Forgetful(client._auth)


def talkative(session: AnySession) -> None:
    """Shows its credential when it is printed."""
    client: Any = session.client
    client._notes = driftwood().credential


@pytest.mark.parametrize(
    ("name", "stream", "broken"),
    [
        ("limits_are_kept", "orders", heedless),
        ("500", "orders", confusing),
        ("502", "orders", confusing),
        ("503", "orders", confusing),
        ("504", "orders", confusing),
        ("429", "orders", impatient),
        ("expired access token", "orders", forgetful),
        ("no_secret_is_shown", "orders", talkative),
    ],
)
def test_a_session_that_breaks_a_rule_fails_it(
    name: str, stream: str, broken: Callable[[AnySession], None], tmp_path: Path
) -> None:
    """The check with the fault's name finds the fault of a session."""
    market = driftwood()

    def open_broken(opening: SessionRequest) -> AnySession:
        session = market.connector.open(opening)
        broken(session)
        return session

    connector = replace(market.connector, open=open_broken)
    with pytest.raises((AssertionError, RequestRejected)):
        check(replace(market, connector=connector), stream, name, tmp_path)


def test_a_connector_that_keeps_buyers_fails(tmp_path: Path) -> None:
    """Asked for and kept, whatever the connection says: the rule about buyers finds it."""
    market = driftwood()
    stream = market.connector.streams["orders"]
    greedy = replace(fetching(ask_for_buyers)(stream), normalize=lambda raw, _: stream.normalize(raw, True))
    connector = replace(market.connector, streams={**market.connector.streams, "orders": greedy})

    with pytest.raises(AssertionError):
        check(replace(market, connector=connector), "orders", "no_buyer_is_stored_unless_wanted", tmp_path)


def test_every_rule_and_fault_is_broken_once() -> None:
    """No check is without a connector that fails it."""
    broken = {name for name, _, _ in BROKEN_STREAMS} | {
        "limits_are_kept",
        "no_buyer_is_stored_unless_wanted",
    }

    assert broken == RULES.keys() | SWITCHES.keys()
