"""`marketplace-sync connections pause` and `resume`: of one connection, or of all that fit a filter."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.faults import FAILED
from orchestrator.cli.sellers import ask
from orchestrator.cli.tables import safe
from orchestrator.errors import RequestError
from orchestrator.model.audit import Actor
from orchestrator.model.connection import MARKETPLACES, ConnectionStatus
from orchestrator.operators import connections, pause
from orchestrator.operators.acting import bulk
from orchestrator.operators.acting.bulk import Outcome, Which
from orchestrator.operators.connections import ConnectionView
from orchestrator.operators.health.verdict import plural
from orchestrator.services import Services

_FILTERS = ("organization", "marketplace", "cause")
#: Failed connections that are named.
_NAMED = 20
_NOTE = (
    "With a filter, or --all, it acts on all connections that fit, after a confirmation. If it is "
    "interrupted, repeat it: those that are done do not fit any more."
)


def add_parsers(commands: Commands, summary: Callable[[ConnectionView], Any]) -> None:
    """Describe the commands.

    Args:
        commands: The commands of `connections`.
        summary: A connection as a program is told it.
    """

    def one(services: Services, options: argparse.Namespace, told: str) -> Answer:
        name = options.connection_id
        return Answer(lambda: summary(connections.show(services, name)), f"{name}: {told}")

    def pause_(services: Services, options: argparse.Namespace) -> Answer:
        if _is_one(options):
            pause.pause(services, options.connection_id, by=actor(services))
            return one(services, options, "paused; one that is being synced stops at its next commit")
        return _many(services, options, ConnectionStatus.ACTIVE, bulk.pause_these, ("pause", "paused"))

    def resume(services: Services, options: argparse.Namespace) -> Answer:
        if _is_one(options):
            pause.resume(services, options.connection_id, by=actor(services))
            return one(services, options, "active; the next run syncs it")
        return _many(services, options, ConnectionStatus.PAUSED, bulk.resume_these, ("resume", "resumed"))

    for name, run, text in (
        ("pause", pause_, "keep it out of runs; an open task stops at its next commit"),
        ("resume", resume, "let it take part again, from its cursors"),
    ):
        examples = (
            f"marketplace-sync connections {name} my-shop",
            f"marketplace-sync connections {name} --marketplace shopify --yes",
        )
        parser = command(commands, name, run, text, *examples, note=_NOTE)
        parser.add_argument("connection_id", metavar="ID", nargs="?", help="only this one")
        parser.add_argument("--organization", metavar="ID", help="all of this organization")
        parser.add_argument("--marketplace", choices=MARKETPLACES, help="all at this marketplace")
        parser.add_argument(
            "--cause", metavar="KIND", help="all with a cause of this kind, as `status` has it"
        )
        parser.add_argument("--all", action="store_true", help="all there are")
        parser.add_argument("--yes", action="store_true", help="do not ask for a confirmation")


def _is_one(options: argparse.Namespace) -> bool:
    """Whether an id is given.

    Raises:
        RequestError: Both an id and a filter, or neither.
    """
    filters = [name for name in _FILTERS if getattr(options, name) is not None]
    if (options.connection_id is None) is not bool(filters or options.all):
        raise RequestError(
            "give one of: a connection's ID, or a filter for many",
            action="filters are --organization, --marketplace and --cause; --all takes all connections",
        )
    if options.all and filters:
        raise RequestError("--all: takes no filter beside it", action="leave one of them out")
    return options.connection_id is not None


def _many(
    services: Services,
    options: argparse.Namespace,
    status: ConnectionStatus,
    act: Callable[..., Outcome],
    words: tuple[str, str],
) -> Answer:
    which = Which(organization_id=options.organization, marketplace=options.marketplace, cause=options.cause)
    by = actor(services)
    names = bulk.fitting(services, which, status)
    number = plural(len(names), f"{status.value} connection")
    if names and not options.yes:
        ask.confirm(f"{words[0].capitalize()} {number}: {_filter(options)}?")
    done, failed = _all(services, names, act, words[1], by)
    value = {"done": done, "failed": failed}
    if not names:
        return Answer(
            value, f"No {status.value} connection fits ({_filter(options)}): there is nothing to do."
        )
    lines = [
        f"{plural(len(done), 'connection')} {words[1]}" + (f", {len(failed):,} failed" if failed else "")
    ]
    lines += [f"{safe(name)}: {safe(why)}" for name, why in list(failed.items())[:_NAMED]]
    return Answer(value, "\n".join(lines), FAILED if failed else 0)


def _all(
    services: Services, names: list[str], act: Callable[..., Outcome], word: str, by: Actor
) -> tuple[list[str], dict[str, str]]:
    """Act on some after others; tells a person how far it is."""
    done, failed = list[str](), dict[str, str]()
    for start in range(0, len(names), bulk.MOST):
        outcome = act(services, names[start : start + bulk.MOST], by=by)
        done += outcome.done
        failed |= outcome.failed
        if len(names) > bulk.MOST:
            ask.say(f"{len(done):,} of {len(names):,} {word}")
    return done, failed


def _filter(options: argparse.Namespace) -> str:
    named = ((name, getattr(options, name)) for name in _FILTERS)
    return ", ".join(f"{name} {value}" for name, value in named if value is not None) or "all"
