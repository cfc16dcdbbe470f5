"""Proves a deployed environment with one tick: the end of `make deploy`.

`python -m terraform.tick terraform/environments/dev` needs `terraform` and `gcloud` on the PATH, and
application default credentials (`gcloud auth application-default login`) that may read the database.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from orchestrator import wiring
from orchestrator.cli.output import console
from orchestrator.cli.run_report import print_run
from orchestrator.errors import SyncError
from orchestrator.model.audit import Actor, Face
from orchestrator.model.run import RunStatus
from orchestrator.operators.run_views import RunView
from orchestrator.operators.sellers import keysets
from orchestrator.ports import TaskQueue
from orchestrator.services import Services
from orchestrator.settings import Settings
from terraform.cloud import Cloud, DeploymentFailed, Tools, read_outputs
from terraform.proof import Proof
from terraform.waiting import USUAL, Patience


def main(arguments: Sequence[str]) -> int:
    """Prove the environment in a folder; returns the exit code."""
    (folder,) = arguments
    return prove(Tools(), folder)


def prove(
    cloud: Cloud,
    folder: str,
    *,
    patience: Patience = USUAL,
    build: Callable[[Settings], Services] = lambda settings: wiring.build(settings, delivers=False),
    lane: Callable[[Settings], TaskQueue | None] = wiring.backfill_lane,
) -> int:
    """Prove the environment in a folder, and print each step.

    Args:
        cloud: Terraform, gcloud and the HTTP function.
        folder: The environment's folder.
        patience: The bounds of the waits.
        build: Makes the ports of the environment.
        lane: Makes its queue of continuations.

    Returns:
        The exit code: 0 if every part works, 1 if one does not answer or no connection could be synced.
    """
    screen = console()
    try:
        outputs = read_outputs(cloud, folder)
        settings = outputs.settings
        services = build(settings)
        view = Proof(cloud, services, outputs, lane(settings), screen, patience).prove()
        _make_keyset(services, screen)
    except (DeploymentFailed, SyncError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return _end(screen, view)


def _make_keyset(services: Services, screen: Console) -> None:
    """Have the worker, which answers by now, make the vault's keyset at the first deployment.

    Raises:
        SyncError: It could not be made.
    """
    if services.vault is None:
        return
    _, is_new = keysets.init(services, by=Actor(wiring.caller(services.settings), Face.COMMAND_LINE))
    if is_new:
        screen.print("The worker has made the keyset of the vault, for the sellers' credentials.")


def _end(screen: Console, view: RunView) -> int:
    """Print the run and the outcome; returns the exit code."""
    status = RunStatus(view.run["status"])
    if status is RunStatus.SUCCEEDED and view.run["tasks"]["total"] == 0:
        if view.run["dispatch"]:
            screen.print("Deployed. No connection was due.")
        else:
            screen.print("Deployed. The run synced nothing: there is no active connection.")
            screen.print("Add one: docs/deploy.md, step 4.")
        return 0
    print_run(screen, view)
    screen.print()
    match status:
        case RunStatus.FAILED:
            message = "every part answers, and no connection could be synced; the tasks above say why"
            print(f"error: {message}", file=sys.stderr)
            return 1
        case RunStatus.PARTIAL:
            screen.print("Deployed. Some connections could not be synced; the tasks above say why.")
        case RunStatus.CANCELLED:
            screen.print("Deployed. Somebody cancelled the run.")
        case _:
            screen.print("Deployed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
