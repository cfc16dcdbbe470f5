"""`python -m local run | dev | token`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import NoReturn

from local.folder import Folder
from local.google.emulators import EmulatorsMissing
from local.google.issuer import Issuer
from local.google.scheduler import TickFailed
from local.processes import ENDING, ROOT, StackFailed
from local.session import dev, run
from local.stack import OPERATOR, SCHEDULER_ACCOUNT, Options
from orchestrator.errors import SyncError

_INTERRUPTED = 130
_WRONG_USAGE = 2


def main() -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args()
    folder = Folder(_relative(options.directory))
    for number in ENDING:
        signal.signal(number, _stop)
    try:
        if options.command == "token":
            os.chdir(ROOT)
            print(Issuer.open(folder.issuer).mint(email=options.email, audience=options.audience))
            return 0
        data = None if options.data is None else options.data.expanduser().resolve()
        os.chdir(ROOT)
        stack = Options(
            folder=folder,
            orders=options.orders,
            products=options.products,
            seed=options.seed,
            data=data,
            reset=options.reset,
            emulators=options.emulators,
        )
        return run(stack) if options.command == "run" else dev(stack, timedelta(seconds=options.interval))
    except (StackFailed, TickFailed, EmulatorsMissing, SyncError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> _Parser:
    common = _Parser(add_help=False)
    common.add_argument(
        "--directory", type=Path, default=ROOT / ".local", help="state folder; default: .local"
    )
    stack = _Parser(add_help=False, parents=[common])
    stack.add_argument("--orders", type=_positive, default=600, help="orders per account; default: 600")
    stack.add_argument("--products", type=_positive, default=200, help="products per account; default: 200")
    stack.add_argument("--seed", type=int, default=1, help="chooses the generated data; default: 1")
    stack.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of real data to sync instead of generated data"
    )
    stack.add_argument("--reset", action="store_true", help="empty the store of this data first")
    stack.add_argument(
        "--emulators", action="store_true", help="use Google's Firestore and Pub/Sub emulators"
    )
    parser = _Parser(prog="python -m local", description="Runs the whole sync on one machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "run", parents=[stack], help="deliver one tick and wait for its run; exit 0 if it succeeded"
    )
    forever = commands.add_parser(
        "dev", parents=[stack], help="keep running and deliver a tick every interval"
    )
    forever.add_argument(
        "--interval", type=_positive, default=60, metavar="SECONDS", help="time between ticks; default: 60"
    )
    token = commands.add_parser("token", parents=[common], help="print an identity token, valid for an hour")
    token.add_argument("--audience", required=True, help="the HTTP function's base URL")
    token.add_argument(
        "--email", default=OPERATOR, help=f"identity; default: {OPERATOR}; also known: {SCHEDULER_ACCOUNT}"
    )
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one line: the usage, which does not name make's variables, is printed by `--help`."""
        self.exit(_WRONG_USAGE, f"error: {message}\n")


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return number


def _relative(directory: Path) -> Path:
    """A path relative to the project's root if it is below: files that contain it can then move along."""
    absolute = directory.resolve()
    return absolute.relative_to(ROOT) if absolute.is_relative_to(ROOT) else absolute


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Interrupt the program once: a repeated signal must not interrupt the shutdown of the processes."""
    del number, frame
    for ignored in ENDING:
        signal.signal(ignored, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
