"""The worker's edge: from a CloudEvent to a message, and from its outcome to an acknowledgement.

Returning acknowledges; raising redelivers. A message that can never succeed becomes a dead letter and is
acknowledged; every other fault is raised.
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
    HTTPException,
    RequestEntityTooLarge,
    RequestTimeout,
    ServiceUnavailable,
    UnsupportedMediaType,
)

from functions import traces
from functions.bodies import time_limit
from functions.traces import Fields
from orchestrator import log_context
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

    data: bytes
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
#: Errors of the framework's own reading of an event.
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
    """
    event_id = str(event.get("id", ""))
    try:
        push = _pushed(event.get_data())
    except MessageInvalid as error:
        _log_invalid(str(error), event_id=event_id)
        return
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
    _log_invalid(f"{error}; it is kept among the dead letters", event_id=event_id)


def acknowledge_unreadable(app: flask.Flask) -> None:
    """Have the framework acknowledge requests that are no event at all.

    By itself it answers 400 or 500, and Pub/Sub redelivers the same bytes again and again. Into some of
    these answers it also prints the request's headers, token included.
    """

    def check() -> None:
        request = flask.request
        try:
            with time_limit(request.environ):
                body = request.get_data()
            if request.method == "POST" and not _is_binary(request.headers):
                # The framework drops it when it makes an event of a push.
                flask.g.delivery_attempt = _body.decode(body).delivery_attempt
        except RequestTimeout as error:  # the message may be a good one
            _log.warning("message is to be redelivered: %s", error, extra={"action": "message_late"})
            raise
        except HTTPException:
            raise
        except Exception as error:  # each server has its own errors for a malformed body
            raise BadRequest from error

    def acknowledge(_error: Exception) -> tuple[str, int]:
        _log_invalid(f"a request of {flask.request.content_length} bytes is no event")
        return "acknowledged, and not understood", 200

    app.config["MAX_CONTENT_LENGTH"] = LARGEST_EVENT
    app.before_request(check)
    # The function itself raises ServiceUnavailable only; these come from reading a body.
    for kind in (BadRequest, RequestEntityTooLarge, UnsupportedMediaType, *_PARSING):
        app.register_error_handler(kind, acknowledge)


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


def _log_invalid(reason: str, **fields: str) -> None:
    _log.error(
        "message acknowledged without being worked on: %s",
        reason,
        extra={"action": "message_invalid", **fields},
    )
