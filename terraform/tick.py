"""Sends a deployed environment one real tick, and waits for its run: the end of `make deploy`.

`python -m terraform.tick terraform/environments/dev` needs `terraform` and `gcloud` on the PATH, and
application default credentials (`gcloud auth application-default login`) that may read the database.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence

from orchestrator import wiring
from orchestrator.cli.follow import follow
from orchestrator.cli.output import console
from orchestrator.cli.run_report import print_run
from orchestrator.errors import SyncError
from orchestrator.model.run import RunStatus
from orchestrator.operators import run_views
from orchestrator.services import Services
from orchestrator.settings import Settings

#: Seconds until the run must appear. Cloud Scheduler sends a forced run within seconds, but the function may
#: have to start first.
APPEAR_S = 180.0
_POLL_S = 2.0
_LOOK = 20
_COMMAND_S = 120.0


class TickFailed(Exception):
    """The tick did not become a run; the message names the places to look at."""


def main(arguments: Sequence[str]) -> int:
    """Send the tick to the environment in a folder; returns 0 if its run succeeded."""
    (folder,) = arguments
    try:
        outputs = json.loads(
            _run([os.environ.get("TERRAFORM", "terraform"), f"-chdir={folder}", "output", "-json"])
        )
        settings = Settings.from_environment(_exported(outputs["command_line_environment"]["value"]))
        services = wiring.build(settings, delivers=False)
        run_id = send(services, outputs["scheduler"]["value"], outputs["project_id"]["value"])
        screen = console()
        view = follow(services.store, services.clock, run_id, screen)
    except (TickFailed, SyncError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print_run(screen, view)
    return 0 if view.run["status"] == RunStatus.SUCCEEDED else 1


def send(services: Services, scheduler: Mapping[str, str], project: str) -> str:
    """Have Cloud Scheduler run its job now; returns the id of the resulting run.

    Args:
        services: The ports of the deployed environment.
        scheduler: The `job` and its `region`.
        project: The job's project.

    Raises:
        TickFailed: gcloud refused, or no run appeared within `APPEAR_S` seconds.
        StoreUnavailable: The database cannot be read.
    """
    known = _run_ids(services)
    job, region = scheduler["job"], scheduler["region"]
    _run(
        ["gcloud", "scheduler", "jobs", "run", job, f"--location={region}", f"--project={project}", "--quiet"]
    )
    give_up_at = services.clock.monotonic() + APPEAR_S
    while services.clock.monotonic() < give_up_at:
        new = [run_id for run_id in _run_ids(services) if run_id not in known]
        if new:
            return new[0]
        services.clock.sleep(_POLL_S)
    where = f"{job} --location={region} --project={project}"
    raise TickFailed(
        f"job {job} was run, and no run appeared in {APPEAR_S:.0f} s; look at "
        f"`gcloud scheduler jobs describe {where}` and at the log of the HTTP function"
    )


def _run_ids(services: Services) -> list[str]:
    """The latest scheduled runs, newest first."""
    page = run_views.list_runs(services.store, limit=_LOOK)
    return [run["run_id"] for run in page.runs if run["trigger"] == "scheduler"]


def _exported(lines: str) -> dict[str, str]:
    """The environment that export lines define."""
    words = [shlex.split(line)[1] for line in lines.splitlines()]
    return dict(word.split("=", 1) for word in words)


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TickFailed(f"{shlex.join(command)}: {error}") from error
    if done.returncode:
        raise TickFailed(f"{shlex.join(command)}: {done.stderr.strip()[-400:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
