"""Every command's help has an example, and each example runs."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.app import main, parser
from orchestrator.cli.faults import DEFECT
from tests.cli import roles, shop

#: Exit codes of examples that cannot succeed on a store without its marketplace and worker.
CODES = {
    "connections check": 4,  # nothing listens at the shop's address
    "runs watch": 3,  # the run failed
    "runs cancel": 1,  # the run is over
    "doctor": 1,  # no worker listens
    "logs": 1,  # the store is local
    "vault init": 1,  # the environment names no vault
    "vault rotate": 1,
    "vault status": 1,
}
#: Words of an example that prints no text for people.
OTHER_FORMS = {"-o", "--json", "completion", "schema"}
#: A value as Python writes it.
PYTHON = re.compile(r"\b(True|False|None)\b|[\[{]['\"]|\b\w+\.\w+: '|<\w+ object|datetime\.")


def commands(
    described: argparse.ArgumentParser, *words: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """All commands, by their words."""
    for action in described._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from commands(inner, *words, name)
            return
    yield " ".join(words), described


COMMANDS = dict(commands(parser()))


def examples(described: argparse.ArgumentParser) -> list[str]:
    """The example lines of a help text."""
    lines = (described.epilog or "").splitlines()
    return [line.strip() for line in lines if line.startswith("  marketplace-sync ")]


def examples_of(name: str) -> list[str]:
    """All examples of a command, those in the program's own help among them."""
    everywhere = [example for each in (parser(), *COMMANDS.values()) for example in examples(each)]
    return [example for example in everywhere if example.startswith(f"marketplace-sync {name}")]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_of_its_own(name: str) -> None:
    """Its help text shows it, and says its purpose."""
    found = examples(COMMANDS[name])

    assert found
    assert all(example.startswith(f"marketplace-sync {name}") for example in found)
    assert COMMANDS[name].description


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a store with the shop and the run that they name; with the roles of docs/deploy.md and no others."""
    calls: set[str] = set()
    for number, example in enumerate(examples_of(name)):
        folder = tmp_path / str(number)
        folder.mkdir()
        shop.environment(folder, monkeypatch)
        shop.fill(folder)
        monkeypatch.chdir(folder)

        with roles.noted() as made:
            code = main(shlex.split(example)[1:])

        calls |= made
        assert code != DEFECT, example
        printed = capsys.readouterr()
        assert code == CODES.get(name, 0), (example, printed.err)
        if not set(shlex.split(example)) & OTHER_FORMS:
            assert not PYTHON.search(printed.out + printed.err), (example, printed)
    assert roles.documented().get(name, set()) == roles.roles(name, calls)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "completion"])
def test_every_command_answers_in_each_form(name: str) -> None:
    """`-o table|json|csv`, and `--json` as the short form."""
    described = COMMANDS[name]
    forms = next(action for action in described._actions if action.dest == "output")

    assert forms.choices is not None
    assert set(forms.choices) == {"table", "json", "csv"}
