"""Proves that a deployed environment works: a tick goes all its way, and each part on it is seen to answer.

| part | seen by |
| --- | --- |
| Cloud Scheduler, the HTTP function | the tick's run is recorded |
| the queue, the push, the worker | the worker's own write: a dispatch that moved, or a heal |
| the same of continuations | the worker's answer to a question (`terraform/backfill.py`) |
| the run | it is closed |
| the status interface | it lists the run, for an operator that the caller may act as |

A tick whose run has no connection sends a `heal` message through the queue. So this proof needs no
connection, adds no kind of message, and costs other ticks nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import msgspec
from rich.console import Console

from orchestrator.cli.follow import follow
from orchestrator.model import ids
from orchestrator.model.documents import from_document, read_or_none
from orchestrator.model.healing import APART, HEALING_PATH, Healing
from orchestrator.model.run import Run, RunStatus
from orchestrator.operators import run_views
from orchestrator.operators.run_views import RunView
from orchestrator.ports import TaskQueue
from orchestrator.services import Services
from terraform import doctor
from terraform.backfill import Questions
from terraform.cloud import Cloud, CommandFailed, DeploymentFailed, Outputs
from terraform.waiting import ARRIVING, USUAL, Patience, Wait, until_permitted

_LOOK = 20
#: Seconds until another tick is sent: a heal does nothing within a minute of the last one.
_RESEND_S = APART.total_seconds() + 15


@dataclass(frozen=True, slots=True)
class _Before:
    """The state before the tick."""

    run_ids: frozenset[str]
    #: The number of the last heal's record.
    heal: int
    #: The scheduler's last attempt.
    attempt: doctor.Attempt


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof of one environment.

    Args:
        cloud: Terraform, gcloud and the HTTP function.
        services: The environment's ports.
        outputs: Terraform's outputs.
        backfill: The queue of continuations; None if there is one lane.
        screen: Shows each line.
        patience: The bounds of the waits.
    """

    cloud: Cloud
    services: Services
    outputs: Outputs
    backfill: TaskQueue | None
    screen: Console
    patience: Patience = USUAL

    def prove(self) -> RunView:
        """Send a tick, and follow it to its end; returns the closed run.

        Raises:
            DeploymentFailed: A part does not answer, or the run is not closed at its deadline.
            SyncError: The database refuses this process.
        """
        job = self.outputs.scheduler
        before = until_permitted(self._wait(), self._before)
        self.screen.print(f"Sending a tick: Cloud Scheduler runs its job {job.job} now.")
        run_id = self._accepted(before)
        run = self._read(run_id)
        self.screen.print(f"The HTTP function answers: it recorded run {run_id}, {_size(run)}.")
        self._worker_answers(run_id, before)
        self.screen.print("The worker answers, through the queue and its push.")
        self._backfill_answers()
        view = self._closed(run_id, run.deadline_at)
        self._status_answers(run_id)
        return view

    def _before(self) -> _Before:
        attempt = doctor.last_attempt(self.cloud, self.outputs)
        return _Before(frozenset(self._scheduled()), self._heal(), attempt)

    def _scheduled(self) -> list[str]:
        """The latest scheduled runs, newest first."""
        page = run_views.list_runs(self.services.store, limit=_LOOK)
        return [run["run_id"] for run in page.runs if run["trigger"] == "scheduler"]

    def _heal(self) -> int:
        """The number of the last heal that came to its end."""
        record = read_or_none(Healing, self.services.store.get(HEALING_PATH))
        return record.seq if record is not None and record.done else 0

    def _read(self, run_id: str) -> Run:
        snapshot = self.services.store.get(ids.run_path(run_id))
        if snapshot is None:
            raise DeploymentFailed(f"run {run_id} vanished")
        return from_document(Run, snapshot.data)

    def _send(self) -> None:
        job, project = self.outputs.scheduler, self.outputs.project_id
        command = ["gcloud", "scheduler", "jobs", "run", job.job]
        self.cloud.run([*command, f"--location={job.region}", f"--project={project}", "--quiet"])

    def _accepted(self, before: _Before) -> str:
        """Send the tick; returns its run's id."""
        wait = self._wait()
        until_permitted(wait, self._send)
        seen = before.attempt
        while True:
            new = [run_id for run_id in self._scheduled() if run_id not in before.run_ids]
            if new:
                return new[0]
            if wait.line_due():
                attempt = doctor.last_attempt(self.cloud, self.outputs)
                if attempt != seen and attempt.is_refusal:
                    self.screen.print(f"The tick was refused ({attempt}); sending it again: {ARRIVING}.")
                    self._send()
                else:
                    self.screen.print(f"Waiting for the HTTP function to record the run ({attempt}).")
                seen = attempt
            if not wait.again():
                raise DeploymentFailed(doctor.no_run(self.cloud, self.outputs, wait.limit_s))

    def _worker_answers(self, run_id: str, before: _Before) -> None:
        """Wait for the worker's first sign of life."""
        run, lane = self._read(run_id), self.outputs.first
        left = (run.deadline_at - self.services.clock.now()).total_seconds()
        wait = self._wait(min(self.patience.worker_s, max(0.0, left)))
        resend_at = _RESEND_S
        while not _has_moved(run) and self._heal() <= before.heal:
            if not run.dispatch and wait.waited_s > resend_at:
                # The last heal may have been another tick's, less than a minute ago.
                resend_at += _RESEND_S
                self._send()
            if wait.line_due():
                self.screen.print(
                    doctor.waiting_for_worker(self.cloud, self.outputs, lane, run.started_at, wait.waited_s)
                )
            if not wait.again():
                told = doctor.no_worker(self.cloud, self.outputs, lane, run.started_at, wait.limit_s)
                raise DeploymentFailed(f"run {run_id}: {told}")
            run = self._read(run_id)

    def _backfill_answers(self) -> None:
        """Wait for the worker of the continuations: a run with a large account could not end without it."""
        if self.backfill is None:
            return
        questions = Questions(self.cloud, self.services, self.backfill, self.outputs, self._say)
        questions.wait(self._wait, self._wait(self.patience.worker_s))
        self.screen.print("The worker of continuations answers, through its own queue and push.")

    def _closed(self, run_id: str, deadline_at: datetime) -> RunView:
        """Follow the run until it is closed."""
        store, clock = self.services.store, self.services.clock

        def look(_: RunView) -> None:
            if clock.now() > deadline_at:
                raise DeploymentFailed(
                    f"run {run_id} is open after its deadline; the next ticks close it. "
                    f"Look at: marketplace-sync runs show {run_id}"
                )

        return follow(store, clock, run_id, self.screen, poll_s=self.patience.poll_s, look=look)

    def _status_answers(self, run_id: str) -> None:
        """Ask the status interface as an operator, if the caller may act as one."""
        for account in self.outputs.operators.values():
            url = self.outputs.url
            command = ["gcloud", "auth", "print-identity-token", f"--impersonate-service-account={account}"]
            try:
                token = self.cloud.run([*command, f"--audiences={url}", "--include-email"]).strip()
            except CommandFailed:
                continue
            self._ask_status(run_id, token, account)
            return
        why = "you may act as none of its operators" if self.outputs.operators else "it has no operators"
        self.screen.print(f"The status interface was not asked: {why}.")

    def _ask_status(self, run_id: str, token: str, account: str) -> None:
        wait = self._wait()
        url = f"{self.outputs.url}/api/sync/runs/{run_id}"
        while True:
            status, body = self.cloud.get(url, token)
            if status == HTTPStatus.OK:
                break
            if status not in doctor.ARRIVING_STATUSES or not wait.again():
                raise DeploymentFailed(doctor.no_status(self.outputs, url, account, status, body))
            if wait.line_due():
                self.screen.print(f"The status interface refuses {account} ({status}); {ARRIVING}.")
        found = msgspec.json.decode(body)["run"]
        if found.get("run_id") != run_id or not RunStatus(found["status"]).is_final:
            raise DeploymentFailed(f"{url} tells of another run: {found.get('run_id')}")
        self.screen.print(f"The status interface answers {account}.")

    def _wait(self, limit_s: float | None = None) -> Wait:
        limit_s = self.patience.permission_s if limit_s is None else limit_s
        return Wait(self.services.clock, self._say, self.patience, limit_s)

    @property
    def _say(self) -> Callable[[str], None]:
        return self.screen.print


def _size(run: Run) -> str:
    count = run.tasks.total
    if not run.dispatch:
        return "which has no connections"
    return f"which has {count:,} connection{'' if count == 1 else 's'}"


def _has_moved(run: Run) -> bool:
    """Whether the worker has changed the run: only the worker expands it and closes it."""
    shares = run.dispatch.values()
    if not shares:
        return False
    return run.status is not RunStatus.DISPATCHING or any(each.n or each.done for each in shares)
