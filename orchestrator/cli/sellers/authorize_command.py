"""`marketplace-sync connections authorize`."""

from __future__ import annotations

import argparse

import msgspec

from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.sellers import add_command, ask, fields, set_command
from orchestrator.errors import RequestError, SecretError
from orchestrator.marketplaces.consent import Application, Consent
from orchestrator.marketplaces.spec import AnyConnector
from orchestrator.model.connection import VAULT, Connection, connection_from_document
from orchestrator.operators import connections
from orchestrator.operators.sellers import consenting
from orchestrator.operators.sellers.changing import Changes
from orchestrator.services import Services


class _Keys(msgspec.Struct):
    """The application's part of a secret."""

    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"_Keys({self.client_id})"


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "authorize",
        _authorize,
        "let the seller consent at eBay or Amazon; for the others: where a key is made",
        "marketplace-sync connections authorize my-shop",
        "marketplace-sync connections authorize new-shop --new --marketplace takealot",
        note="Prints the marketplace's consent address, takes the address that the browser arrives at, and "
        "stores the refresh token as the connection's secret once the marketplace has named the account. "
        "With --new it adds the connection; the options are those of `connections add`.",
    )
    fields.add_new_options(parser)
    parser.add_argument("--new", action="store_true", help="add the connection too")
    parser.add_argument(
        "--secret-file",
        metavar="PATH",
        help="JSON with the application's client_id and client_secret; - for standard input; "
        "default: those of the connection's secret, or it asks",
    )
    parser.add_argument("--runame", help="eBay: the name of the redirect address")
    parser.add_argument("--application-id", metavar="ID", help="Amazon: amzn1.sp.solution.…")
    parser.add_argument("--listed", action="store_true", help="Amazon: the Appstore lists the application")
    parser.set_defaults(no_check=False)


def _authorize(services: Services, options: argparse.Namespace) -> Answer:
    name = options.connection_id
    connection = None
    if options.new:
        marketplace = options.marketplace or (
            ask.text("Marketplace", choices=sorted(services.connectors)) if ask.is_interactive() else ""
        )
        options.marketplace = marketplace
        if not marketplace:
            raise RequestError("missing: --marketplace", action="name the marketplace of the new connection")
    else:
        connection = connection_from_document(name, connections.show(services, name).document)
        marketplace = connection.marketplace
    connector = connections.connector_of(services, marketplace)
    if connector.consent is None:
        return _steps(name, connector, is_new=options.new)
    if connection is not None:
        return _renewed(services, options, connection, connector, connector.consent)
    given = fields.new_fields(services, options)
    drafted = connections.drafted(services, name, **given)
    connections.check_is_new(services, name, drafted)
    content = _consented(services, options, drafted, connector, connector.consent)
    return add_command.added(services, name, given, fields.secret(options, content))


def _renewed(
    services: Services,
    options: argparse.Namespace,
    connection: Connection,
    connector: AnyConnector,
    consent: Consent,
) -> Answer:
    """A new consent for a connection that is there."""
    content = _consented(services, options, connection, connector, consent)
    return set_command.changed(services, options.connection_id, Changes(), fields.secret(options, content))


def _consented(
    services: Services,
    options: argparse.Namespace,
    connection: Connection,
    connector: AnyConnector,
    consent: Consent,
) -> str:
    """The secret's content after the seller's consent."""
    keys = _keys(services, options, connection, connector)
    option = "--runame" if connector.marketplace == "ebay" else "--application-id"
    registration = options.runame if option == "--runame" else options.application_id
    if not registration:
        if not ask.is_interactive():
            raise RequestError(f"missing: {option}", action=f"give the application's {consent.registration}")
        registration = ask.text(f"The application's {consent.registration}")
    application = Application(keys.client_id, keys.client_secret, registration, options.listed)
    asked = consenting.ask_for_consent(services, options.connection_id, connection, application)
    ask.say("1. Have the seller open this address, sign in and agree:")
    ask.say("")
    ask.say(f"   {asked.address}")
    ask.say("")
    ask.say("2. The browser arrives at the application's redirect address. Paste that whole address here")
    return asked.secret(ask.text("   within five minutes"))


def _keys(
    services: Services, options: argparse.Namespace, connection: Connection, connector: AnyConnector
) -> _Keys:
    """The application's credentials: from the file, the connection's present secret, or asked for."""
    if options.secret_file is not None:
        content = ask.secret_file(options.secret_file)
    else:
        content = _present(services, connection)
        if not content and not ask.is_interactive():
            raise RequestError(
                "missing: --secret-file",
                action="give JSON with client_id and client_secret",
            )
        content = content or fields.ask_secret(connector, "client_id", "client_secret")
    try:
        return msgspec.json.decode(content, type=_Keys)
    except msgspec.DecodeError:
        # Without the cause: it could quote the secret.
        raise RequestError(
            "the secret is not JSON with the texts client_id and client_secret",
            action='write {"client_id": "…", "client_secret": "…"}',
        ) from None


def _present(services: Services, connection: Connection) -> str:
    """The connection's present secret; empty if there is none that can be read."""
    if connection.credential in {"", VAULT}:
        return ""  # only the worker reads the vault
    try:
        return services.secrets.get(connection.credential)
    except SecretError:
        return ""


def _steps(name: str, connector: AnyConnector, *, is_new: bool) -> Answer:
    """Where a key is made, for a marketplace without a consent flow."""
    access = connector.access
    steps = [f"Open {step}" if number == 0 else step for number, step in enumerate(access.menu_path)]
    verb = "add" if is_new else "set"
    lines = [f"{connector.marketplace} has no consent flow; the seller makes a key:"]
    lines += [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
    if access.scopes:
        lines.append(f"Ask for these ({access.scopes_are}):")
        lines += [f"  {scope.name}: {scope.needed_for}" for scope in access.scopes]
    last = f"marketplace-sync connections {verb} {name}"
    last += f" --marketplace {connector.marketplace}" if is_new else " --secret-file -"
    lines += [access.lifetime, "Then:", f"  {last}"]
    value = {
        "id": name,
        "marketplace": connector.marketplace,
        "menu_path": access.menu_path,
        "scopes": [scope.name for scope in access.scopes],
        "lifetime": access.lifetime,
        "then": last,
    }
    return Answer(value, "\n".join(lines))
