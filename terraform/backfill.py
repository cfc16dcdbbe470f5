"""Proves the lane of continuations: its worker has to answer a message of its own topic.

A tick publishes to the first lane only, and a continuation takes a connection with many records. So the proof
publishes a message that each worker understands: a check, of a connection that cannot exist. The worker
writes "not found" into the document of that question, and writes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from orchestrator.errors import StoreError
from orchestrator.model import ids
from orchestrator.model.audit import Face
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.messages import Message
from orchestrator.model.vault import CheckRequest
from orchestrator.ports import Create, Delete, TaskQueue
from orchestrator.services import Services
from orchestrator.vault.trial import ASKED
from terraform import doctor
from terraform.cloud import Cloud, DeploymentFailed, Outputs
from terraform.waiting import Wait, until_permitted

#: No connection's id begins so.
_NOBODY = "_deployment"
#: A worker answers no older question, so another one is asked before that.
_AGAIN_S = ASKED.total_seconds() - 15
#: The store deletes a question that this process could not delete.
_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked through the lane, and whether its worker has answered.

    Args:
        cloud: Tells why no answer comes.
        services: The environment's ports.
        lane: The queue of continuations.
        outputs: Terraform's outputs.
        say: Shows a line.
    """

    cloud: Cloud
    services: Services
    lane: TaskQueue
    outputs: Outputs
    say: Callable[[str], None]
    _paths: list[str] = field(default_factory=list)

    def wait(self, permitted: Callable[[], Wait], wait: Wait) -> None:
        """Wait for the first answer.

        Args:
            permitted: Begins a wait for a permission that may be missing.
            wait: The wait for the worker.

        Raises:
            DeploymentFailed: No worker answers.
            SyncError: The topic or the database refuses this process.
        """
        since, ask_at = self.services.clock.now(), 0.0
        try:
            while True:
                if wait.waited_s >= ask_at:
                    ask_at = wait.waited_s + _AGAIN_S
                    message = until_permitted(permitted(), self._question)
                    until_permitted(permitted(), partial(self.lane.publish, [message]))
                if self._is_answered():
                    return
                if wait.line_due():
                    lane = self.outputs.backfill
                    self.say(doctor.waiting_for_worker(self.cloud, self.outputs, lane, since, wait.waited_s))
                if not wait.again():
                    told = doctor.no_worker(
                        self.cloud, self.outputs, self.outputs.backfill, since, wait.limit_s
                    )
                    raise DeploymentFailed(f"the lane of continuations: {told}")
        finally:
            with suppress(StoreError):
                self.services.store.commit([Delete(path) for path in self._paths])

    def _question(self) -> Message:
        """Store a question; returns the message that asks it."""
        now = self.services.time()
        check_id = ids.ulid(now, self.services.random)
        question = CheckRequest(
            connection_id=_NOBODY,
            requested_by="the proof of a deployment",
            face=Face.COMMAND_LINE,
            requested_at=now,
            expires_at=now + _KEPT,
        )
        self.services.store.commit([Create(ids.check_path(check_id), to_document(question))])
        self._paths.append(ids.check_path(check_id))
        return Message(kind="check", connection_id=_NOBODY, check_id=check_id)

    def _is_answered(self) -> bool:
        found = [each for each in self.services.store.get_many(self._paths) if each is not None]
        return any(from_document(CheckRequest, each.data).answered_at is not None for each in found)
