"""`marketplace-sync connections add`."""

from __future__ import annotations

import argparse
from datetime import datetime

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.sellers import fields
from orchestrator.cli.tables import safe
from orchestrator.model.connection import VAULT, Connection
from orchestrator.operators import connections
from orchestrator.operators.connections import Fields
from orchestrator.operators.sellers import adding
from orchestrator.operators.sellers.adding import Secret
from orchestrator.services import Services


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "add",
        _add,
        "add a seller's account; nothing is stored before the marketplace has named it",
        "marketplace-sync connections add new-shop --marketplace shopify --organization my-company"
        " --credential env:SHOP_SECRET --setting shop=name.myshopify.com --no-check",
        note="In a terminal it asks for all that is missing; secrets are not shown while they are typed. "
        "docs/connections.md lists each marketplace's settings, secret and scopes.",
    )
    fields.add_new_options(parser)
    fields.add_secret_options(parser)


def _add(services: Services, options: argparse.Namespace) -> Answer:
    given = fields.new_fields(services, options)
    connector = connections.connector_of(services, given["marketplace"])
    return added(services, options.connection_id, given, fields.new_secret(options, connector))


def added(services: Services, name: str, given: Fields, secret: Secret) -> Answer:
    """Add it, and say what happens next."""
    connection, account = adding.add(services, name, by=actor(services), secret=secret, **given)
    due_at = adding.next_tick(services)
    value = {
        "id": name,
        "account": account or None,
        "credential": connection.credential,
        "streams": connection.streams,
        "next_tick_at": due_at,
    }
    return Answer(value, _told(name, connection, account, secret, due_at))


def place(credential: str) -> str:
    """Where a secret was stored, for people."""
    return "in the vault, encrypted" if credential == VAULT else f"as {safe(credential)}"


def _told(name: str, connection: Connection, account: str, secret: Secret, due_at: datetime | None) -> str:
    about = f" (about {due_at:%H:%M}Z)" if due_at is not None else ""
    when = f"The next tick{about} syncs it"
    return "\n".join(
        [
            f"{name}: the marketplace answers: {safe(account)}" if account else f"{name}: not checked",
            *([f"{name}: its secret is stored {place(connection.credential)}"] if secret.content else []),
            f"{name}: added, with {', '.join(connection.streams)}",
            "",
            f"{when}; the first runs read the whole history, which may take several ticks. Follow it:",
            f"  marketplace-sync connections show {name}",
            "  marketplace-sync status",
        ]
    )
