"""`make deploy ENV=dev DRY=1`: the whole way of a deployment, without Terraform and without Google Cloud.

The local stack's functions stand in for the deployed ones, an empty store for the new database, and this
module for Terraform and gcloud. All else is what a real deployment runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from local import ports
from local.folder import Folder
from local.google.issuer import Issuer
from local.google.scheduler import RetryConfig, Scheduler, TickFailed
from local.processes import Processes, StackFailed
from local.stack import OPERATOR, PROJECT, inherited, scheduler_of, start_functions, variables_of
from terraform import tick
from terraform.cloud import CommandFailed, Tools
from terraform.waiting import Patience

JOB = "sync-tick"
_FOLDER = Path(".local/dry")
#: Nothing here waits for a permission; only a busy machine needs long.
PATIENCE = Patience(permission_s=120, worker_s=120, poll_s=0.1, line_s=10)
#: The functions are ready before the tick is sent, so a message is delivered at once.
STOPPED = replace(PATIENCE, worker_s=3, line_s=1)


@dataclass(slots=True)
class StandIn(Tools):
    """Terraform and gcloud for functions on this machine; the HTTP function is called as it is.

    Args:
        variables: The functions' environment.
        scheduler: Delivers a tick.
        issuer: Signs tokens.
    """

    variables: dict[str, str]
    scheduler: Scheduler
    issuer: Issuer
    #: The last attempt of the scheduler's job, as gcloud prints it.
    _attempt: dict[str, object] = field(default_factory=dict)

    def run(self, command: Sequence[str]) -> str:
        """Answer a command.

        Raises:
            CommandFailed: The command is none that a deployment runs.
        """
        match command:
            case [_, _, "output", "-json"]:
                return msgspec.json.encode(self._outputs()).decode()
            case ["gcloud", "scheduler", "jobs", "run", name, *_] if name == JOB:
                return self._run_job()
            case ["gcloud", "scheduler", "jobs", "describe", name, *_] if name == JOB:
                return msgspec.json.encode(self._attempt).decode()
            case ["gcloud", "logging", "read", wanted, *_]:
                return self._worker_log(wanted)
            case ["gcloud", "auth", "print-identity-token", account, audience, *_]:
                email, url = account.partition("=")[2], audience.partition("=")[2]
                return self.issuer.mint(email=email, audience=url)
            case _:
                raise CommandFailed(f"{' '.join(command)}: no such command on the local stack")

    def _outputs(self) -> dict[str, dict[str, object]]:
        exports = [f"export {name}='{value}'" for name, value in self.variables.items()]
        outputs: dict[str, object] = {
            "command_line_environment": "\n".join(exports),
            "operators": {"me": OPERATOR},
            "project_id": PROJECT,
            "scheduler": {"job": JOB, "region": "local"},
            "url": self.variables["SCHEDULER_AUDIENCE"],
        }
        return {name: {"value": value} for name, value in outputs.items()}

    def _worker_log(self, wanted: str) -> str:
        """The answers of a worker's service: Cloud Run's front end answers for a worker that is away."""
        queue = "SYNC_QUEUE_BACKFILL" if "sync-backfill" in wanted else "SYNC_QUEUE"
        url = self.variables[queue].partition(":")[2]
        status, _ = self.get(url, "")
        return msgspec.json.encode([{"httpRequest": {"status": 200 if status else 503}}]).decode()

    def _run_job(self) -> str:
        """Deliver a tick; as Cloud Scheduler does it, a forced one carries the next tick's time."""
        now = datetime.now(UTC)
        self._attempt = {"lastAttemptTime": now.isoformat(), "status": {}}
        try:
            self.scheduler.deliver(now + timedelta(minutes=15))
        except TickFailed:
            self._attempt["status"] = {"code": 14}
        return ""


@contextmanager
def standing_in(folder: Folder, *, worker: bool) -> Iterator[StandIn]:
    """Start the functions with an empty store; end them with the block.

    Args:
        folder: Their state and logs.
        worker: Whether to start the workers.

    Raises:
        StackFailed: A process did not start, or another dry run uses the folder.
    """
    with (
        folder.lock(),
        ports.claimed(folder.path / "ports.json", ports.preferred(())) as taken,
        Processes(folder.logs) as processes,
    ):
        folder.reset()
        variables = variables_of(folder, taken["sync_api"], taken["sync_worker"], taken["issuer"])
        variables["SYNC_QUEUE_BACKFILL"] = f"local:http://127.0.0.1:{taken[ports.BACKFILL_WORKER]}"
        start_functions(processes, inherited() | variables, taken, folder, worker=worker)
        scheduler = scheduler_of(folder, variables, JOB)
        scheduler = replace(scheduler, retry=RetryConfig(retry_count=0))
        yield StandIn(variables, scheduler, Issuer.open(folder.issuer))


def main(arguments: Sequence[str]) -> int:
    """Show a deployment; returns the exit code that the real one would have."""
    parser = argparse.ArgumentParser(prog="python -m terraform.dry", description=main.__doc__)
    parser.add_argument("folder", help="the environment's folder")
    parser.add_argument("--worker", choices=("running", "stopped"), default="running")
    parser.add_argument("--state", type=Path, default=_FOLDER, help="folder of the functions' state and logs")
    options = parser.parse_args(arguments)
    running = options.worker == "running"
    stopped = "" if running else ", with its workers stopped"
    print(f"The local stack stands in for Google Cloud{stopped}; logs in {options.state}/logs/")
    try:
        with standing_in(Folder(options.state.resolve()), worker=running) as cloud:
            return tick.prove(cloud, options.folder, patience=PATIENCE if running else STOPPED)
    except StackFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
