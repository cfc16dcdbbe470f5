"""The person at the command line, for the audit."""

from __future__ import annotations

from orchestrator import wiring
from orchestrator.model.audit import Actor, Face
from orchestrator.services import Services


def actor(services: Services) -> Actor:
    """The owner of the credentials in use.

    Raises:
        StoreUnavailable: Google does not tell who they are.
    """
    return Actor(wiring.caller(services.settings), Face.COMMAND_LINE)
