"""The worker's edge: from a CloudEvent to a message, and from its outcome to an acknowledgement.

To return acknowledges the message, any error has it delivered again: so what can never succeed is put
among the dead letters and acknowledged, and everything else that goes wrong is raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import flask
import msgspec
from cloudevents.exceptions import GenericException as UnreadableEvent
from cloudevents.http import CloudEvent
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    ServiceUnavailable,
    UnsupportedMediaType,
)

from functions import traces
from functions.traces import Fields
from orchestrator import log_context
from orchestrator.errors import MessageInvalid, SyncError
from orchestrator.model import messages
from orchestrator.model.messages import Message
from orchestrator.services import Services

_log = logging.getLogger(__name__)

#: Bytes; the largest body that is read. Pub/Sub's messages have 10 MB at most, a third more as base64.
LARGEST_EVENT = 16 * 1024 * 1024
#: The headers that make a request an event in CloudEvents' binary form, whatever its body.
_BINARY = ("ce-specversion", "ce-source", "ce-type", "ce-id")
_VERSIONS = ("0.3", "1.0")


class PubsubMessage(msgspec.Struct, frozen=True, rename="camel"):
    """cloud.google.com/pubsub/docs/reference/rest/v1/PubsubMessage; `data` is base64 in JSON."""

    data: bytes
    attributes: dict[str, str] | None = None
    message_id: str = ""


class PushedMessage(msgspec.Struct, frozen=True, rename="camel"):
    """What Pub/Sub and Eventarc wrap a message in; the framework drops the rest of a raw push."""

    message: PubsubMessage


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """A body that the framework can make an event of: a raw push, or CloudEvents' structured form."""

    message: PubsubMessage | None = None
    subscription: str | None = None
    specversion: str | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None

    def __post_init__(self) -> None:
        """Refuse a mixture."""
        is_push = self.message is not None and self.message.message_id and self.subscription is not None
        if not is_push and None in {self.specversion, self.id, self.source, self.type}:
            raise ValueError("neither a push nor a structured event")


_body = msgspec.json.Decoder(_Body)
#: What the framework's own reading of an event raises.
_PARSING = (ValueError, RecursionError, UnreadableEvent)


def handle_event(
    event: CloudEvent, services: Callable[[], Services], handle: Callable[[Services, Message], None]
) -> None:
    """Work on one event; returns where it is settled for good.

    Args:
        event: A Pub/Sub message as a CloudEvent.
        services: Gives the services; not called for what holds no Pub/Sub message.
        handle: The use case.

    Raises:
        ServiceUnavailable: It is to be delivered again; the log says why.
    """
    event_id = str(event.get("id", ""))
    try:
        pushed = _pushed(event.get_data())
    except MessageInvalid as error:
        _log_invalid(str(error), event_id=event_id)
        return
    with log_context.bind(**_trace(event, pushed.attributes or {}).fields()):
        try:
            message = messages.decode(pushed.data)
        except MessageInvalid as error:
            with _delivered_again("unreadable"):
                _bury(services(), pushed, error, event_id)
            return
        bound = {
            "run_id": message.run_id or None,
            "connection_id": message.connection_id or None,
            "marketplace": message.marketplace or None,
            "task": message.kind,
        }
        with log_context.bind(**bound), _delivered_again(message.kind):
            try:
                handle(services(), message)
            except MessageInvalid as error:
                _bury(services(), pushed, error, event_id)


@contextmanager
def _delivered_again(kind: str) -> Iterator[None]:
    """Have the message delivered again, whatever goes wrong until the block ends."""
    try:
        yield
    except SyncError as error:
        _log.warning("%s message is to be delivered again: %s", kind, error, extra={"action": error.kind})
        raise ServiceUnavailable("to be delivered again") from error
    except Exception as error:
        _log.exception(
            "%s message is to be delivered again: %s", kind, error, extra={"action": "message_crashed"}
        )
        raise ServiceUnavailable("to be delivered again") from error


def _bury(services: Services, pushed: PubsubMessage, error: MessageInvalid, event_id: str) -> None:
    """Keep what nobody can work on, for a person to look at or a later release to read."""
    services.queue.bury(pushed.data, reason=str(error), attributes=pushed.attributes or {})
    _log_invalid(f"{error}; it is kept among the dead letters", event_id=event_id)


def acknowledge_unreadable(app: flask.Flask) -> None:
    """Have the framework acknowledge requests that are no event at all.

    Left alone it answers 400 or 500, and Pub/Sub delivers the same bytes again and again. It also prints
    the request's headers, token included, into some of these answers.
    """

    def check() -> None:
        request = flask.request
        try:
            body = request.get_data()
            if request.method == "POST" and not _is_binary(request.headers):
                _body.decode(body)
        except HTTPException:
            raise
        except Exception as error:  # each server has errors of its own for a body that is malformed
            raise BadRequest from error

    def acknowledge(_error: Exception) -> tuple[str, int]:
        _log_invalid(f"a request of {flask.request.content_length} bytes is no event")
        return "acknowledged, and not understood", 200

    app.config["MAX_CONTENT_LENGTH"] = LARGEST_EVENT
    app.before_request(check)
    # What the function itself raises is ServiceUnavailable: the others are of reading a body.
    for kind in (BadRequest, RequestEntityTooLarge, UnsupportedMediaType, *_PARSING):
        app.register_error_handler(kind, acknowledge)


def _is_binary(headers: Fields) -> bool:
    """Whether the framework takes a request for an event in binary form, and looks for none in its body."""
    return all(headers.get(name, "") for name in _BINARY) and headers.get(_BINARY[0], "") in _VERSIONS


def _pushed(data: object) -> PubsubMessage:
    try:
        pushed = msgspec.convert(data, PushedMessage).message
        # The framework lets half characters pass, which can be neither published nor logged.
        msgspec.json.encode((pushed.message_id, pushed.attributes))
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise MessageInvalid(f"event does not hold a Pub/Sub message: {error}") from error
    return pushed


def _trace(event: CloudEvent, attributes: dict[str, str]) -> traces.Trace:
    """The trace of whoever published the message; where that is unknown, of this delivery."""
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
