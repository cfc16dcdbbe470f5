"""Every command's help has an example, and each example runs."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.app import main, parser
from orchestrator.cli.faults import DEFECT
from tests.cli import shop

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


EXAMPLES = [example for each in (parser(), *COMMANDS.values()) for example in examples(each)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_of_its_own(name: str) -> None:
    """Its help text shows it, and says its purpose."""
    found = examples(COMMANDS[name])

    assert found
    assert all(example.startswith(f"marketplace-sync {name}") for example in found)
    assert COMMANDS[name].description


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_runs(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a store with the shop and the run that the examples name."""
    shop.environment(tmp_path, monkeypatch)
    shop.fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(example)[1:]
    name = next(name for name in COMMANDS if words[: len(name.split())] == name.split())

    code = main(words)

    assert code != DEFECT
    assert code == CODES.get(name, 0), capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "completion"])
def test_every_command_answers_in_each_form(name: str) -> None:
    """`-o table|json|csv`, and `--json` as the short form."""
    described = COMMANDS[name]
    forms = next(action for action in described._actions if action.dest == "output")

    assert forms.choices is not None
    assert set(forms.choices) == {"table", "json", "csv"}
