"""The buttons: each is a form that names an action and its fields, beside the trouble that it remedies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from orchestrator.model.cause import Blame
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.run import Run
from orchestrator.operators.acting.bulk import Which
from orchestrator.operators.health.remedies import UNEXPLAINED
from orchestrator.operators.health.status_view import CauseGroup, Situation, StatusView


class Button(NamedTuple):
    """A form with one button."""

    label: str
    #: A name of `actions.ACTS`.
    act: str
    fields: Mapping[str, str]
    #: Tells buttons of one label apart, for those who hear them.
    about: str = ""
    is_main: bool = False
    is_danger: bool = False


def which_fields(which: Which) -> dict[str, str]:
    """A filter as a form's fields, and as an address's parameters."""
    named = {
        "organization": which.organization_id,
        "marketplace": which.marketplace,
        "status": which.status.value if which.status is not None else None,
        "cause": which.cause,
    }
    return {name: value for name, value in named.items() if value}


def of_status(view: StatusView) -> list[Button]:
    """The remedy of the first sentence, if a button can apply it."""
    match view.situation:
        case Situation.TICKS_STOPPED:
            return [Button("Start a run now", "trigger-all", {}, is_main=True)]
        case Situation.ALL_PAUSED:
            return [Button("Resume all", "resume-all", {}, is_main=True)]
        case Situation.DEAD_LETTERS:
            return [Button("Replay dead letters", "replay", {}, is_main=True)]
        case _:
            return []


def of_group(group: CauseGroup) -> list[Button]:
    """The remedy of connections with one cause."""
    fields = group_fields(group)
    match group.blame:
        case Blame.CONNECTION:
            return [Button("Check again", "check-all", fields, about=group.title)]
        case Blame.MARKETPLACE | Blame.SYNC:
            return [Button("Try now", "trigger-all", fields, about=group.title)]
        case Blame.BACKLOG:
            return [Button("Continue now", "trigger-all", fields, about=group.title)]
        case _:
            return []


def group_fields(group: CauseGroup) -> dict[str, str]:
    """The filter that finds a group's connections; late ones without a cause have none."""
    cause = group.kind if group.kind != UNEXPLAINED else None
    return which_fields(Which(cause=cause, marketplace=group.marketplace))


def of_run(run_id: str, run: Run) -> list[Button]:
    """An open run is cancelled; the failed and skipped tasks of a closed one are retried."""
    fields = {"run_id": run_id}
    if not run.status.is_final:
        if run.cancel_requested_at is not None:
            return []
        return [Button("Cancel", "cancel", fields, is_danger=True)]
    if run.tasks.failed + run.tasks.skipped:
        return [Button("Retry failed and skipped", "retry", fields, is_main=True)]
    return []


def of_connection(connection_id: str, status: object) -> list[Button]:
    """All that a connection takes."""
    fields = {"connection_id": connection_id}
    found = [Button("Check", "check", fields)]
    if status == ConnectionStatus.ACTIVE:
        found += [
            Button("Pause", "pause", fields),
            Button("Trigger", "trigger", fields),
            Button("Trigger full", "trigger", {**fields, "full": "yes"}, is_danger=True),
        ]
    else:
        found.append(Button("Resume", "resume", fields, is_main=True))
    return found


def of_rejects(connection_id: str) -> list[Button]:
    """Reading a connection's rejected records again."""
    return [Button("Retry rejects", "retry-rejects", {"connection_id": connection_id})]


def of_reject(connection_id: str, reject_id: str) -> list[Button]:
    """Removing one that no listing takes away."""
    fields = {"connection_id": connection_id, "reject_id": reject_id}
    return [Button("Forget", "forget-reject", fields, is_danger=True)]


def of_filter(which: Which) -> list[Button]:
    """The same for all that a list shows, and for those on its further pages."""
    fields = which_fields(which)
    return [
        Button("Pause these", "pause-all", fields),
        Button("Resume these", "resume-all", fields),
        Button("Trigger these", "trigger-all", fields),
    ]
