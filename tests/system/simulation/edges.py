"""The HTTP function's edge, and whoever calls it: Cloud Scheduler and people; and how processes end.

What is answered with 202, 503, 404 or 409 is the product's own decision.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import flask
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from werkzeug.test import EnvironBuilder

from functions.api import Api
from functions.auth.certificates import CertificateCache
from functions.auth.gate import Gate
from functions.auth.scheduler_secret import SchedulerSecret
from orchestrator.settings import http_settings
from tests.support import issuer
from tests.system.simulation.accounts import SECRET
from tests.system.simulation.loop import START
from tests.system.simulation.process import Process

if TYPE_CHECKING:
    from tests.system.simulation.history import History

#: Terraform's defaults for Cloud Scheduler's job, in seconds.
SCHEDULER_ATTEMPTS, SCHEDULER_BACKOFF_S, SCHEDULER_DEADLINE_S = 4, 10, 150
#: Cloud Run kills a process so long after SIGTERM; whoever holds a connection hands over sooner.
STOP_S, HAND_OVER_S = 10.0, 8.0
#: What one delivery may cost, whatever happens in it: calls of the store, messages published.
MOST_CALLS, MOST_PUBLISHED = 600, 120

_SECRET = f"{SECRET}-scheduler"
ENVIRONMENT = {
    "ENVIRONMENT": "development",
    "SYNC_STORE": "sqlite:unused",
    "SYNC_QUEUE": "local:http://127.0.0.1:9",
    "SCHEDULER_AUDIENCE": issuer.AUDIENCE,
    "SCHEDULER_SERVICE_ACCOUNT": issuer.SCHEDULER,
    "SCHEDULER_SECRET": _SECRET,
    "OPERATORS": issuer.OPERATOR,
}


class _Certificates(CertificateCache):
    """The issuer's one key, without a fetch."""

    def key(self, key_id: str) -> RSAPublicKey | None:
        """See CertificateCache."""
        return issuer.private_key(key_id).public_key()


@functools.cache
def _token(email: str) -> str:
    """A token that is good throughout a history."""
    begins = START - timedelta(days=1)
    ends = begins + timedelta(days=365)
    return issuer.token(email=email, iat=int(begins.timestamp()), exp=int(ends.timestamp()))


class Edges:
    """What comes in over HTTP."""

    def __init__(self, history: History) -> None:
        self._history = history
        _, auth = http_settings(ENVIRONMENT)
        loop = history.loop
        secret = SchedulerSecret(auth, lambda: history.services(history.running).secrets)
        self._gate = Gate(auth, _Certificates("unused"), secret, lambda: loop.now.timestamp())  # noqa: PLW0108 - its time is not this one

    # HTTP

    def tick(self, moment: str, *, attempt: int = 1, forced: bool = False) -> None:
        """Cloud Scheduler's call; anything but a 2xx, and no answer in time, has it made again."""
        settled: list[bool] = []

        def again() -> None:
            if not settled and attempt < SCHEDULER_ATTEMPTS:
                self._history.seen["tick repeated"] += 1
                wait_s = min(60, SCHEDULER_BACKOFF_S * 2 ** (attempt - 1))
                self._history.loop.at(wait_s, lambda: self.tick(moment, attempt=attempt + 1, forced=forced))
            settled.append(True)

        def answered(status: int) -> None:
            if status == 202:
                settled.append(True)
                if not forced:
                    self._history.ticks.add(moment)
            else:
                again()

        headers = {
            "Authorization": f"Bearer {_token(issuer.SCHEDULER)}",
            "x-scheduler-secret": _SECRET,
            "X-CloudScheduler-JobName": "sync",
        }
        headers |= {"X-CloudScheduler-ScheduleTime": moment} if moment else {}
        self._call("POST", "/api/sync/scheduler", headers, b"", answered, again)
        self._history.loop.at(SCHEDULER_DEADLINE_S, again)

    def ask(
        self, method: str, path: str, *, body: object = None, key: str | None = None, tries: int = 1
    ) -> None:
        """A person's call; what failed on our side may be asked again, with the same key."""
        headers = {"Authorization": f"Bearer {_token(issuer.OPERATOR)}"}
        headers |= {"Idempotency-Key": key} if key is not None else {}

        def again() -> None:
            if tries > 1:
                self._history.loop.at(5, lambda: self.ask(method, path, body=body, key=key, tries=tries - 1))

        def answered(status: int) -> None:
            if status == 503:
                again()

        data = json.dumps(body).encode() if body is not None else b""
        self._call(method, path, headers, data, answered, again)

    def intrude(self, path: str) -> None:
        """Somebody who is not let in calls."""

        def answered(status: int) -> None:
            if status not in {401, 403}:
                self._history.violated(f"{path} answers {status} to a stranger")

        self._call("POST", path, {"Authorization": f"Bearer {_token('eve@example.test')}"}, b"", answered)

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        answered: Callable[[int], None],
        unanswered: Callable[[], None] | None = None,
    ) -> None:
        history = self._history
        process = history.process(f"api {method} {path}", is_function=True)
        if unanswered is not None:
            process.when_dead.append(unanswered)
        address, _, query = path.partition("?")
        environ = EnvironBuilder(
            address, query_string=query, method=method, headers=list(headers.items()), data=body
        ).get_environ()

        def run() -> None:
            api = Api(self._gate, lambda: history.services(process))
            response = api(flask.Request(environ))
            text = response.get_data()
            history.say(f"answers {response.status_code} {text[:200]!r}")
            history.seen[f"answered {response.status_code}"] += 1
            history.leaks.search("an HTTP answer", text)
            if response.status_code not in {200, 202, 401, 403, 404, 409, 503}:
                history.violated(f"{method} {path} answers {response.status_code}: {text!r}")
            self.ended(process)
            answered(response.status_code)

        history.loop.spawn(run, process)

    # The end of a process

    def stop(self, process: Process) -> None:
        """SIGTERM: whoever holds a connection hands over in time, and whoever is still there is killed."""
        history, loop = self._history, self._history.loop
        if process.is_stopping or process.has_ended:
            return
        history.seen["told to stop"] += 1
        history.say("is told to stop")
        process.stop()
        process.is_troubled = False

        def look() -> None:
            holds = (
                process.owner is not None and history.watch.holder_of(process.connection_id) == process.owner
            )
            frozen = process.thaws_at_s > loop.now_s - HAND_OVER_S
            # One whose claim was under way is killed with its lease, which ends by itself.
            had_time = loop.now_s - process.claimed_s >= HAND_OVER_S
            # Nobody can write to a state that cannot be read.
            spoilt = history.hands.was_at(process.connection_id, process.began_s)
            if holds and had_time and not (process.is_dead or process.is_troubled or frozen or spoilt):
                history.violated(f"{process.name} still holds {process.connection_id} when it has to end")

        loop.at(HAND_OVER_S, look)
        loop.at(STOP_S, process.kill)

    def ended(self, process: Process) -> None:
        """A process has done what it was started for."""
        self._history.say("ends")
        process.has_ended = True
        process.when_dead.clear()
        self._bounded(process)

    def _bounded(self, process: Process) -> None:
        history = self._history
        history.most_calls = max(history.most_calls, process.calls)
        history.most_published = max(history.most_published, process.published)
        if process.calls > MOST_CALLS or process.published > MOST_PUBLISHED:
            history.violated(f"{process.name} made {process.calls} calls and {process.published} messages")
