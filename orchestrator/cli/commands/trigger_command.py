"""`marketplace-sync trigger`: starts a run as the HTTP interface's trigger does."""

from __future__ import annotations

import argparse

import msgspec

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.commands.run_commands import how_to_watch, watch
from orchestrator.cli.output import safe
from orchestrator.errors import RequestError
from orchestrator.model.connection import MARKETPLACES, STREAMS
from orchestrator.operators.health.verdict import plural
from orchestrator.runs import start
from orchestrator.services import Services


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    one = command(
        commands,
        "trigger",
        _trigger,
        "start a run now",
        "marketplace-sync trigger my-shop --stream orders",
        "marketplace-sync trigger --marketplace shopify --full",
        "marketplace-sync trigger",
        note="Without any condition it covers every active connection; conditions narrow each other.",
    )
    one.add_argument("ids", nargs="*", metavar="ID", help="only these connections")
    one.add_argument(
        "--connection", dest="more_ids", action="append", default=[], metavar="ID", help="the same; repeat it"
    )
    one.add_argument("--organization", metavar="ID", help="only this owner's connections")
    one.add_argument(
        "--marketplace", action="append", choices=MARKETPLACES, help="only its connections; repeat it"
    )
    one.add_argument("--stream", action="append", choices=STREAMS, help="only these records; repeat it")
    one.add_argument(
        "--full", action="store_true", help="read everything again from the beginning and write every record"
    )
    one.add_argument("--wait", action="store_true", help="follow the run; exit code 3 if it does not succeed")


def _trigger(services: Services, options: argparse.Namespace) -> Answer:
    wanted = {
        "connection_ids": [*options.ids, *options.more_ids] or None,
        "marketplaces": options.marketplace,
        "organization_id": options.organization,
        "streams": options.stream,
        "full": options.full,
    }
    try:
        request = msgspec.convert(wanted, start.TriggerRequest)
    except msgspec.ValidationError as error:
        raise RequestError(str(error)) from error
    started = start.start_manual(services, request, by=actor(services), idempotency_key=None)
    if options.wait and started.tasks:
        return watch(services, started.run_id, options)
    if not started.tasks:
        text = "no active connection fits, so there is nothing to do: marketplace-sync connections list"
        return Answer(started, text)
    run_id = safe(started.run_id)
    return Answer(
        started, f"run {run_id} over {plural(started.tasks, 'connection')} is started\n{how_to_watch(run_id)}"
    )
