"""The rules that every stream of every connector keeps; each raises AssertionError if it is broken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import jsonschema
import msgspec

from orchestrator.cli.record_schema import KINDS, schemas
from orchestrator.marketplaces.spec import AnySession, AnyStream, Listing, Page, Window
from orchestrator.marketplaces.values import money
from orchestrator.model.records.document import SCHEMA
from orchestrator.model.records.record import Money
from orchestrator.model.run import TaskStatus
from orchestrator.sync import pages
from tests.marketplaces.conformance import record_rules
from tests.marketplaces.conformance.case import EVERYTHING, Case, moment_of, told_by
from tests.support.scripted import completed

Rule = Callable[[Case], None]
#: Every rule, by its demand.
RULES: dict[str, Rule] = {}
#: Those for which the marketplace has limits that are soon reached.
LIMITED = frozenset({"limits_are_kept"})
_DAY_S = 86_400.0
#: A day and the slack of a reconcile that is due.
_RECONCILED_S = _DAY_S + 3_600.0


def rule(check: Rule) -> Rule:
    """Add a rule."""
    RULES[check.__name__] = check
    return check


@rule
def complete_over_many_pages(case: Case) -> None:
    """One run stores each record of the marketplace, as it is there, once, and nothing else."""
    task = case.run()

    assert (task.status, task.error, task.incomplete) == (TaskStatus.SUCCEEDED, None, False)
    case.assert_holds_the_truth()
    counts = task.streams[case.stream.name]
    assert counts.rejected == 0
    assert len(case.stored()) == counts.written


@rule
def ascending_or_held_until_the_scan_ends(case: Case) -> None:
    """An order that is trusted is there; `since` moves only when the window is complete."""
    if case.stream.ordered:
        moments = [record.updated_at for record in case.read()]
        known = [moment for moment in moments if moment is not None]
        assert len(known) == len(moments)
        assert all(first <= second for first, second in pairwise(known))
    calls = 0
    for page in case.pages():
        calls += 1
        if page.next_token is None:
            break
    if calls > 1:
        _interrupt_after_first_page(case)


def _interrupt_after_first_page(case: Case) -> None:
    def once(session: AnySession, window: Window, token: str | None) -> Page:
        page = case.stream.fetch(session, window, token)
        case.world.clock.advance(case.world.services.settings.run_seconds)
        return page

    with patch.object(pages, "JOINED_RECORDS", 0), using(case, _in_one_stage(case, once)):
        case.run()
    cursor = case.state.streams[case.stream.name].cursor
    assert cursor.since is None
    assert cursor.window is not None
    assert (cursor.window.token is not None) == case.stream.durable_token
    assert case.stream.ordered or cursor.window.position is None


@rule
def boundary_times_are_inclusive(case: Case) -> None:
    """A window shows the changes of its first and of its last second, and all between."""
    if case.stream.listing is Listing.SNAPSHOT:
        return
    known = sorted(
        (moment, record.id)
        for record in case.read()
        if (moment := moment_of(case.stream, record)) is not None
    )
    assert len(known) > 2
    since, until = known[len(known) // 3][0], known[2 * len(known) // 3][0]
    shown = {record.id for record in case.read(Window(since, until))}

    assert {record_id for moment, record_id in known if since <= moment <= until} <= shown


@rule
def every_page_token_resumes(case: Case) -> None:
    """A durable token continues in another session, also if the engine stops after every page."""
    if not case.stream.durable_token:
        return
    shown = [case.stream.record_id(raw) for page in case.pages() for raw in page.records]
    assert set(shown) == case.truth().keys()

    def timed(session: AnySession, window: Window, token: str | None) -> Page:
        page = case.stream.fetch(session, window, token)
        page = replace(page, records=completed(case.stream, session, page.records))
        case.world.clock.advance(case.world.services.settings.slice_seconds)
        return page

    with patch.object(pages, "JOINED_RECORDS", 0), using(case, _in_one_stage(case, timed)):
        for _ in range(40):
            task = case.run()
            assert task.status is TaskStatus.SUCCEEDED
            if not task.incomplete:
                break
    case.assert_holds_the_truth()


@rule
def times_are_aware_utc(case: Case) -> None:
    """Every time of a normalized record is aware and in UTC."""
    for moment in _found(datetime, case.read()):
        assert moment.tzinfo is not None
        assert moment.utcoffset() == timedelta(0)


@rule
def money_is_exact_decimal_with_currency(case: Case) -> None:
    """An amount is a plain decimal with its currency's decimals, and the currency a code."""
    amounts = list(_found(Money, case.read()))
    for amount in amounts:
        assert re.fullmatch(r"-?\d+(\.\d+)?", amount.amount)
        assert amount == money(Decimal(amount.amount), amount.currency)
    assert amounts or case.stream.name == "inventory"


@rule
def amounts_add_up(case: Case) -> None:
    """See record_rules."""
    for record in case.read():
        record_rules.amounts_add_up(record)


@rule
def fields_agree(case: Case) -> None:
    """See record_rules."""
    for record in case.read():
        record_rules.fields_agree(record)


@rule
def documents_fit_the_published_schema(case: Case) -> None:
    """Consumers find in each document the fields and types that the schema promises."""
    case.run()
    _, name = KINDS[case.stream.name]
    validator = jsonschema.Draft202012Validator(schemas()[f"{name}.v{SCHEMA}.json"])
    stored = case.stored()
    assert stored
    for each in stored.values():
        assert not list(validator.iter_errors(msgspec.json.decode(msgspec.json.encode(each.data))))


@rule
def ids_are_stable(case: Case) -> None:
    """Ids are text, one a record, read alike by `record_id`, and the same at every reading."""
    records = case.read()
    found = Counter(record.id for record in records)
    raws = [raw for page in case.pages(EVERYTHING, case.session()) for raw in page.records]

    assert all(type(record_id) is str for record_id in found)
    assert "" not in found
    assert set(found.values()) == {1}
    assert [case.stream.record_id(raw) for raw in raws] == [record.id for record in records]


@rule
def unchanged_data_normalizes_to_identical_bytes(case: Case) -> None:
    """Two readings some time apart give the same records, byte for byte."""
    first = {record.id: msgspec.json.encode(record) for record in case.read()}
    case.world.clock.advance(3_600)
    second = {record.id: msgspec.json.encode(record) for record in case.read()}

    assert first == second


@rule
def an_unchanged_second_run_writes_nothing(case: Case) -> None:
    """Neither the next run nor a reconcile writes or deletes a record that has not changed."""
    case.run()
    before = case.stored(deleted=True)
    for after_s in (900.0, _RECONCILED_S, 900.0):
        task = case.run(after_s)
        counts = task.streams[case.stream.name]
        assert (task.status, counts.written, counts.deleted) == (TaskStatus.SUCCEEDED, 0, 0)
        # Claim, and finish with task record and countdown.
        assert task.cost.document_writes <= 4
    assert case.stored(deleted=True) == before


@rule
def an_unchanged_record_costs_no_detail_call(case: Case) -> None:
    """Neither the next run nor a reconcile completes a record that has not changed."""
    complete = case.stream.complete
    if complete is None:
        return
    completed: list[bytes] = []

    def noted(session: AnySession, rows: Sequence[bytes]) -> Sequence[bytes]:
        completed.extend(rows)
        return complete(session, rows)

    with using(case, replace(case.stream, complete=noted)):
        case.run()
        assert completed
        completed.clear()
        for after_s in (900.0, _RECONCILED_S, 900.0):
            case.run(after_s)
    assert completed == []


@rule
def one_change_changes_exactly_that_document(case: Case) -> None:
    """One order, price and stock level that change are the documents that change."""
    case.run()
    before, told = case.stored(), case.truth()
    rolling = case.stream.listing is Listing.ROLLING
    # A rolling stream sees only records made in its span: some of many changes.
    case.sandbox.change(orders=40 if rolling else 1, prices=1, stock=1)
    case.run(_RECONCILED_S if rolling else 900.0)
    after, now = case.stored(), case.truth()
    oldest = case.world.clock.now() - case.stream.long_span if rolling else None
    expected = {
        record_id
        for record_id, fields in now.items()
        if fields != told[record_id] and (oldest is None or before[record_id].data["created_at"] > oldest)
    }
    changed = {record_id for record_id, each in after.items() if each.version != before[record_id].version}

    assert expected
    assert changed == expected
    for record_id in changed:
        stored = told_by(after[record_id].data)
        assert {name: stored[name] for name in now[record_id]} == now[record_id]


@rule
def what_vanished_is_marked(case: Case) -> None:
    """A product that is taken out gets `deleted_at`, also its stock, once a complete listing lacks it."""
    listed = case.stream.listing is Listing.SNAPSHOT or case.stream.long_span > timedelta(0)
    if case.stream.name == "orders" or not listed:
        return
    case.run()
    case.sandbox.change(vanish=1)
    for after_s in (_RECONCILED_S, 900.0):
        case.run(after_s)
    gone = case.stored(deleted=True).keys() - case.stored().keys()

    assert gone
    case.assert_holds_the_truth()


@rule
def limits_are_kept(case: Case) -> None:
    """With limits that are soon reached the run still ends complete, and few calls are refused."""
    task = case.run()
    for _ in range(8):
        if not task.incomplete and task.status is TaskStatus.SUCCEEDED:
            break
        assert task.status is not TaskStatus.FAILED
        task = case.run(3_600.0)
    refused = case.sandbox.statuses.get(429, 0)

    assert (task.status, task.incomplete) == (TaskStatus.SUCCEEDED, False)
    assert refused <= sum(case.sandbox.statuses.values()) // 4
    case.assert_holds_the_truth()


@rule
def no_secret_is_shown(case: Case) -> None:
    """No repr of a session holds a secret, nor any log, document or error of a good or a refused run."""
    session = case.session()
    next(case.pages(EVERYTHING, session))
    case.errors += [repr(part) for part in _parts(session)]
    case.run()
    case.sandbox.fault(status=401)
    case.run()

    case.assert_nothing_leaked()


@rule
def no_buyer_is_stored_unless_wanted(case: Case) -> None:
    """Buyers are stored if the connection says so, and else are in no record, reject or log line."""
    if case.stream.name != "orders":
        return
    session = case.session(store_buyer_pii=True)
    page = next(case.pages(EVERYTHING, session))
    buyers = [getattr(case.stream.normalize(raw, True), "buyer", None) for raw in page.records]
    personal = {
        value
        for buyer in buyers
        if buyer is not None
        for value in (buyer.name, buyer.email, buyer.phone, buyer.street)
        if value
    }
    case.sandbox.fault(kind="malformed", every=3)
    case.run()

    assert all(each.data["buyer"] is None for each in case.stored().values())
    texts = [*case.log.lines, *(repr(each.data) for each in case.rejects()), repr(case.stored())]
    assert not any(value in text for value in personal for text in texts)


def using(case: Case, stream: AnyStream) -> Any:
    """The engine works with this stream instead of the connector's own."""
    connector = case.market.connector
    changed = replace(connector, streams={**connector.streams, stream.name: stream})
    services = replace(case.world.services, connectors={case.market.name: changed})
    return patch.object(case.world, "services", services)


def _in_one_stage(case: Case, fetch: Callable[..., Page]) -> AnyStream:
    """The stream with another `fetch` and no second stage: a slice that ends in a page has no next token."""
    return replace(case.stream, fetch=fetch, complete=None)


def _found(kind: Any, value: Any) -> Iterator[Any]:
    """All values of a type inside records."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _found(kind, item)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _found(kind, getattr(value, name))


def _parts(session: AnySession) -> list[object]:
    """A session, its client, and the client's parts: settings, limits, credentials."""
    return [session, session.client, *vars(session.client).values()]
