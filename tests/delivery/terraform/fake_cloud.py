"""A deployed environment for tests of its proof: the product's own code, a virtual clock, and faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from orchestrator.operators import run_views
from terraform import tick
from terraform.cloud import CommandFailed
from tests.support.queues import ListQueue
from tests.support.world import ENVIRONMENT, World

FOLDER = "terraform/environments/dev"
URL = "https://sync-api-123.europe-north1.run.app"
OPERATOR = "sync-op-jane@a-project.iam.gserviceaccount.com"


def _nothing() -> None:
    """No hook."""


class FakeCloud:
    """Terraform, gcloud and the HTTP function over one world; the worker works while somebody sleeps.

    Args:
        folder: Of the world's store.
    """

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.world.clock.meanwhile = self._meanwhile
        self.outputs: dict[str, object] = {
            "command_line_environment": "\n".join(f"export {k}='{v}'" for k, v in ENVIRONMENT.items()),
            "operators": {"jane": OPERATOR},
            "project_id": "a-project",
            "scheduler": {"job": "sync-tick", "region": "europe-west1"},
            "url": URL,
        }
        self.commands: list[list[str]] = []
        #: Errors of gcloud's next calls, by the command's first words.
        self.refusals: dict[str, list[str]] = {}
        #: google.rpc.Code of the scheduler's next attempts: they come to no run.
        self.attempts: list[int] = []
        #: The worker's request log, and that of the worker of continuations.
        self.log: list[int] = []
        self.backfill_log: list[int] = []
        self.worker_lives = True
        #: The lane of continuations; None for a deployment without one.
        self.backfill: ListQueue | None = ListQueue()
        self.backfill_lives = True
        #: The status interface's next answers; then it answers as it should.
        self.answers: list[tuple[int, bytes]] = []
        self.at_sleep: Callable[[], None] = _nothing
        self._attempt: dict[str, object] = {}

    def prove(self) -> int:
        """The end of `make deploy`."""
        return tick.prove(self, FOLDER, build=lambda _: self.world.services, lane=lambda _: self.backfill)

    def run(self, command: Sequence[str]) -> str:
        """Answer a command."""
        self.commands.append(list(command))
        words = " ".join(command)
        for begin, errors in self.refusals.items():
            if words.startswith(begin) and errors:
                raise CommandFailed(f"{words}: {errors.pop(0)}")
        match command:
            case [_, folder, "output", "-json"]:  # TERRAFORM names the program
                assert folder == f"-chdir={FOLDER}"
                return json.dumps({name: {"value": value} for name, value in self.outputs.items()})
            case ["gcloud", "scheduler", "jobs", "run", "sync-tick", *options]:
                assert options == ["--location=europe-west1", "--project=a-project", "--quiet"]
                return self._run_job()
            case ["gcloud", "scheduler", "jobs", "describe", "sync-tick", *_]:
                return json.dumps(self._attempt)
            case ["gcloud", "logging", "read", wanted, *_]:
                log = self.backfill_log if 'service_name="sync-backfill"' in wanted else self.log
                assert log is self.backfill_log or 'service_name="sync-worker"' in wanted
                return json.dumps([{"httpRequest": {"status": status}} for status in log])
            case ["gcloud", "auth", "print-identity-token", account, audience, "--include-email"]:
                assert (account, audience) == (
                    f"--impersonate-service-account={OPERATOR}",
                    f"--audiences={URL}",
                )
                return "a-token\n"
        raise AssertionError(words)

    def get(self, url: str, token: str) -> tuple[int, bytes]:
        """Answer as the HTTP function does."""
        assert token == "a-token"
        if self.answers:
            return self.answers.pop(0)
        begin, _, run_id = url.rpartition("/")
        assert begin == f"{URL}/api/sync/runs"
        return 200, msgspec.json.encode(run_views.show_run(self.world.store, run_id))

    def times(self, *words: str) -> int:
        """How often a command that begins with these words was run."""
        return sum(command[: len(words)] == list(words) for command in self.commands)

    def _run_job(self) -> str:
        code = self.attempts.pop(0) if self.attempts else 0
        time = self.world.clock.now().isoformat()
        self._attempt = {"lastAttemptTime": time, "status": {"code": code} if code else {}}
        if not code:
            self.world.start(self.world.clock.now() + timedelta(minutes=10))
        return ""

    def _meanwhile(self) -> None:
        self.at_sleep()
        if self.worker_lives:
            self.world.drain()
        while self.backfill is not None and self.backfill_lives and self.backfill.messages:
            self.world.deliver(self.backfill.messages.pop(0))
