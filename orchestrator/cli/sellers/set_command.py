"""`marketplace-sync connections set`."""

from __future__ import annotations

import argparse

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.sellers import ask, fields
from orchestrator.cli.tables import safe
from orchestrator.operators import connections
from orchestrator.operators.sellers import changing
from orchestrator.operators.sellers.adding import Secret
from orchestrator.operators.sellers.changing import Changes
from orchestrator.services import Services


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "set",
        _set,
        "change a connection's fields, settings or secret",
        'marketplace-sync connections set my-shop --name "My new shop" --reconcile-hours 48',
        "marketplace-sync connections set my-shop --interval 1440",
        "marketplace-sync connections set my-shop --credential env:SHOP_SECRET --no-check",
        note="A new credential and new settings are tried first: nothing is stored if they are refused. "
        "The next tick tries the connection, also if its credential was refused before.",
    )
    fields.add_change_options(parser)
    fields.add_secret_options(parser)


def _set(services: Services, options: argparse.Namespace) -> Answer:
    name = options.connection_id
    content = ask.secret_file(options.secret_file) if options.secret_file is not None else None
    settings = {}
    if options.setting:
        marketplace = connections.show(services, name).document.get("marketplace")
        connector = connections.connector_of(services, str(marketplace))
        settings = fields.settings_of(connector, options.setting)
    changes = Changes(fields.changed_fields(services, options), settings, options.unset)
    return changed(services, name, changes, fields.secret(options, content))


def changed(services: Services, name: str, changes: Changes, secret: Secret) -> Answer:
    """Change it, and tell the effect."""
    done = changing.change(services, name, by=actor(services), changes=changes, secret=secret)
    lines = [f"{name}: the marketplace answers: {safe(done.account)}"] if done.account else []
    lines.append(f"{name}: changed: {safe(', '.join(done.names))}; the next tick syncs it")
    if done.is_untried:
        lines.append(
            f"{name}: not tried, since only the worker reads its credential: connections check {name}"
        )
    if done.from_the_beginning:
        lines.append(
            f"{name}: read from the beginning once more: {', '.join(done.from_the_beginning)}; records that "
            "are unchanged cost no write"
        )
    value = {
        "id": name,
        "changed": done.names,
        "account": done.account or None,
        "from_the_beginning": done.from_the_beginning,
    }
    return Answer(value, "\n".join(lines))
