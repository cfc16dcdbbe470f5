"""How the embedded queue's messages reach the worker.

A row is claimed for a short time, which its process keeps extending while the worker has the
message; when the process dies, another one claims the row soon after. Pub/Sub's own servers do not die
with a delivery, so the much longer ack deadline is only how long the worker may take.
"""

from __future__ import annotations

import base64
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import NamedTuple

import msgspec
import urllib3

from orchestrator.adapters.embedded.database import Database
from orchestrator.errors import QueueUnavailable
from orchestrator.timed_http import TimedPoolManager

_SUBSCRIPTION = "projects/local/subscriptions/local"
#: A message of another process is seen after this long; one of this process at once.
_POLL_S = 0.05
_CLOSE_S = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How messages are pushed; the defaults are those of the production subscription.

    Args:
        concurrency: Messages that one process delivers at once.
        ack_deadline_s: How long the worker may take to answer.
        min_backoff_s: Wait before the first redelivery; doubles with each one.
        max_backoff_s: The longest wait.
        max_attempts: After so many failed deliveries a message is dead-lettered.
        claim_s: How long after its process died a message is delivered again.
    """

    concurrency: int = 8
    ack_deadline_s: float = 600.0
    min_backoff_s: float = 10.0
    max_backoff_s: float = 600.0
    max_attempts: int = 20
    claim_s: float = 15.0

    def backoff_s(self, attempt: int) -> float:
        """The wait after this attempt (the first is 1) failed."""
        return min(self.max_backoff_s, self.min_backoff_s * 2.0 ** min(attempt - 1, 60))


class Claim(NamedTuple):
    """A message that this process may deliver for now."""

    id: int
    body: bytes
    attributes: str
    published_at: float
    attempt: int


class _Outcome(NamedTuple):
    claim: Claim
    accepted: bool


class Dispatcher:
    """One process's deliveries: a thread that owns all claims, and one for each delivery at a time."""

    def __init__(self, database: Database, worker_url: str, delivery: Delivery) -> None:
        self._database = database
        self._delivery = delivery
        self._url = worker_url
        self._pool = TimedPoolManager(
            maxsize=delivery.concurrency,
            timeout=urllib3.Timeout(connect=min(10.0, delivery.ack_deadline_s), read=delivery.ack_deadline_s),
            retries=False,
        )
        self._work: SimpleQueue[Claim | None] = SimpleQueue()
        self._outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._woken = threading.Event()
        self._stopping = threading.Event()
        #: By id and attempt: a claim that was lost may be out beside its successor.
        self._in_flight: set[tuple[int, int]] = set()
        self._extended_at = 0.0
        self._thread = threading.Thread(target=self._run, name="queue-dispatcher", daemon=True)
        self._posters = [
            threading.Thread(target=self._post_all, name=f"queue-delivery-{number}", daemon=True)
            for number in range(delivery.concurrency)
        ]

    def start(self) -> None:
        """Begin to deliver."""
        for thread in (self._thread, *self._posters):
            thread.start()

    def wake(self) -> None:
        """Look for messages now."""
        self._woken.set()

    def stop(self) -> None:
        """Claim nothing more, wait a little for what is out, and end."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(_CLOSE_S + 1.0)
        for _ in self._posters:
            self._work.put(None)
        self._pool.clear()

    def _run(self) -> None:
        stop_at: float | None = None
        while True:
            self._woken.clear()
            if self._stopping.is_set():
                stop_at = stop_at or time.monotonic() + _CLOSE_S
                if not self._in_flight or time.monotonic() > stop_at:
                    return
            try:
                self._turn(may_claim=stop_at is None)
            except QueueUnavailable as error:
                logger.warning("embedded queue: %s", error)
                self._woken.wait(1.0)
            else:
                self._woken.wait(_POLL_S)

    def _turn(self, *, may_claim: bool) -> None:
        """Settle what was answered, extend what is still out, claim what is due."""
        outcomes = []
        while not self._outcomes.empty():
            outcomes.append(self._outcomes.get())
        now = time.time()
        extends = bool(self._in_flight) and time.monotonic() - self._extended_at > self._delivery.claim_s / 3
        free = self._delivery.concurrency - len(self._in_flight) + len(outcomes) if may_claim else 0
        if not outcomes and not extends and not (free and self._is_due(now)):
            return
        try:
            with self._database.write() as connection:
                self._settle(connection, outcomes, now)
                if extends:
                    self._extend(connection, now)
                claims = self._claim(connection, free, now)
        except QueueUnavailable:
            for outcome in outcomes:  # the answers are still good when the file is back
                self._outcomes.put(outcome)
            raise
        for outcome in outcomes:
            self._in_flight.remove((outcome.claim.id, outcome.claim.attempt))
        if extends:
            self._extended_at = time.monotonic()
        for claim in claims:
            self._in_flight.add((claim.id, claim.attempt))
            self._work.put(claim)

    def _is_due(self, now: float) -> bool:
        with self._database.read() as connection:
            row = connection.execute("SELECT 1 FROM messages WHERE due_at <= ? LIMIT 1", (now,)).fetchone()
        return row is not None

    def _settle(self, connection: sqlite3.Connection, outcomes: Sequence[_Outcome], now: float) -> None:
        """Remove the accepted, put back or give up the others; a claim that was lost counts for nothing."""
        for claim, accepted in outcomes:
            mine = (claim.id, claim.attempt)
            if accepted:
                connection.execute("DELETE FROM messages WHERE id = ? AND attempts = ?", mine)
            elif claim.attempt >= self._delivery.max_attempts:
                self._bury(connection, claim, now)
            else:
                due_at = now + self._delivery.backoff_s(claim.attempt) * random.uniform(1.0, 1.1)  # noqa: S311 - jitter
                connection.execute(
                    "UPDATE messages SET claimed = 0, due_at = ? WHERE id = ? AND attempts = ?",
                    (due_at, *mine),
                )

    def _extend(self, connection: sqlite3.Connection, now: float) -> None:
        connection.executemany(
            "UPDATE messages SET due_at = ? WHERE id = ? AND attempts = ? AND claimed",
            [(now + self._delivery.claim_s, *mine) for mine in self._in_flight],
        )

    def _claim(self, connection: sqlite3.Connection, limit: int, now: float) -> list[Claim]:
        rows = connection.execute(
            "SELECT id, body, attributes, published_at, attempts + 1 FROM messages WHERE due_at <= ?"
            " ORDER BY due_at, id LIMIT ?",
            (now, limit),
        ).fetchall()
        claims = []
        for claim in map(Claim._make, rows):
            if claim.attempt > self._delivery.max_attempts:  # its processes died, again and again
                self._bury(connection, claim._replace(attempt=claim.attempt - 1), now)
                continue
            connection.execute(
                "UPDATE messages SET claimed = 1, attempts = ?, due_at = ? WHERE id = ?",
                (claim.attempt, now + self._delivery.claim_s, claim.id),
            )
            claims.append(claim)
        return claims

    def _bury(self, connection: sqlite3.Connection, claim: Claim, now: float) -> None:
        deleted = connection.execute(
            "DELETE FROM messages WHERE id = ? AND attempts = ?", (claim.id, claim.attempt)
        ).rowcount
        if deleted:
            connection.execute("INSERT INTO dead_messages VALUES (?, ?, ?, ?, ?, ?)", (*claim, now))
            logger.error("message %d: dead-lettered after %d deliveries", claim.id, claim.attempt)

    def _post_all(self) -> None:
        while (claim := self._work.get()) is not None:
            self._outcomes.put(_Outcome(claim, self._post(claim)))
            self._woken.set()

    def _post(self, claim: Claim) -> bool:
        """Give the worker one message; whether it took it."""
        try:
            answer = self._pool.request(
                "POST", self._url, body=push_envelope(claim), headers={"Content-Type": "application/json"}
            )
        except urllib3.exceptions.HTTPError as error:
            logger.warning("message %d: %s: no answer: %s", claim.id, self._url, type(error).__name__)
            return False
        if not 200 <= answer.status < 300:
            logger.warning("message %d: %s answered %d", claim.id, self._url, answer.status)
            return False
        return True


def push_envelope(claim: Claim) -> bytes:
    """The body of a Pub/Sub push request, as a wrapping push subscription sends it."""
    published_at = datetime.fromtimestamp(claim.published_at, UTC).isoformat(timespec="milliseconds")
    published_at = published_at.replace("+00:00", "Z")
    return msgspec.json.encode(
        {
            "message": {
                "data": base64.b64encode(claim.body).decode(),
                "attributes": msgspec.Raw(claim.attributes.encode()),
                "messageId": str(claim.id),
                "message_id": str(claim.id),
                "publishTime": published_at,
                "publish_time": published_at,
            },
            "subscription": _SUBSCRIPTION,
            "deliveryAttempt": claim.attempt,
        }
    )
