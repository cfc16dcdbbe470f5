"""Tells which part of a deployment does not answer, and where to look."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from terraform.cloud import Cloud, CommandFailed, Lane, Outputs
from terraform.waiting import ARRIVING

#: Answers of a service that does not know a new permission, or a new name, yet.
ARRIVING_STATUSES = frozenset({401, 403, 404})
#: google.rpc.Code of the same, with the status that it stands for; github.com/googleapis/googleapis,
#: google/rpc/code.proto.
_REFUSALS = {5: "404 not found", 7: "403 permission denied", 16: "401 unauthenticated"}
_FAULTS = {
    2: "no usable answer",
    3: "400 bad request",
    4: "no answer in time",
    8: "429 too many requests",
    13: "500 internal error",
    14: "503 unavailable",
}
#: The function's clock and the log's may differ.
_SKEW = timedelta(seconds=60)
_LOGGED = 20


class Attempt(msgspec.Struct, frozen=True, rename="camel"):
    """Cloud Scheduler's last attempt of a job.

    cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs: `status` is the answer to the
    last attempt.
    """

    last_attempt_time: str = ""
    status: dict[str, Any] = {}

    @property
    def _code(self) -> int:
        code = self.status.get("code", 0)
        return code if isinstance(code, int) else 0

    @property
    def is_refusal(self) -> bool:
        """Whether a permission or a name may be missing."""
        return self._code in _REFUSALS

    def __str__(self) -> str:
        """The answer, for people."""
        if not self.last_attempt_time:
            return "no attempt yet"
        if self._code <= 0:
            return "the last attempt was accepted, or is under way"
        told = _REFUSALS.get(self._code) or _FAULTS.get(self._code) or f"code {self._code}"
        return f"the last attempt's answer: {told}"


def last_attempt(cloud: Cloud, outputs: Outputs) -> Attempt:
    """The scheduler's last attempt; an empty one if it is not told."""
    command = ["gcloud", *_describe_job(outputs).split(), "--format=json"]
    try:
        return msgspec.json.decode(cloud.run(command), type=Attempt)
    except (CommandFailed, msgspec.DecodeError):
        return Attempt()


def no_run(cloud: Cloud, outputs: Outputs, waited_s: float) -> str:
    """The error if the tick came to no run."""
    return (
        f"the HTTP function recorded no run in {waited_s:.0f} s ({last_attempt(cloud, outputs)}). Look at:\n"
        f"  gcloud {_describe_job(outputs)}\n"
        f"  {_log(outputs, outputs.api)}"
    )


def waiting_for_worker(cloud: Cloud, outputs: Outputs, lane: Lane, since: datetime, waited_s: float) -> str:
    """The line while a lane's worker gives no sign."""
    answers = _answers(cloud, outputs, lane, since)
    refused = ARRIVING_STATUSES.intersection(answers or [])
    if refused:
        return f"The worker's service refuses the push ({min(refused)}); it is repeated: {ARRIVING}."
    return f"Waiting for {lane.worker} ({waited_s:.0f} s)."


def no_worker(cloud: Cloud, outputs: Outputs, lane: Lane, since: datetime, waited_s: float) -> str:
    """The error if a lane's worker gave no sign."""
    answers = _answers(cloud, outputs, lane, since)
    project = f"--project={outputs.project_id}"
    push = f"  gcloud pubsub subscriptions describe {lane.subscription} {project}"
    log = f"  {_log(outputs, lane.worker)}"
    head = f"no worker answered in {waited_s:.0f} s: "
    if answers is None:
        return f"{head}the queue, its push or the worker. Look at:\n{push}\n{log}"
    if not answers:
        return f"{head}no call reached its service; it is the queue or its push. Look at:\n{push}"
    statuses = ", ".join(map(str, sorted(set(answers))))
    if refused := ARRIVING_STATUSES.intersection(answers):
        return (
            f"{head}its service refuses the push ({', '.join(map(str, sorted(refused)))}). Look at the "
            f"push's account, and at run.invoker for it:\n{push}\n"
            f"  gcloud run services get-iam-policy {lane.worker} --region={outputs.region} {project}"
        )
    if all(200 <= status < 300 for status in answers):
        return f"{head}it takes messages ({statuses}) and writes nothing. Look at:\n{log}"
    return f"{head}the worker fails ({statuses}). Look at:\n{log}"


def no_status(outputs: Outputs, url: str, account: str, status: int, body: bytes) -> str:
    """The error if the status interface does not answer an operator."""
    told = f"{status} {body[:200].decode(errors='replace')}" if status else f"no answer ({body.decode()})"
    return f"{url} does not answer {account}: {told}. Look at:\n  {_log(outputs, outputs.api)}"


def _answers(cloud: Cloud, outputs: Outputs, lane: Lane, since: datetime) -> list[int] | None:
    """A worker's service's answers since a time, from its request log; None if that cannot be read."""
    wanted = f'{_service(lane.worker)} AND httpRequest.status>0 AND timestamp>="{since - _SKEW:%FT%TZ}"'
    command = ["gcloud", "logging", "read", wanted, f"--project={outputs.project_id}", f"--limit={_LOGGED}"]
    try:
        entries = msgspec.json.decode(cloud.run([*command, "--format=json"]), type=list[dict[str, Any]])
        return [int(entry["httpRequest"]["status"]) for entry in entries]
    except (CommandFailed, msgspec.DecodeError, LookupError, TypeError, ValueError):
        return None


def _service(name: str) -> str:
    return f'resource.type="cloud_run_revision" AND resource.labels.service_name="{name}"'


def _log(outputs: Outputs, service: str) -> str:
    return f"gcloud logging read '{_service(service)}' --project={outputs.project_id} --limit=20"


def _describe_job(outputs: Outputs) -> str:
    job = outputs.scheduler
    return f"scheduler jobs describe {job.job} --location={job.region} --project={outputs.project_id}"
