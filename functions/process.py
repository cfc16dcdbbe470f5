"""Made once a process: checked settings at its start, clients at its first request.

The server imports `main` before it forks its workers, so nothing that owns a thread or a connection is
made at import (grpc's channels do not survive a fork).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping

import flask

from functions import events, logs, requests
from functions.api import Api
from functions.auth.certificates import CertificateCache
from functions.auth.gate import Gate
from functions.auth.scheduler_secret import SchedulerSecret
from orchestrator import decoding
from orchestrator.errors import SettingsInvalid
from orchestrator.ports import Counter
from orchestrator.services import Services
from orchestrator.settings import Settings, http_settings


def is_stopping() -> bool:
    """Whether the server was told to end (SIGTERM): Cloud Run then leaves it about ten seconds.

    gunicorn's worker handles the signal itself, in the only thread that may. The handler is a method of the
    worker, which knows its state. Under another server this is always false; a killed slice is redelivered.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "alive", True) is False


class Process:
    """A process's services and HTTP interface, each made at its first use; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._services: Services | None = None
        self._api: Api | None = None
        self._dead_letters: Counter | None = None

    def services(self) -> Services:
        """The services."""
        with self._lock:
            if self._services is None:
                from orchestrator import wiring  # noqa: PLC0415 - a refused caller costs no client

                settings = Settings.from_environment(os.environ)
                self._services = wiring.build(settings, stopping=is_stopping)
            return self._services

    def dead_letters(self) -> Counter | None:
        """Counts dead letters; None if nobody can."""
        with self._lock:
            if self._dead_letters is None:
                from orchestrator import wiring  # noqa: PLC0415 - the worker counts none

                self._dead_letters = wiring.dead_counter(self.services().settings)
            return self._dead_letters

    def api(self) -> Api:
        """The HTTP interface."""
        with self._lock:
            if self._api is None:
                _, auth = http_settings(os.environ)
                secret = SchedulerSecret(auth, lambda: self.services().secrets)
                gate = Gate(auth, CertificateCache(auth.certs_url), secret)
                self._api = Api(gate, self.services, self.dead_letters)
            return self._api


def start(environ: Mapping[str, str], services: Callable[[], Services]) -> None:
    """Prepare to serve if a server imports `main`; otherwise do nothing.

    Args:
        environ: The environment.
        services: Gives the services; not called before the first request.

    Raises:
        SystemExit: A setting is missing or wrong; its text is the one line to print.
    """
    # The framework sets it before it imports `main`, from its `--target` as well.
    target = environ.get("FUNCTION_TARGET")
    if not target and not environ.get("K_SERVICE"):
        return
    try:
        if target == "sync_api":
            settings, _ = http_settings(environ)
        else:
            settings = Settings.from_environment(environ)
    except SettingsInvalid as error:
        raise SystemExit(str(error)) from None
    logs.configure(settings.log_level, settings.google_cloud_project)
    decoding.prepare()
    if not flask.has_app_context():
        return
    from functions import server  # noqa: PLC0415 - of use to the framework's server alone

    server.install()
    if target == "sync_worker":
        events.bury_unreadable(flask.current_app, services)
    elif target == "sync_api":
        flask.current_app.before_request(requests.hide_body)
