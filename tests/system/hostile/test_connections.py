"""Connection documents, which people write: each fault is one line that names the field, and is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.app import parser, run
from orchestrator.errors import ConnectionInvalid, RequestError, WriteRejected
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.model.connection import Connection, ConnectionStatus, connection_from_document
from orchestrator.model.run import TaskStatus
from orchestrator.model.state import Health
from orchestrator.operators.health import status
from orchestrator.ports import Delete, Put
from orchestrator.runs.start import TriggerRequest, start_manual
from tests.marketplaces.conformance.market import Market, registered
from tests.support.examples import examples
from tests.support.people import ME
from tests.support.secrets import MemorySecrets
from tests.support.world import START, World, fill

LONG = "x" * 200_000
DEEP: Any = []
for _ in range(15):
    DEEP = [DEEP]
#: What may stand anywhere in a document.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63 - 1, -(2**63), 1.5, float("nan"), float("inf"), 1e308, b"", b"\xff"),
    *(
        "",
        " ",
        "\0",
        "a\nb",
        "..",
        "/",
        "__x__",
        LONG,
        "\u202e\U0001f600",
        "active",
        "2026-01-01",
        "2026-01-01T00:00:00",
    ),
    *(
        [],
        [None],
        ["orders", "orders"],
        ["orders", 1],
        ["nonsense", LONG],
        [LONG] * 3,
        DEEP,
        {},
        {"": {"": []}},
    ),
    *({"shop": 1}, {"base_url": "http://127.0.0.1:1"}, {"marketplace_id": "EBAY_GB"}, {LONG[:1000]: 1}),
    *(datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
)
values = st.sampled_from(VALUES) | st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = tuple(field.encode_name for field in msgspec.structs.fields(Connection))


def valid(market: Market) -> dict[str, Any]:
    """A document without fault."""
    return {
        "organization_id": "org",
        "marketplace": market.name,
        "name": "",
        "status": "active",
        "credential": "env:GOOD",
        "settings": dict(market.settings),
        "streams": ["orders"],
        "backfill_since": None,
        "store_buyer_pii": False,
        "created_at": START,
        "updated_at": START,
    }


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Real connectors in production, and beside them one connection to a made-up marketplace."""
    made = World(tmp_path)
    connectors = {**REGISTRY, "bazaar": made.bazaar.connector}
    made.services = replace(made.services, connectors=connectors)
    made.connect("good", marketplace="bazaar", credential="env:GOOD")
    fill(made, "orders", 3, "good")
    return made


@pytest.mark.parametrize("field", FIELDS)
def test_a_fault_is_named(field: str) -> None:
    """Whatever stands in a field, the document is read, or refused with a line that names the field."""
    for value in VALUES:
        error = _fault({**valid(registered()[0]), field: value})
        if error is not None:
            assert error.message.startswith("connections/c: ")
            assert field in error.message, value
            assert len(error.message) < 2_100
            assert error.message.isprintable()
            assert error.action


def _fault(document: dict[str, Any]) -> ConnectionInvalid | None:
    try:
        connection_from_document("c", document)
    except ConnectionInvalid as error:
        return error
    return None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("streams", ["orders", "orders"]),
        ("streams", []),
        ("backfill_since", "2026-01-01T00:00:00"),
        ("reconcile_hours", 0),
        ("reconcile_hours", 2**62),
        ("credential", LONG),
        ("organization_id", "x" * 1_500),
        ("status", ["active"]),
    ],
)
def test_what_reads_like_a_document_and_is_none_is_refused(field: str, value: Any) -> None:
    """Values of the right type that no sync could work with are refused like those of the wrong one."""
    with pytest.raises(ConnectionInvalid, match=field):
        connection_from_document("c", {**valid(registered()[0]), field: value})


@pytest.mark.hypothesis
@pytest.mark.parametrize("market", registered(), ids=str)
def test_a_task_over_any_document_ends(world: World, market: Market) -> None:
    """With any value anywhere the task ends, the other connection is synced, and the connection is shown."""
    secrets = MemorySecrets({"env:GOOD": [msgspec.json.encode(market.credential).decode()]})
    world.services = replace(world.services, secrets=secrets)
    inside = [("settings", name) for name in [*market.settings, "base_url", "unknown"]]

    @examples(25, any_health=True)
    @given(path=st.sampled_from([*((name,) for name in FIELDS), *inside]), value=values)
    def check(path: tuple[str, ...], value: Any) -> None:
        # Without a fault the task would end at its secret, before it makes a call.
        document = {**valid(market), "credential": "env:BAD"}
        if len(path) == 1:
            document[path[0]] = value
        else:
            document["settings"][path[1]] = value
        try:
            world.store.commit([Put("connections/bad", document)])
        except WriteRejected:
            return
        world.store.commit([Delete("sync_state/bad")])
        world.clock.advance(3600)
        started = world.tick()
        world.drain()
        run = world.run(started.run_id)
        tasks = {task.connection_id: task for task in world.tasks(started.run_id)}

        assert run.status.is_final
        assert tasks["good"].status is TaskStatus.SUCCEEDED, tasks["good"].reason
        if "bad" in tasks and tasks["bad"].status is TaskStatus.FAILED:
            error = tasks["bad"].error
            assert error is not None
            assert error.kind in {"connection_invalid", "secret_missing"}, error
            assert error.action
        _is_shown(world)

    check()


def _is_shown(world: World) -> None:
    """The HTTP interface and the command line show the connections, whatever their documents hold."""
    seen = status.status(world.services)
    for failing in seen.failing:
        assert all(isinstance(text, str | None) for text in (failing.organization_id, failing.name))
    msgspec.json.encode(seen)
    for arguments in (["list"], ["list", "--json"], ["show", "bad"], ["show", "bad", "--json"]):
        options = parser().parse_args(["connections", *arguments])
        assert run(world.services, options) == 0


@pytest.mark.parametrize(
    ("marketplace", "content"),
    [
        ("shopify", '{"access_token":"line\\nbreak"}'),
        ("shopify", '{"access_token":"\\u0000"}'),
        ("shopify", '{"access_token":"ü"}'),
        ("shopify", "[" * 100_000),
        ("shopify", ""),
        ("takealot", '{"api_key":' + "9" * 5_000 + "}"),
        ("takealot", '{"api_key":"line\\nbreak"}'),
        ("amazon", '{"client_id":"' + "x" * 100_000 + '"}'),
        ("ebay", "\\ud800"),
    ],
)
def test_a_secret_of_any_content_ends_its_task(world: World, marketplace: str, content: str) -> None:
    """A credential that is none, or that no header can carry, fails the task with what to do about it."""
    market = next(market for market in registered() if market.name == marketplace)
    world.services = replace(world.services, secrets=MemorySecrets({"env:GOOD": [content]}))
    # Nothing answers there; a credential that cannot be sent is told before anything is sent.
    settings = {**market.settings, "base_url": "http://127.0.0.1:9"}
    world.store.commit([Put("connections/bad", {**valid(market), "settings": settings})])
    run_id, run = world.run_once()
    task = world.task(run_id, "bad")

    assert run.status.is_final
    assert task.status is TaskStatus.FAILED
    assert task.error is not None
    assert task.error.kind in {"connection_invalid", "credentials_rejected"}
    assert task.error.action
    assert world.state("bad").health is Health.NEEDS_ATTENTION


def test_base_url_is_refused_in_production(tmp_path: Path) -> None:
    """What stands for the marketplace's host is obeyed in development only, whatever else is right."""
    world = World(
        tmp_path,
        environment={
            "ENVIRONMENT": "production",
            "SYNC_STORE": "firestore",
            "SYNC_QUEUE": "pubsub:work",
            "GOOGLE_CLOUD_PROJECT": "project-1",
        },
    )
    market = registered()[0]
    secrets = MemorySecrets({"env:GOOD": [msgspec.json.encode(market.credential).decode()]})
    world.services = replace(world.services, connectors=REGISTRY, secrets=secrets)
    settings = {**market.settings, "base_url": "http://127.0.0.1:9"}
    world.store.commit([Put("connections/bad", {**valid(market), "settings": settings})])
    run_id, _ = world.run_once()
    error = world.task(run_id, "bad").error

    assert error is not None
    assert error.kind == "connection_invalid"
    assert "base_url" in error.message


@pytest.mark.parametrize(
    "marketplace", ["nonsense", "", "a/b", "..", LONG[:900], 7, None, ["shopify"], {"a": 1}]
)
def test_an_unknown_marketplace_is_refused_by_hand(world: World, marketplace: Any) -> None:
    """A person who names a connection of no known marketplace is told so, and no run is made."""
    document = {**valid(registered()[0]), "marketplace": marketplace}
    world.store.commit([Put("connections/bad", document)])

    with pytest.raises(RequestError, match="connections/bad: marketplace"):
        start_manual(world.services, TriggerRequest(connection_ids=["bad"]), by=ME, idempotency_key=None)
    assert world.store.count("runs") == 0


@pytest.mark.parametrize("status", [["active"], {"a": 1}, 7, None, "nonsense", True])
def test_a_status_of_any_type_ends_its_task(world: World, status: Any) -> None:
    """A status that is none fails the task of a person who asked for it."""
    document = {**valid(registered()[0]), "status": status}
    world.store.commit([Put("connections/bad", document)])
    started = start_manual(
        world.services, TriggerRequest(connection_ids=["bad"]), by=ME, idempotency_key=None
    )
    world.drain()
    error = world.task(started.run_id, "bad").error

    assert error is not None
    assert error.kind == "connection_invalid"
    assert "status" in error.message


def test_statuses_are_those_of_the_model() -> None:
    """What the documents above call active is what the model does."""
    assert valid(registered()[0])["status"] == ConnectionStatus.ACTIVE
