"""The tools of a deployment: Terraform, gcloud and the HTTP function, each as one call.

`Cloud` is the protocol; a stand-in of it needs no account and no Terraform (`terraform/dry.py`).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
import urllib3

from orchestrator.settings import Settings

_COMMAND_S = 120.0
_REQUEST_S = 60.0
_QUOTED = 400
#: Google's words for a permission or a resource that a service does not know, or not yet.
_UNKNOWN_YET = ("PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND")
#: Cloud Run's own URL of a service (cloud.google.com/run/docs/triggering/https-request#deterministic).
_RUN_APP = re.compile(r"https://[\w-]+\.([\w-]+)\.run\.app")


class DeploymentFailed(Exception):
    """The deployment does not work; the message names the part, and the places to look at."""


class CommandFailed(DeploymentFailed):
    """A tool refused or did not answer; the message quotes it."""

    @property
    def may_pass(self) -> bool:
        """Whether the same command may succeed within minutes: a new permission takes so long to arrive."""
        return any(word in str(self) for word in _UNKNOWN_YET)


class Job(msgspec.Struct, frozen=True):
    """The Cloud Scheduler job of the ticks."""

    job: str
    region: str


class Lane(NamedTuple):
    """One lane of the queue."""

    #: Its worker's name.
    worker: str
    #: The subscription that pushes its messages to the worker.
    subscription: str


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs of an environment that this program needs."""

    command_line_environment: str
    project_id: str
    scheduler: Job
    url: str
    #: The account of each operator, by the operator's short name.
    operators: Mapping[str, str] = {}

    @property
    def settings(self) -> Settings:
        """The command line's settings for this environment."""
        words = [shlex.split(line)[1] for line in self.command_line_environment.splitlines()]
        return Settings.from_environment(dict(word.split("=", 1) for word in words))

    @property
    def api(self) -> str:
        """The HTTP function's name. All names begin as the job's does."""
        return f"{self._name}-api"

    @property
    def first(self) -> Lane:
        """The lane of first slices and short messages."""
        return Lane(f"{self._name}-worker", f"{self._name}-tasks-worker")

    @property
    def backfill(self) -> Lane:
        """The lane of continuations."""
        return Lane(f"{self._name}-backfill", f"{self._name}-tasks-backfill-worker")

    @property
    def region(self) -> str:
        """The functions' region; the scheduler's may be another one."""
        found = _RUN_APP.fullmatch(self.url)
        return found[1] if found else self.scheduler.region

    @property
    def _name(self) -> str:
        return self.scheduler.job.removesuffix("-tick")


class _Output(msgspec.Struct, frozen=True):
    value: object


class Cloud(Protocol):
    """The world outside of this program, as far as a deployment calls it."""

    def run(self, command: Sequence[str]) -> str:
        """Run a command of Terraform or gcloud; returns its output.

        Raises:
            CommandFailed: It failed.
        """

    def get(self, url: str, token: str) -> tuple[int, bytes]:
        """Call the HTTP function; returns the status, which is 0 without an answer, and the body."""


class Tools:
    """The real tools."""

    def run(self, command: Sequence[str]) -> str:
        """Run a command."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandFailed(f"{shlex.join(command)}: {error}") from error
        if done.returncode:
            raise CommandFailed(f"{shlex.join(command)}: {done.stderr.strip()[-_QUOTED:]}")
        return done.stdout

    def get(self, url: str, token: str) -> tuple[int, bytes]:
        """Call the HTTP function."""
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = urllib3.request("GET", url, headers=headers, timeout=_REQUEST_S, retries=False)
        except urllib3.exceptions.HTTPError as error:
            return 0, type(error).__name__.encode()
        return answer.status, answer.data


def read_outputs(cloud: Cloud, folder: str) -> Outputs:
    """The outputs of the environment in a folder.

    Raises:
        CommandFailed: Terraform refused.
        DeploymentFailed: An output is missing: the environment was never applied, or in part.
    """
    printed = cloud.run([os.environ.get("TERRAFORM", "terraform"), f"-chdir={folder}", "output", "-json"])
    try:
        found = msgspec.json.decode(printed, type=dict[str, _Output])
        return msgspec.convert({name: output.value for name, output in found.items()}, Outputs)
    except msgspec.DecodeError as error:
        raise DeploymentFailed(
            f"{folder} has not all its outputs ({error}); apply it to its end: make deploy"
        ) from error
