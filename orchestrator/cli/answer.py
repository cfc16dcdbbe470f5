"""A command's parser and its answer: all that a command's file needs.

A file of `commands/` has one function that describes its commands, and one function a command:

    def add_parser(commands: Commands) -> None:
        one = command(commands, "cost", _cost, "what the sync cost", "marketplace-sync cost --days 7")
        one.add_argument("--days", type=int, default=1)

    def _cost(services: Services, options: argparse.Namespace) -> Answer:
        view = cost.cost(services, options.days)
        return Answer(view, lambda screen: screen.print(table(...)), rows="by_marketplace")

`app.py` lists the files. Table, JSON, CSV, exit codes and error lines are the frame's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from rich.console import Console

from orchestrator.services import Services

#: The command's name, as `make setup` installs it.
PROGRAM = "marketplace-sync"
#: A parser's sub-commands.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

#: A command's parser has this one as its parent.
JSON = argparse.ArgumentParser(add_help=False)
JSON.add_argument(
    "-o",
    "--output",
    choices=("table", "json", "csv"),
    default="table",
    help="default: table; json and csv hold every field",
)
JSON.add_argument("--json", dest="output", action="store_const", const="json", help="the same as -o json")


class Help(argparse.HelpFormatter):
    """Wraps texts, but keeps lines that are indented, such as examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        return "\n".join(
            line if line.startswith(" ") or not line else super(Help, self)._fill_text(line, width, indent)
            for line in lines
        )


class Answer(NamedTuple):
    """A command's answer."""

    #: For programs, printed with `-o json` and `-o csv`; a function is called for it.
    value: object
    #: For people: a text, or a function that prints to the screen.
    text: str | Callable[[Console], None]
    exit_code: int = 0
    #: The field of `value` with the rows for `-o csv`; empty if `value` is itself a list, or one row.
    rows: str = ""
    #: The header of `-o csv` without rows, if the type of `value` does not tell what they are.
    columns: Sequence[str] = ()


def command(
    commands: Commands,
    name: str,
    run: Callable[[Services, argparse.Namespace], Answer],
    text: str,
    *examples: str,
    note: str = "",
) -> argparse.ArgumentParser:
    """Describe a command; the caller adds its arguments.

    Args:
        commands: The group's commands, or those of the program.
        name: The command's name.
        run: Makes the answer.
        text: Its purpose in a few words, without a full stop.
        examples: Command lines that run.
        note: Sentences for its own help only.
    """
    parser = commands.add_parser(
        name,
        parents=[JSON],
        help=text,
        description=f"{text[0].upper()}{text[1:]}.{f' {note}' if note else ''}",
        epilog=examples_text(examples),
        formatter_class=Help,
    )
    parser.set_defaults(run=run)
    return parser


def examples_text(examples: tuple[str, ...]) -> str:
    """The end of a help text."""
    title = "Example:" if len(examples) == 1 else "Examples:"
    return "\n".join([title, *(f"  {example}" for example in examples)])
