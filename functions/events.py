"""The worker's edge: from a CloudEvent to a message, and from its outcome to an acknowledgement.

Returning acknowledges; raising redelivers. A message that can never succeed becomes a dead letter and is
acknowledged; every other fault is raised.

Pub/Sub takes the statuses 102, 200, 201, 202 and 204 for an acknowledgement, and any other has it deliver
again (https://cloud.google.com/pubsub/docs/push#receive_push). After the subscription's
`max_delivery_attempts` it moves the message to the dead-letter topic itself, unchanged
(https://cloud.google.com/pubsub/docs/handling-failures#dead_letter_topic). So a request that holds a message
is acknowledged only once the message is worked on or kept; if it cannot be kept now, Pub/Sub keeps it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flask
import msgspec
from cloudevents.exceptions import GenericException as UnreadableEvent
from cloudevents.http import CloudEvent
from werkzeug.exceptions import (
    BadRequest,
    RequestEntityTooLarge,
    RequestTimeout,
    ServiceUnavailable,
    UnsupportedMediaType,
)

from functions import traces
from functions.bodies import time_limit
from functions.traces import Fields
from orchestrator import log_context
from orchestrator.decoding import UNREADABLE
from orchestrator.errors import MessageInvalid, SyncError
from orchestrator.model import messages
from orchestrator.model.messages import Message
from orchestrator.services import Services

_log = logging.getLogger(__name__)

#: Bytes; a larger body is not read. A Pub/Sub message has at most 10 MB, a third more as base64.
LARGEST_EVENT = 16 * 1024 * 1024
#: A request with these headers is an event in CloudEvents' binary form, whatever its body.
_BINARY = ("ce-specversion", "ce-source", "ce-type", "ce-id")
_VERSIONS = ("0.3", "1.0")


class PubsubMessage(msgspec.Struct, frozen=True, rename="camel"):
    """cloud.google.com/pubsub/docs/reference/rest/v1/PubsubMessage; `data` is base64 in JSON."""

    #: Empty if the publisher sent attributes alone.
    data: bytes = b""
    attributes: dict[str, str] | None = None
    message_id: str = ""


class PushedMessage(msgspec.Struct, frozen=True, rename="camel"):
    """The envelope of Pub/Sub and Eventarc; the framework drops the rest of a raw push."""

    message: PubsubMessage
    #: A number; only some forms of an event have it.
    delivery_attempt: Any = None


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """A body that the framework can turn into an event: a raw push, or CloudEvents' structured form."""

    message: PubsubMessage | None = None
    subscription: str | None = None
    delivery_attempt: Any = None
    specversion: str | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None

    def __post_init__(self) -> None:
        """Refuse a mixture of both."""
        is_push = self.message is not None and self.message.message_id and self.subscription is not None
        if not is_push and None in {self.specversion, self.id, self.source, self.type}:
            raise ValueError("neither a push nor a structured event")


_body = msgspec.json.Decoder(_Body)
_envelope = msgspec.json.Decoder(PushedMessage)
#: Errors of reading an event, here and in the framework.
_PARSING = (ValueError, RecursionError, UnreadableEvent)


def handle_event(
    event: CloudEvent, services: Callable[[], Services], handle: Callable[[Services, Message], None]
) -> None:
    """Work on one event; returns once it is settled for good.

    Args:
        event: A Pub/Sub message as a CloudEvent.
        services: Gives the services; not called for an event without a Pub/Sub message.
        handle: The use case.

    Raises:
        ServiceUnavailable: It is to be redelivered; the log says why.
        MessageInvalid: It holds no Pub/Sub message; see `bury_unreadable`.
    """
    event_id = str(event.get("id", ""))
    push = _pushed(event.get_data())
    pushed = push.message
    with log_context.bind(**_trace(event, pushed.attributes or {}).fields()):
        try:
            message = messages.decode(pushed.data)
            message = msgspec.structs.replace(message, redelivered=_is_redelivered(push))
        except MessageInvalid as error:
            with _redelivered_on_error("unreadable"):
                _bury(services(), pushed, error, event_id)
            return
        bound = {
            "run_id": message.run_id or None,
            "connection_id": message.connection_id or None,
            "marketplace": message.marketplace or None,
            "task": message.kind,
        }
        with log_context.bind(**bound), _redelivered_on_error(message.kind):
            try:
                handle(services(), message)
            except MessageInvalid as error:
                _bury(services(), pushed, error, event_id)


@contextmanager
def _redelivered_on_error(kind: str) -> Iterator[None]:
    """Have the message redelivered if the block raises anything."""
    try:
        yield
    except SyncError as error:
        _log.warning(
            "%s message is to be redelivered: %s",
            *(kind, error),
            extra={"action": "message_redelivered", "kind": error.kind},
        )
        raise ServiceUnavailable("to be redelivered") from error
    except Exception as error:
        _log.exception(
            "%s message is to be redelivered: %s",
            *(kind, error),
            extra={"action": "message_crashed", "kind": type(error).__name__},
        )
        raise ServiceUnavailable("to be redelivered") from error


def _bury(services: Services, pushed: PubsubMessage, error: MessageInvalid, event_id: str) -> None:
    """Keep an unworkable message for a person, or for a later release that can read it."""
    services.queue.bury(pushed.data, reason=str(error), attributes=pushed.attributes or {})
    _log.error(
        "message acknowledged without being worked on: %s; it is kept among the dead letters",
        error,
        extra={"action": "message_invalid", "event_id": event_id},
    )


def bury_unreadable(app: flask.Flask, services: Callable[[], Services]) -> None:
    """Have requests that the framework or `handle_event` cannot read become dead letters.

    By itself the framework answers them with 400 or 500, and Pub/Sub redelivers the same bytes for hours.
    Some of these answers also hold the request's headers, token included.

    Args:
        app: The framework's application.
        services: Gives the services; called for an unreadable request only.
    """

    def check() -> tuple[str, int] | None:
        request = flask.request
        try:
            with time_limit(request.environ):
                body = request.get_data()
            # A chunked body is cut at the limit, without an error.
            if len(body) >= LARGEST_EVENT:
                raise RequestEntityTooLarge
        except RequestTimeout as error:  # the message may be a good one
            _log.warning("message is to be redelivered: %s", error, extra={"action": "message_late"})
            raise
        except RequestEntityTooLarge:
            return _refuse(f"a request is larger than {LARGEST_EVENT:,} bytes", 413)
        except Exception:  # noqa: BLE001 - each server has its own errors for a malformed body
            return _refuse("a request's body did not arrive whole", 400)
        if request.method == "POST" and not _is_binary(request.headers):
            try:
                # The framework drops it when it makes an event of a push.
                flask.g.delivery_attempt = _body.decode(body).delivery_attempt
            except _PARSING:
                return bury()
        return None

    def bury(error: Exception | None = None) -> tuple[str, int]:
        body = flask.request.get_data()
        pushed = _original(body)
        # The texts of other errors quote the request.
        reason = str(error) if isinstance(error, MessageInvalid) else "it is no event"
        invalid = MessageInvalid(f"a request of {len(body)} bytes: {reason}")
        try:
            with _redelivered_on_error("unreadable"):
                _bury(services(), pushed, invalid, pushed.message_id)
        except ServiceUnavailable:
            return "not kept yet", 503
        return "kept among the dead letters", 200

    app.config["MAX_CONTENT_LENGTH"] = LARGEST_EVENT
    app.before_request(check)
    # The function itself raises ServiceUnavailable and MessageInvalid; the others are the framework's.
    for kind in (MessageInvalid, BadRequest, UnsupportedMediaType, *_PARSING):
        app.register_error_handler(kind, bury)


def _refuse(reason: str, status: int) -> tuple[str, int]:
    """Have Pub/Sub keep a message that cannot be kept here, because its request was not read."""
    _log.error(
        "message is to be redelivered, and becomes a dead letter in the end: %s",
        reason,
        extra={"action": "message_refused"},
    )
    return "not read", status


def _original(body: bytes) -> PubsubMessage:
    """The Pub/Sub message inside a request's body; without one, the body as the message's data.

    A subscription without wrapping posts a message's data alone, and then the dead letter can be replayed.
    """
    try:
        return _envelope.decode(body).message
    except UNREADABLE:
        return PubsubMessage(data=body)


def _is_binary(headers: Fields) -> bool:
    """Whether the framework reads an event in binary form, from the headers instead of the body."""
    return all(headers.get(name, "") for name in _BINARY) and headers.get(_BINARY[0], "") in _VERSIONS


def _pushed(data: object) -> PushedMessage:
    try:
        push = msgspec.convert(data, PushedMessage)
        pushed = push.message
        # The framework accepts lone surrogates, which can be neither published nor logged.
        msgspec.json.encode((pushed.message_id, pushed.attributes))
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise MessageInvalid(f"event does not hold a Pub/Sub message: {error}") from error
    return push


def _is_redelivered(push: PushedMessage) -> bool:
    """Whether an earlier delivery of the message is known to have failed.

    A subscription with dead letters counts its deliveries
    (cloud.google.com/pubsub/docs/handling-failures#track_delivery_attempts).
    """
    attempt = push.delivery_attempt
    if attempt is None and flask.has_request_context():
        attempt = flask.g.get("delivery_attempt")
    return isinstance(attempt, int) and attempt > 1


def _trace(event: CloudEvent, attributes: dict[str, str]) -> traces.Trace:
    """The publisher's trace; if that is unknown, the trace of this delivery."""
    trace = traces.from_fields({"traceparent": str(event.get("traceparent", "")), **attributes})
    if trace.trace is None and flask.has_request_context():
        return traces.from_fields(flask.request.headers)
    return trace
