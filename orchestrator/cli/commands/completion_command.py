"""`marketplace-sync completion`: the shell completes commands, options and their values."""

from __future__ import annotations

import argparse

from orchestrator.cli.answer import Answer, Commands, Help, examples_text
from orchestrator.services import Services


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    text = "print a shell's completion script"
    one = commands.add_parser(
        "completion",
        help=text,
        description="Print a shell's completion script. Load it in the shell's start file: "
        'eval "$(marketplace-sync completion bash)", or write it to a folder that the shell searches.',
        epilog=examples_text(("marketplace-sync completion bash",)),
        formatter_class=Help,
    )
    one.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    one.set_defaults(run=_completion, needs_services=False)


def _completion(_services: Services | None, options: argparse.Namespace) -> Answer:
    import shtab  # noqa: PLC0415 - no other command needs it

    from orchestrator.cli.app import parser  # noqa: PLC0415 - the parser includes this command

    script = shtab.complete(parser(), options.shell)
    return Answer(script, script)
