"""One message in, one of seven use cases."""

from __future__ import annotations

from orchestrator.errors import StoreUnavailable
from orchestrator.model.messages import Message
from orchestrator.runs.dispatch import dispatch
from orchestrator.runs.heal import heal
from orchestrator.services import Services
from orchestrator.sync.slice import run_task
from orchestrator.tasks.sweep import cancel_shards, sweep_shards
from orchestrator.vault.keys import work_on_keys
from orchestrator.vault.trial import answer_check


def handle(services: Services, message: Message) -> None:
    """Handle one delivery of a message; returning acknowledges it.

    Raises:
        SyncError: Our own side failed; the message has to be redelivered.
    """
    if services.stopping():
        raise StoreUnavailable("this process has to end; the message is redelivered to another one")
    match message.kind:
        case "dispatch":
            dispatch(services, message)
        case "task":
            run_task(services, message)
        case "sweep":
            sweep_shards(services, message)
        case "cancel":
            cancel_shards(services, message)
        case "heal":
            heal(services, message.run_id)
        case "check":
            answer_check(services, message)
        case "vault":
            work_on_keys(services)
