"""The worker's reaction to everything that may be posted to it."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from orchestrator import wiring
from orchestrator.errors import MessageInvalid, QueueUnavailable, StoreUnavailable, WriteRejected
from orchestrator.model.messages import encode
from orchestrator.services import Services
from tests.edge.conftest import log_lines
from tests.edge.worker import BINARY, CANCEL, EVENT, TRACEPARENT, Worker, message_of, push
from tests.support.queues import ListQueue

# The framework itself calls datetime.utcnow(), deprecated from Python 3.12 on.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


def test_push_is_handled(worker: Worker) -> None:
    """A raw push, as our own subscription sends it, reaches the use case and is acknowledged."""
    assert worker.post(push(publishTime="2026-11-23T12:00:00Z", attributes={"a": "b"})) == 200
    assert worker.handled == [CANCEL]


@pytest.mark.parametrize(("attempt", "is_known"), [(2, True), (20, True), ("2", False), (None, False)])
def test_a_redelivery_is_told(worker: Worker, attempt: object, *, is_known: bool) -> None:
    """Pub/Sub counts its deliveries; a count in another form is none, and no reason to refuse the message."""
    assert worker.post({**push(), "deliveryAttempt": attempt}) == 200
    assert worker.handled == [msgspec.structs.replace(CANCEL, redelivered=is_known)]


def test_push_with_topic_in_the_path_is_handled(worker: Worker) -> None:
    """The emulators' endpoint names the topic."""
    response = worker.client.post("/projects/project-1/topics/work", json=push())

    assert response.status_code == 200
    assert worker.handled == [CANCEL]


def test_binary_event_is_handled(worker: Worker) -> None:
    """Eventarc's binary form, also with fields we do not know."""
    body = {"message": message_of(orderingKey="k"), "subscription": "s", "deliveryAttempt": 1}

    assert worker.post(body, BINARY) == 200
    assert worker.handled == [CANCEL]


def test_structured_event_is_handled(worker: Worker) -> None:
    """Eventarc's structured form."""
    event = {
        **EVENT,
        "datacontenttype": "application/json",
        "data": {"message": message_of(), "subscription": "s"},
    }

    assert worker.post(event, {"Content-Type": "application/cloudevents+json"}) == 200
    assert worker.handled == [CANCEL]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"junk", {}),
        (b"\xff\xfe", {}),
        (b"null", {}),
        (b"[]", {}),
        (b"[1, 2]", {}),
        (b'"text"', {}),
        (b"17", {}),
        (b"[" * 100_000, {}),
        (b"{}", {}),
        (b'{"message": null, "subscription": "s"}', {}),
        (b'{"message": {"messageId": "17"}, "subscription": "s"}', {}),
        (b'{"message": {"messageId": "17", "attributes": {"a": "b"}}, "subscription": "s"}', {}),
        (b'{"message": {"messageId": "17", "data": null}, "subscription": "s"}', {}),
        (b'{"message": {"messageId": "17", "data": "***"}, "subscription": "s"}', {}),
        (b'{"message": {"messageId": "17", "data": ""}, "subscription": "s"}', {}),
        (b'{"message": {"messageId": "17", "data": "e30="}, "subscription": "s"}', {}),
        (b'{"message": "text", "subscription": "s"}', {}),
        (b'{"message": {"data": "e30="}, "subscription": "s"}', {}),
        (b'{"context": {"eventId": "1"}, "data": {}}', {}),
        (b'{"context": 1}', {}),
        (json.dumps(push()).encode(), {"Content-Type": "text/plain"}),
        (b"", BINARY),
        (b"junk", BINARY),
        (b"\xff\xfe", BINARY),
        (b"[]", BINARY),
        (b"{}", BINARY),
        (b'"."', {**BINARY, "ce-specversion": "0"}),
        (b'"."', {**BINARY, "ce-id": ""}),
        (b'"\xed\xa0\x80"', BINARY),
        (b"7" * 5000, BINARY),
        (b'{"message": {"data": 17}}', BINARY),
        (b'{"message": {"data": "e30="}}', {**BINARY, "ce-specversion": "9.9"}),
        (json.dumps({**EVENT, "data": None}).encode(), {"Content-Type": "application/cloudevents+json"}),
        (json.dumps({**EVENT, "id": None}).encode(), {"Content-Type": "application/cloudevents+json"}),
        (b"[]", {"Content-Type": "application/cloudevents+json"}),
        (json.dumps({**EVENT, "source": 7}).encode(), {"Content-Type": "application/cloudevents+json"}),
        (b'{"specversion": "1.0"}', {"Content-Type": "application/cloudevents+json"}),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_request_without_a_readable_message_is_dead_lettered(
    worker: Worker,
    queue: ListQueue,
    capsys: pytest.CaptureFixture[str],
    body: bytes,
    headers: dict[str, str],
) -> None:
    """Whatever the framework or the worker cannot read is kept, then acknowledged; the log notes it."""
    status = worker.post(body, {"Authorization": "Bearer private", **headers})
    lines = log_lines(capsys.readouterr().out)
    ((_, reason, _),) = queue.buried

    assert status == 200
    assert worker.handled == []
    assert [line["action"] for line in lines] == ["message_invalid"]
    assert "private" not in str(lines) + reason


WITHOUT_DATA = {"messageId": "17", "attributes": {"kind": "heal"}}


@pytest.mark.parametrize(
    ("body", "headers", "kept", "attributes"),
    [
        # Attributes alone: the framework refuses the push, and accepts the events.
        (json.dumps({"subscription": "s", "message": WITHOUT_DATA}).encode(), {}, b"", {"kind": "heal"}),
        (json.dumps({"message": WITHOUT_DATA}).encode(), BINARY, b"", {"kind": "heal"}),
        (
            json.dumps({**EVENT, "data": {"message": WITHOUT_DATA}}).encode(),
            {"Content-Type": "application/cloudevents+json"},
            b"",
            {"kind": "heal"},
        ),
        # A good message in a request that the framework does not read: it can be replayed.
        (json.dumps(push()).encode(), {"Content-Type": "text/plain"}, encode(CANCEL), {}),
        # A subscription without wrapping posts the data itself.
        (encode(CANCEL), {}, encode(CANCEL), {}),
        (encode(CANCEL), {"Content-Type": "application/octet-stream"}, encode(CANCEL), {}),
        # Not base64: the request's body is kept.
        (
            b'{"message": {"messageId": "17", "data": "***"}, "subscription": "s"}',
            {},
            b'{"message": {"messageId": "17", "data": "***"}, "subscription": "s"}',
            {},
        ),
        (b'{"message": {"data": "***"}}', BINARY, b'{"message": {"data": "***"}}', {}),
        (b"junk", {}, b"junk", {}),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_dead_letter_holds_the_message_of_its_request(
    worker: Worker,
    queue: ListQueue,
    body: bytes,
    headers: dict[str, str],
    kept: bytes,
    attributes: dict[str, str],
) -> None:
    """The message with its attributes if the request names it, otherwise the request's body."""
    assert worker.post(body, headers) == 200
    ((found, _, found_attributes),) = queue.buried
    assert (found, found_attributes) == (kept, attributes)


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"junk", {}), (b"junk", BINARY), (b'{"message": {"data": 17}}', BINARY), (b"", {})],
)
def test_a_request_that_cannot_be_kept_is_delivered_again(
    worker: Worker,
    queue: ListQueue,
    capsys: pytest.CaptureFixture[str],
    body: bytes,
    headers: dict[str, str],
) -> None:
    """It is answered with an error until it is among the dead letters; in the end Pub/Sub puts it there."""
    queue.error = QueueUnavailable("the topic is away")
    status = worker.post(body, {"Authorization": "Bearer private", **headers})
    (line,) = log_lines(capsys.readouterr().out)

    assert status == 503
    assert (line["action"], line["kind"]) == ("message_redelivered", "queue_unavailable")


def test_a_request_that_is_too_large_is_left_to_pubsub(
    worker: Worker, queue: ListQueue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read, so it is neither kept here nor acknowledged."""
    monkeypatch.setitem(worker.client.application.config, "MAX_CONTENT_LENGTH", 10)
    status = worker.post(push())
    (line,) = log_lines(capsys.readouterr().out)

    assert (status, queue.buried, worker.handled) == (413, [], [])
    assert line["action"] == "message_refused"


UNREADABLE = [
    b"",
    b"junk",
    b'{"v":"private","kind":"heal"}',
    b'{"v":"1","kind":"private"}',
    b'{"v":"1","kind":"sweep","run_id":"t-1"}',
    b'{"v":"1","kind":"sweep","run_id":"private/1","shard":"shopify-000000"}',
]


@pytest.mark.parametrize("data", UNREADABLE)
def test_a_message_that_cannot_be_read_is_dead_lettered(
    worker: Worker, queue: ListQueue, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    """Another version or kind, or fields that cannot be: kept whole with the reason, which quotes nothing."""
    attributes = {"kind": "heal", "traceparent": TRACEPARENT}
    message = {"data": base64.b64encode(data).decode(), "messageId": "17", "attributes": attributes}
    status = worker.post({"subscription": "s", "message": message})
    (line,) = log_lines(capsys.readouterr().out)
    ((body, reason, kept),) = queue.buried

    assert status == 200
    assert worker.handled == []
    assert (body, kept) == (data, attributes)
    assert "queue message" in reason
    assert (line["action"], line["event_id"]) == ("message_invalid", "17")
    assert reason in line["message"]
    assert "private" not in str(line) + reason


def test_a_message_that_cannot_be_kept_is_delivered_again(
    worker: Worker, queue: ListQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is acknowledged only once it is among the dead letters."""
    queue.error = QueueUnavailable("the topic is away")
    message = {"data": base64.b64encode(b"junk").decode(), "messageId": "17"}
    status = worker.post({"subscription": "s", "message": message})
    lines = log_lines(capsys.readouterr().out)

    assert status == 503
    assert [(line["action"], line["kind"]) for line in lines] == [
        ("message_redelivered", "queue_unavailable")
    ]


@pytest.mark.parametrize(
    ("error", "severity", "action", "kind"),
    [
        (StoreUnavailable("timed out"), "WARNING", "message_redelivered", "store_unavailable"),
        (WriteRejected("too large"), "WARNING", "message_redelivered", "write_rejected"),
        (RuntimeError("a defect"), "ERROR", "message_crashed", "RuntimeError"),
    ],
)
def test_failure_is_delivered_again(
    worker: Worker,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    severity: str,
    action: str,
    kind: str,
) -> None:
    """Any error of the use case is a non-2xx answer and one log line."""
    worker.error = error
    status = worker.post(push())
    lines = log_lines(capsys.readouterr().out)

    assert status == 503
    assert [(line["severity"], line["action"], line["kind"]) for line in lines] == [(severity, action, kind)]


def test_invalid_message_found_late_is_dead_lettered(worker: Worker, queue: ListQueue) -> None:
    """The use case, too, may find that a message can never succeed."""
    worker.error = MessageInvalid("no such shard")

    assert worker.post(push()) == 200
    assert queue.buried == [(encode(CANCEL), "no such shard", {})]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(worker: Worker, method: str) -> None:
    """Events are posted."""
    assert worker.client.open("/", method=method).status_code == 405


def test_services_are_made_once(services: Services, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients are made at the first message, not at the start, and then kept."""
    built: list[object] = []

    def build(settings: object, **_: object) -> Services:
        built.append(settings)
        return services

    monkeypatch.setattr(wiring, "build", build)
    before = list(built)
    for _ in range(3):
        assert worker.post(push()) == 200

    assert before == []
    assert len(built) == 1
