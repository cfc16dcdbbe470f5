"""The options for a connection's fields, and the questions for those that are missing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from orchestrator.cli.sellers import ask
from orchestrator.errors import RequestError
from orchestrator.marketplaces import forms
from orchestrator.marketplaces.spec import AnyConnector
from orchestrator.model.connection import MARKETPLACES, STREAMS
from orchestrator.model.paces import INTERVALS
from orchestrator.operators.connections import Fields, connector_of
from orchestrator.operators.sellers.adding import Secret, usual_organization
from orchestrator.operators.sellers.intervals import interval_of
from orchestrator.services import Services

#: Fields of a secret that are no secrets.
_SHOWN = frozenset({"client_id"})


def add_new_options(parser: argparse.ArgumentParser) -> None:
    """The options of a new connection."""
    parser.add_argument("connection_id", metavar="ID")
    parser.add_argument("--marketplace", choices=MARKETPLACES)
    parser.add_argument("--organization", metavar="ID", help="its owner")
    parser.add_argument("--name", help="for people; default: the id")
    _add_setting(parser)
    parser.add_argument("--stream", action="append", choices=STREAMS, help="default: all; repeat it")
    parser.add_argument("--backfill-since", type=day, metavar="YYYY-MM-DD", help="default: everything")
    parser.add_argument("--store-buyer-pii", action="store_true", help="keep buyers' names and addresses")
    parser.add_argument(
        "--keep-raw", action="store_true", help="keep each record's row as the marketplace sent it"
    )
    parser.add_argument("--reconcile-hours", type=int, default=24, metavar="N", help="default: 24")
    _add_interval(parser, "tick")


def add_change_options(parser: argparse.ArgumentParser) -> None:
    """The options that change a connection."""
    yes_or_no = argparse.BooleanOptionalAction
    parser.add_argument("connection_id", metavar="ID")
    parser.add_argument("--name", help="for people")
    parser.add_argument("--organization", metavar="ID", help="its owner; only together with a credential")
    _add_setting(parser)
    parser.add_argument("--unset", action="append", default=[], metavar="NAME", help="remove a setting")
    parser.add_argument(
        "--stream", action="append", choices=STREAMS, help="the streams from now on; repeat it"
    )
    parser.add_argument(
        "--backfill-since", type=day_or_all, metavar="YYYY-MM-DD", help="or all: the whole history"
    )
    parser.add_argument("--store-buyer-pii", action=yes_or_no, help="keep buyers' names and addresses")
    parser.add_argument("--keep-raw", action=yes_or_no, help="keep each record's row")
    parser.add_argument("--reconcile-hours", type=int, metavar="N", help="hours between full listings")
    _add_interval(parser, None)


def add_secret_options(parser: argparse.ArgumentParser) -> None:
    """The options for the secret."""
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--secret-file", metavar="PATH", help="the secret's JSON, which is stored; - for standard input"
    )
    given.add_argument(
        "--credential",
        metavar="REFERENCE",
        help="a secret that is stored already: projects/P/secrets/S/versions/latest; "
        "in development also env:NAME and file:PATH",
    )
    parser.add_argument(
        "--no-check",
        action="store_true",
        help="make no call: the marketplace is down, or cannot be reached from this machine",
    )


def _add_setting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="such as shop=name.myshopify.com; a value that starts with [ is read as JSON; repeat it",
    )


def _add_interval(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--interval",
        default=default,
        metavar="MINUTES",
        help=f"it is synced once in {', '.join(map(str, INTERVALS))} minutes; "
        f"tick{' (default)' if default else ''}: at every tick",
    )


def new_fields(services: Services, options: argparse.Namespace) -> Fields:
    """The fields of a new connection; asks for those that are missing.

    Raises:
        RequestError: Some are missing, and there is nobody to ask; or the input ended.
    """
    interactive = ask.is_interactive()
    missing = [name for name in ("marketplace", "organization") if not getattr(options, name)]
    if missing and not interactive:
        raise RequestError(
            f"missing: {', '.join(f'--{name}' for name in missing)}",
            action="give them, or run the command in a terminal, where it asks",
        )
    marketplace = options.marketplace or ask.text("Marketplace", choices=MARKETPLACES)
    connector = connector_of(services, marketplace)
    organization = options.organization or ask.text(
        "Organization that owns the account", default=usual_organization(services) or ""
    )
    settings = settings_of(connector, options.setting)
    if interactive:
        settings |= _ask_settings(connector, settings)
    return {
        "organization_id": organization,
        "marketplace": marketplace,
        "name": options.name or options.connection_id,
        "credential": getattr(options, "credential", None) or "",
        "settings": settings,
        "streams": options.stream,
        "backfill_since": options.backfill_since,
        "store_buyer_pii": options.store_buyer_pii,
        "keep_raw": options.keep_raw,
        "reconcile_hours": options.reconcile_hours,
        "interval_minutes": interval_of(services, options.interval),
    }


def changed_fields(services: Services, options: argparse.Namespace) -> dict[str, Any]:
    """The document's fields that the options change, settings and secret aside."""
    given = {
        "name": options.name,
        "organization_id": options.organization,
        "credential": options.credential,
        "streams": options.stream,
        "store_buyer_pii": options.store_buyer_pii,
        "keep_raw": options.keep_raw,
        "reconcile_hours": options.reconcile_hours,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    if options.interval is not None:
        fields["interval_minutes"] = interval_of(services, options.interval)
    if options.backfill_since is not None:
        fields["backfill_since"] = None if options.backfill_since == "all" else options.backfill_since
    return fields


def settings_of(connector: AnyConnector, given: Sequence[str]) -> dict[str, Any]:
    """The values of `--setting`.

    Raises:
        RequestError: One has another form than NAME=VALUE.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise RequestError(f"--setting {text!r}: write it as NAME=VALUE")
        found[name] = _value(connector, name, value)
    return found


def new_secret(options: argparse.Namespace, connector: AnyConnector) -> Secret:
    """The secret of a new connection: from its file, stored already, or asked for.

    Raises:
        RequestError: It is not given, and there is nobody to ask; or the input ended.
    """
    if options.secret_file is not None:
        return secret(options, ask.secret_file(options.secret_file))
    if options.credential:
        return secret(options, None)
    if not ask.is_interactive():
        raise RequestError(
            "missing: --secret-file or --credential",
            action="give one, or run the command in a terminal, where it asks",
        )
    ask.say(f"The credential: {' > '.join(connector.access.menu_path)}.")
    return secret(options, ask_secret(connector))


def secret(options: argparse.Namespace, content: str | None) -> Secret:
    """A secret; a person at the terminal is asked whether its account is the right one."""
    asks = ask.is_interactive() and options.output == "table"

    def agrees(account: str) -> bool:
        ask.say(f"The marketplace answers: {account}")
        return ask.agrees("Is this the account")

    return Secret(content, check=not options.no_check, agrees=agrees if asks else lambda _: True)


def ask_secret(connector: AnyConnector, *names: str) -> str:
    """Ask for the fields of a secret, or for some of them; returns its JSON."""
    found = {}
    for each in forms.entries(connector.credential):
        if each.kind is not str or (names and each.name not in names):
            continue
        required = each.required or bool(names)
        question = f"{each.name}: {each.description}{'' if required else ' Enter leaves it out'}"
        asked = ask.text if each.name in _SHOWN else ask.hidden
        if given := asked(question, required=required):
            found[each.name] = given
    return msgspec.json.encode(found).decode()


def _ask_settings(connector: AnyConnector, given: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for each in forms.entries(connector.settings):
        if each.required and each.name not in given:
            answer = ask.text(f"{each.name}: {each.description}", choices=each.choices)
            found[each.name] = _value(connector, each.name, answer)
    return found


def _value(connector: AnyConnector, name: str, text: str) -> Any:
    try:
        return forms.value(connector.settings, name, text)
    except ValueError as error:
        raise RequestError(f"--setting {error}") from error


def day(text: str) -> datetime:
    """A day as people write it."""
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def day_or_all(text: str) -> datetime | str:
    """A day, or the word for the whole history."""
    return text if text == "all" else day(text)
