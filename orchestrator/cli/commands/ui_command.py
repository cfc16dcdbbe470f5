"""`marketplace-sync ui`: serves the page to a browser of this machine."""

from __future__ import annotations

import argparse
import sys

from orchestrator import wiring
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.errors import RequestError
from orchestrator.model.audit import Actor, Face
from orchestrator.services import Services

#: Any port that a program without rights may take.
_LEAST, _MOST = 1024, 65_535


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    one = command(
        commands,
        "ui",
        _ui,
        "serve the page in a browser: health, runs, connections, buttons",
        "marketplace-sync ui",
        note="It is served to this machine alone, and acts under your own credentials. Ctrl-C ends it.",
    )
    one.add_argument(
        "--port", type=int, default=8733, help="default: 8733; if it is taken, the next free one is used"
    )


def _ui(services: Services, options: argparse.Namespace) -> Answer:
    if not _LEAST <= options.port <= _MOST:
        raise RequestError(f"--port: it takes a number from {_LEAST:,} to {_MOST:,}")
    # No other command pays for the import.
    from orchestrator.page.server import serve  # noqa: PLC0415

    person = Actor(wiring.caller(services.settings), Face.PAGE)
    serve(services, person, options.port, tell=_tell)
    return Answer(None, "the page has ended")


def _tell(link: str) -> None:
    sys.stdout.write(f"Open this link; it works once. Ctrl-C ends the page.\n  {link}\n")
    sys.stdout.flush()
