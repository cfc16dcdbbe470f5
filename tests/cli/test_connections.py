"""Adding, reading and checking connections."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.errors import ConnectionInvalid, NotFound, NotPossible, RequestError, SecretMissing
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.state import Lease, Open, StreamState, SyncState
from orchestrator.operators import connections
from orchestrator.operators.sellers import checking
from orchestrator.ports import Put
from orchestrator.services import Services
from tests.support.people import ME

GOOD: dict[str, Any] = {
    "organization_id": "org-1",
    "marketplace": "takealot",
    "name": "Shop one",
    "credential": "env:SHOP",
    "settings": {"shop": "one"},
}


def test_a_connection_is_stored_as_documented(services: Services) -> None:
    """The document has all fields, and the connection takes part in the next run."""
    connections.add(services, "shop-1", by=ME, **GOOD)

    document = connections.show(services, "shop-1").document
    assert (
        document.items()
        >= {
            **GOOD,
            "status": "active",
            "streams": ["orders", "products"],
            "backfill_since": None,
            "store_buyer_pii": False,
            "keep_raw": False,
            "created_at": services.clock.now(),
            "updated_at": services.clock.now(),
        }.items()
    )


def test_a_connection_is_never_overwritten(services: Services) -> None:
    """An existing id is refused, and the old document stays."""
    connections.add(services, "shop-1", by=ME, **GOOD)

    with pytest.raises(NotPossible, match="shop-1 exists already"):
        connections.add(services, "shop-1", by=ME, **{**GOOD, "name": "Another"})
    assert connections.show(services, "shop-1").document["name"] == "Shop one"


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"marketplace": "etsy"}, RequestError, "no marketplace 'etsy'; there are takealot"),
        ({"settings": {}}, ConnectionInvalid, r"missing required field `shop`"),
        ({"settings": {"shop": "one", "shpo": "two"}}, ConnectionInvalid, r"unknown field `shpo`"),
        ({"settings": {"shop": 1}}, ConnectionInvalid, r"\$\.shop"),
        ({"streams": ["inventory"]}, RequestError, "takealot has no stream inventory"),
        ({"credential": "env:OTHER"}, SecretMissing, "env:OTHER"),
    ],
)
def test_a_connection_that_cannot_sync_is_refused(
    services: Services, change: dict[str, Any], error: type[Exception], match: str
) -> None:
    """The message names the fault, and nothing is stored."""
    with pytest.raises(error, match=match):
        connections.add(services, "shop-1", by=ME, **{**GOOD, **change})
    with pytest.raises(NotFound):
        connections.show(services, "shop-1")


@pytest.mark.parametrize("connection_id", ["", "a/b", ".hidden", "two words", "x" * 129, "naïve"])
def test_ids_are_plain(services: Services, connection_id: str) -> None:
    """An id that is not safe in a path, a shell or a URL is refused."""
    with pytest.raises(RequestError, match="cannot be a connection's id"):
        connections.add(services, connection_id, by=ME, **GOOD)


def test_the_state_of_an_earlier_connection_is_reset(services: Services) -> None:
    """An interrupted removal may have deleted records, so a new connection of the same id starts anew."""
    digest = {"orders": StreamState(digest=b"18 bytes an entry.", scope="0")}
    left = SyncState(seq=7, lease=Lease(fence=3), streams=digest)
    services.store.commit([Put("sync_state/shop", to_document(left))])
    connections.add(services, "shop", by=ME, **GOOD)
    state = services.store.get("sync_state/shop")

    assert state is not None
    assert from_document(SyncState, state.data) == SyncState(
        seq=8,
        lease=Lease(fence=3),
        organization_id=GOOD["organization_id"],
        late_at=services.clock.now() + timedelta(minutes=45),
    )


def test_a_connection_is_not_added_while_its_predecessor_is_worked_on(services: Services) -> None:
    """A worker that still holds the removed connection's state would continue with the new one's secret."""
    now = services.clock.now()
    opened = Open(run_id="r", order="r", deadline_at=now, shard="takealot-000000", started_at=now)
    services.store.commit([Put("sync_state/shop", to_document(SyncState(seq=7, open=opened)))])

    with pytest.raises(NotPossible, match="run r still works on it"):
        connections.add(services, "shop", by=ME, **GOOD)
    assert services.store.get("connections/shop") is None


def test_connections_are_listed_in_pages(services: Services) -> None:
    """Pages follow one another in id order, and conditions narrow them."""
    for number in range(5):
        organization = f"org-{number % 2}"
        connections.add(services, f"shop-{number}", by=ME, **{**GOOD, "organization_id": organization})

    first = connections.list_page(services, limit=3)
    second = connections.list_page(services, after=first[-1].id, limit=3)
    assert [view.id for view in first + second] == [f"shop-{number}" for number in range(5)]
    odd = connections.list_page(services, organization_id="org-1", limit=10)
    assert [view.id for view in odd] == ["shop-1", "shop-3"]
    assert connections.list_page(services, status=ConnectionStatus.PAUSED, limit=10) == []


def test_a_malformed_document_is_shown_with_its_fault(services: Services) -> None:
    """A document with a fault is listed with that fault, and not hidden."""
    services.store.commit([Put("connections/odd", {"marketplace": "takealot"})])

    (view,) = connections.list_page(services, limit=10)
    assert "organization_id" in view.fault


def test_check_names_the_account(services: Services) -> None:
    """A check opens a session and asks the marketplace for the account."""
    connections.add(services, "shop-1", by=ME, **GOOD)

    assert checking.check(services, "shop-1", by=ME) == "account of one"


def test_check_of_an_unknown_connection_says_so(services: Services) -> None:
    """An unknown id is refused without a call."""
    with pytest.raises(NotFound, match="no connection 'shop-9'"):
        checking.check(services, "shop-9", by=ME)
