"""Rejects by connection and by reason, on every store: what they tell, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from orchestrator.errors import NotFound, RequestError
from orchestrator.operators.rejects.counts import count_by_connection, count_by_reason
from orchestrator.ports import DocumentStore, Put
from tests.support.stores import CountingStore

WRONG_TYPE = "Expected `str`, got `int` - at `$.total`"
NOT_SHOWN = "the marketplace cannot show it: takealot answered 500"


def put(store: DocumentStore, counts: Mapping[str, Mapping[str, int]]) -> CountingStore:
    """Store so many rejects for each connection and reason; the store then counts reads."""
    for connection_id, reasons in counts.items():
        writes = [Put(f"connections/{connection_id}", {"marketplace": "takealot"})]
        for index, (reason, count) in enumerate(reasons.items()):
            writes += [
                Put(
                    f"connections/{connection_id}/rejects/orders-{index}-{number:04}",
                    {"connection_id": connection_id, "stream": "orders", "reason": reason, "raw": "{}"},
                )
                for number in range(count)
            ]
        for begin in range(0, len(writes), 400):
            store.commit(writes[begin : begin + 400])
    return CountingStore(store)


def test_the_few_with_rejects_are_found_among_many(store: DocumentStore) -> None:
    """The reads depend on the connections with rejects, and not on the others or on the rejects' number."""
    counts: dict[str, dict[str, int]] = {f"c-{number:04}": {} for number in range(600)}
    counts |= {"c-0007": {WRONG_TYPE: 700, NOT_SHOWN: 1}, "c-0599": {NOT_SHOWN: 2}}
    counting = put(store, counts)
    page = count_by_connection(counting)

    assert [(each.connection_id, each.count) for each in page.by_connection] == [
        ("c-0007", 701),
        ("c-0599", 2),
    ]
    assert page.by_connection[1].example == NOT_SHOWN
    assert page.next_page_token is None
    assert counting.reads == 5


def test_a_connections_rejects_are_counted_by_reason(store: DocumentStore) -> None:
    """Each reason with its number and one reject of it; all are counted, also over several pages."""
    counting = put(store, {"c-1": {WRONG_TYPE: 1100, NOT_SHOWN: 3, "a": 1}, "c-2": {"b": 5}, "c-3": {}})
    page = count_by_reason(counting, "c-1")

    assert {each.reason: each.count for each in page.by_reason} == {WRONG_TYPE: 1100, NOT_SHOWN: 3, "a": 1}
    assert {each.reason: each.example for each in page.by_reason}[NOT_SHOWN].startswith("orders-1-")
    assert (page.total, page.next_page_token) == (1104, None)
    assert counting.reads <= 11
    first = count_by_reason(counting, "c-1", limit=2)
    second = count_by_reason(counting, "c-1", limit=2, page_token=first.next_page_token)
    assert [*first.by_reason, *second.by_reason] == page.by_reason
    assert second.next_page_token is None
    assert count_by_reason(counting, "c-3").by_reason == []


def test_pages_of_connections_join(store: DocumentStore) -> None:
    """Each connection once."""
    counting = put(store, {f"c-{number}": {WRONG_TYPE: number + 1} for number in range(5)})
    found: list[tuple[str, int]] = []
    token, pages = None, 0
    while token is not None or pages == 0:
        page = count_by_connection(counting, page_token=token, limit=2)
        found += [(each.connection_id, each.count) for each in page.by_connection]
        token, pages = page.next_page_token, pages + 1

    assert found == [(f"c-{number}", number + 1) for number in range(5)]
    assert pages == 3


def test_wrong_questions_are_refused(store: DocumentStore) -> None:
    """An unknown connection, a token whose reject is gone, a limit out of range."""
    counting = put(store, {"c-1": {WRONG_TYPE: 1}})

    for name in ("c-9", "", "a/b"):
        with pytest.raises(NotFound, match="no connection"):
            count_by_reason(counting, name)
    with pytest.raises(RequestError, match="begin with the first page"):
        count_by_reason(counting, "c-1", page_token="WyJnb25lIl0")
    with pytest.raises(RequestError, match="limit"):
        count_by_connection(counting, limit=0)
