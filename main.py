"""The two Google Cloud Functions: `sync_api` answers HTTP, `sync_worker` handles Pub/Sub's messages."""

from __future__ import annotations

import os

import flask
import functions_framework
from cloudevents.http import CloudEvent

from functions.events import handle_event
from functions.process import Process, start

_process = Process()
start(os.environ, _process.services)


@functions_framework.http
def sync_api(request: flask.Request) -> flask.Response:
    """Answer a request to the HTTP interface; see `functions/openapi.yaml`."""
    return _process.api()(request)


@functions_framework.cloud_event
def sync_worker(event: CloudEvent) -> None:
    """Work on one message: returning acknowledges it, raising has it redelivered."""
    from orchestrator.handle import handle  # noqa: PLC0415 - only the worker needs it

    handle_event(event, _process.services, handle)
