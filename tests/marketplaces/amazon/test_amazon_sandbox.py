"""Amazon's sandbox refuses the same calls as Amazon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import urllib3

from tests.support.scripted import CREDENTIALS, Sandbox, sandbox

ZA, UK = "AE08WJ6YKNBMC", "A1F83G8C2ARO7P"
ORDERS, FBA = "/orders/2026-01-01/orders", "/fba/inventory/v1/summaries"
LISTINGS, REPORTS = "/listings/2021-08-01/items/ASANDBOX0", "/reports/2021-06-30"
GRANT = {"grant_type": "refresh_token", **CREDENTIALS["amazon"]}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """A sandbox with several pages of everything."""
    with sandbox("amazon", orders=150, products=600) as started:
        yield started


def call(running: Sandbox, method: str, path: str, token: str | None = None, **given: Any) -> Any:
    """A call without a connector: status, answer, headers."""
    headers = {"x-amz-access-token": token} if token else {}
    answer = urllib3.request(method, running.url + path, headers=headers, timeout=60, retries=False, **given)
    return answer.status, msgspec.json.decode(answer.data), answer.headers


def granted(running: Sandbox) -> str:
    """An access token."""
    status, answer, _ = call(running, "POST", "/auth/o2/token", body=urlencode(GRANT))
    assert (status, answer["expires_in"], answer["token_type"]) == (200, 3600, "bearer")
    return str(answer["access_token"])


def code(running: Sandbox, path: str, token: str, **query: str) -> tuple[int, str]:
    """Status and Amazon's code of a refused call."""
    status, answer, headers = call(running, "GET", f"{path}?{urlencode(query)}", token)
    assert headers["x-amzn-RequestId"]
    return status, answer["errors"][0]["code"] if "errors" in answer else ""


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_id": "amzn1.application-oa2-client.sandbox-9"}, 401, "invalid_client"),
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"refresh_token": "Atzr|other"}, 400, "invalid_grant"),
    ],
)
def test_wrong_grants_are_refused(running: Sandbox, change: dict[str, str], status: int, error: str) -> None:
    """With a word, and no access token."""
    found = call(running, "POST", "/auth/o2/token", body=urlencode({**GRANT, **change}))

    assert (found[0], found[1]["error"]) == (status, error)


def test_access_is_refused_with_a_403(running: Sandbox) -> None:
    """Without a token, with a wrong one, and for another seller."""
    token = granted(running)

    assert code(running, ORDERS, "") == (403, "Unauthorized")
    assert code(running, ORDERS, "Atza|other") == (403, "Unauthorized")
    other = LISTINGS.replace("ASANDBOX0", "ASANDBOX1")
    assert code(running, other, token, marketplaceIds=ZA) == (403, "Unauthorized")
    assert code(running, "/nothing", token) == (404, "NotFound")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (ORDERS, {}),
        (ORDERS, {"lastUpdatedAfter": "2026-11-01T00:00:00+02:00"}),
        (ORDERS, {"lastUpdatedAfter": "2026-11-02T00:00:00Z", "lastUpdatedBefore": "2026-11-01T00:00:00Z"}),
        (ORDERS, {"lastUpdatedAfter": "2026-11-02T00:00:00Z", "maxResultsPerPage": "101"}),
        (ORDERS, {"lastUpdatedAfter": "2026-11-02T00:00:00Z", "includedData": "EVERYTHING"}),
        (ORDERS, {"lastUpdatedAfter": "2026-11-02T00:00:00Z", "marketplaceIds": "ATVPDKIKX0DER"}),
        (ORDERS, {"lastUpdatedAfter": "2026-11-02T00:00:00Z", "paginationToken": "junk"}),
        (LISTINGS, {}),
        (LISTINGS, {"marketplaceIds": f"{ZA},{UK}"}),
        (LISTINGS, {"marketplaceIds": ZA, "pageSize": "21"}),
        (LISTINGS, {"marketplaceIds": ZA, "identifiers": "A"}),
        (LISTINGS, {"marketplaceIds": ZA, "pageToken": "junk"}),
        (FBA, {"granularityType": "Marketplace", "granularityId": UK, "marketplaceIds": ZA}),
        (FBA, {"granularityId": ZA, "marketplaceIds": ZA}),
    ],
)
def test_wrong_queries_are_refused(running: Sandbox, path: str, query: dict[str, str]) -> None:
    """As invalid input."""
    assert code(running, path, granted(running), **query) == (400, "InvalidInput")


def test_an_upper_bound_is_two_minutes_old(running: Sandbox) -> None:
    """By the second."""
    token, now = granted(running), datetime.now(UTC)
    for age_s, status in ((110, 400), (125, 200)):
        until = f"{now - timedelta(seconds=age_s):%Y-%m-%dT%H:%M:%SZ}"
        query = {"lastUpdatedAfter": "2026-11-01T00:00:00Z", "lastUpdatedBefore": until}
        assert code(running, ORDERS, token, **query)[0] == status


@pytest.mark.parametrize(
    ("path", "query", "name", "lives_s"),
    [
        (ORDERS, {"lastUpdatedAfter": "2024-01-01T00:00:00Z"}, "paginationToken", 86_400),
        (FBA, {"granularityType": "Marketplace", "granularityId": ZA, "marketplaceIds": ZA}, "nextToken", 30),
    ],
)
def test_page_tokens_die(
    running: Sandbox,
    path: str,
    query: dict[str, str],
    name: str,
    lives_s: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of FBA after seconds, those of orders after a day."""
    token = granted(running)
    _, answer, _ = call(running, "GET", f"{path}?{urlencode(query)}", token)
    following = {**query, name: answer["pagination"]["nextToken"]}
    assert code(running, path, token, **following)[0] == 200
    for late_s, status in ((lives_s - 2, 200), (lives_s + 2, 400)):

        class Later:
            """A clock that is ahead."""

            @staticmethod
            def time(late_s: float = late_s) -> float:
                return datetime.now(UTC).timestamp() + late_s

        with monkeypatch.context() as patched:
            patched.setattr("local.sandbox.amazon.query.time", Later)
            assert code(running, path, token, **following)[0] == status


def test_no_search_pages_past_its_ceiling() -> None:
    """A thousand listings, however many there are."""
    with sandbox("amazon", orders=1, products=1_400) as large:
        token, query, shown = granted(large), {"marketplaceIds": ZA, "pageSize": "20"}, 0
        while True:
            _, answer, _ = call(large, "GET", f"{LISTINGS}?{urlencode(query)}", token)
            shown += len(answer["items"])
            if "pagination" not in answer:
                break
            query["pageToken"] = answer["pagination"]["nextToken"]

    assert (shown, answer["numberOfResults"]) == (1000, 1120)


def test_a_quota_is_told_by_its_rate_and_not_by_a_wait() -> None:
    """The rate is in good answers; a refused one has no advice."""
    with sandbox("amazon", orders=1, products=1, small_buckets=True) as limited:
        token = granted(limited)
        answers = [call(limited, "GET", "/sellers/v1/marketplaceParticipations", token) for _ in range(3)]

    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert answers[0][2]["x-amzn-RateLimit-Limit"] == "0.1"
    assert answers[2][1]["errors"][0]["code"] == "QuotaExceeded"
    assert not {"Retry-After", "x-amzn-RateLimit-Limit"} & set(answers[2][2])


def test_a_report_goes_through_its_states(running: Sandbox) -> None:
    """Then it has a document, whose URL is signed; types that nobody makes are refused."""
    token = granted(running)
    wanted = {"reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": [ZA]}
    status, answer, _ = call(running, "POST", f"{REPORTS}/reports", token, json=wanted)
    path = f"{REPORTS}/reports/{answer['reportId']}"
    states = [call(running, "GET", path, token)[1] for _ in range(3)]
    document_id = states[2]["reportDocumentId"]
    _, document, _ = call(running, "GET", f"{REPORTS}/documents/{document_id}", token)

    assert status == 202
    assert [each["processingStatus"] for each in states] == ["IN_QUEUE", "IN_PROGRESS", "DONE"]
    assert document["compressionAlgorithm"] == "GZIP"
    unsigned = urllib3.request("GET", f"{running.url}/%2FNinetyDays/{document_id}", timeout=60)
    assert (unsigned.status, unsigned.headers["Content-Type"]) == (403, "application/xml")
    for body in ({**wanted, "reportType": "GET_ORDERS"}, {**wanted, "marketplaceIds": []}):
        assert call(running, "POST", f"{REPORTS}/reports", token, json=body)[0] == 400
    assert call(running, "POST", f"{REPORTS}/reports", token, body=b"{")[0] == 400
    for unknown in ("reports/1", "documents/1"):
        assert code(running, f"{REPORTS}/{unknown}", token) == (404, "NotFound")


def test_one_listing_is_found_by_its_sku_where_it_is_listed(running: Sandbox) -> None:
    """And by no other name."""
    token, sku = granted(running), "SKU-00001"
    status, answer, _ = call(running, "GET", f"{LISTINGS}/{sku}?marketplaceIds={ZA}", token)

    assert (status, answer["sku"], answer["summaries"][0]["marketplaceId"]) == (200, sku, ZA)
    assert code(running, f"{LISTINGS}/{sku}", token, marketplaceIds=UK) == (404, "NOT_FOUND")
    assert code(running, f"{LISTINGS}/other", token, marketplaceIds=ZA) == (404, "NOT_FOUND")
