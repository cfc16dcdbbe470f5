"""Whatever is posted to the worker: acknowledged and without effect, or a message; never redelivered."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import wiring
from orchestrator.errors import MessageInvalid
from orchestrator.model import messages
from orchestrator.ports import DocumentStore
from orchestrator.services import Services
from tests.edge.conftest import served
from tests.edge.worker import BINARY, EVENT
from tests.support.clocks import VirtualClock
from tests.support.examples import examples
from tests.support.queues import ListQueue
from tests.system.hostile.values import FRAGMENTS, fragments, mutations

# The framework itself calls datetime.utcnow(), deprecated from Python 3.12 on.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

IDS = (
    "",
    ".",
    "..",
    "/",
    "a/b",
    "__x__",
    "__",
    "\0",
    "a\nb",
    "x" * 1_500,
    "x" * 1_501,
    "ü" * 751,
    "x" * 70_000,
)
TIMES = (
    *(
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
    ),
    *(
        "2026-11-23T06:00:00",
        "2026-11-23T06:00:00+05:45",
        "2026-11-23T06:00:00-23:59",
        "1970-01-01T00:00:00Z",
    ),
)
WHOLE = {
    "v": "1",
    "kind": "task",
    "run_id": "t-1",
    "order": "o",
    "deadline_at": "2099-11-23T06:00:00Z",
    "marketplace": "shopify",
    "shard": "shopify-000000",
    "connection_id": "nobody",
    "slice": 0,
}


class Worker:
    """`sync_worker` with the real use cases, over either store."""

    def __init__(self, client: FlaskClient, services: Services, queue: ListQueue) -> None:
        self.client, self.services, self.queue = client, services, queue

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> int:
        """Post a body, as JSON unless said; returns the status."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.client.post("/", data=body, headers=sent).status_code

    def written(self) -> dict[str, int]:
        """How many documents there are, where there are any."""
        names = ("runs", "connections", "sync_state", "runs/t-1/tasks", "runs/t-1/shards")
        return {name: count for name in names if (count := self.services.store.count(name))}


@pytest.fixture
def worker(services: Services, store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Served by the framework from the real `main.py`; time passes only in sleeps."""
    given = replace(services, store=store, clock=VirtualClock())
    monkeypatch.setattr(wiring, "build", lambda settings, **_: given)
    assert isinstance(services.queue, ListQueue)
    return Worker(served("sync_worker"), given, services.queue)


def push(data: bytes) -> bytes:
    """What a push subscription sends."""
    message = {"data": base64.b64encode(data).decode(), "messageId": "17"}
    return json.dumps({"subscription": "s", "message": message}).encode()


def _is_valid(data: bytes) -> bool:
    try:
        messages.decode(data)
    except MessageInvalid:
        return False
    return True


def _settled(worker: Worker, data: bytes) -> None:
    """A message is acknowledged; where it is none, it lies among the dead letters and nothing is written."""
    worker.queue.buried.clear()
    status = worker.post(push(data))

    assert status == 200, data[:300]
    assert bool(worker.queue.buried) != _is_valid(data)


@pytest.mark.parametrize("kind", ["dispatch", "task", "sweep", "cancel", "heal"])
def test_a_message_with_anything_in_a_field_is_settled(worker: Worker, kind: str) -> None:
    """Each field of each kind with each strange value: never delivered again, and nothing comes of it."""
    whole = {**WHOLE, "kind": kind}
    strange = [json.dumps(value).encode() for value in (*IDS, *TIMES)]
    for number, name in enumerate(whole):
        raw = json.dumps({**whole, name: "here"}).encode()
        for fragment in [*strange, *FRAGMENTS[number :: len(whole)]]:
            _settled(worker, raw.replace(b'"here"', fragment))
        _settled(worker, raw.replace(b'"%b": "here"' % name.encode(), b'"other": 1'))

    assert worker.written() == {}


@pytest.mark.hypothesis
@pytest.mark.parametrize("form", ["push", "binary", "structured"])
def test_an_event_of_any_form_is_settled(worker: Worker, form: str) -> None:
    """Whatever stands anywhere in a body or its headers, in each of the three forms, is acknowledged."""
    body, headers = _event(form)

    @examples(150, any_health=True)
    @given(raw=mutations(body), name=st.sampled_from(sorted(headers)), value=st.text(max_size=40) | st.none())
    def check(raw: bytes, name: str, value: str | None) -> None:
        sent = {**headers, name: value or headers[name]}
        sent[name] = "".join(each for each in sent[name] if each.isprintable() and ord(each) < 256)

        assert worker.post(raw, sent) == 200

    check()

    assert worker.written() == {}


def _event(form: str) -> tuple[bytes, dict[str, str]]:
    data = json.loads(push(json.dumps(WHOLE).encode()))
    if form == "push":
        return json.dumps(data).encode(), {"Content-Type": "application/json"}
    if form == "binary":
        return json.dumps(data).encode(), BINARY
    event = {**EVENT, "datacontenttype": "application/json", "data": data}
    return json.dumps(event).encode(), {"Content-Type": "application/cloudevents+json"}


@given(body=st.binary(max_size=300) | fragments)
@examples(150, any_health=True)
def _any_bytes(worker: Worker, body: bytes) -> None:
    for headers in (
        {},
        BINARY,
        {"Content-Type": "application/cloudevents+json"},
        {"Content-Type": "text/plain"},
    ):
        assert worker.post(body, headers) == 200
    _settled(worker, body)


def test_any_bytes_are_settled(worker: Worker) -> None:
    """Bytes of any kind, as a body in each form and as a message's data, are acknowledged."""
    _any_bytes(worker)


def test_the_largest_message_is_settled(worker: Worker) -> None:
    """Ten megabytes, the most that Pub/Sub carries, are acknowledged and kept among the dead letters."""
    _settled(worker, b"x" * 10_000_000)
    _settled(worker, json.dumps({**WHOLE, "order": "x" * 9_000_000}).encode())


def test_deep_nesting_is_settled_in_every_form(worker: Worker) -> None:
    """Each depth around that at which a decoder gives up is acknowledged."""
    for depth in (*range(880, 1_010, 5), 5_000, 100_000):
        deep = b"[" * depth + b"]" * depth
        assert worker.post(b'{"message":{"data":"","messageId":"1","x":%b},"subscription":"s"}' % deep) == 200
        assert worker.post(deep, BINARY) == 200
        structured = json.dumps({**EVENT, "data": "here"}).encode().replace(b'"here"', deep)
        assert worker.post(structured, {"Content-Type": "application/cloudevents+json"}) == 200
