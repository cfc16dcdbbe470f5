"""docs/deploy.md, walked literally: a command is run here, or its block says that it needs Google Cloud."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from local.processes import ROOT
from tests.delivery.terraform.deploy_docs import DEPLOY
from tests.delivery.terraform.plans import TERRAFORM

TEXT = DEPLOY.read_text()
MARK = "# needs Google Cloud"
#: A line that ends so has to fail.
FAILS = re.compile(r" # fails\b")
#: Commands that call Google Cloud, or GitHub for it; `make` does unless it is told DRY=1.
CALLING = re.compile(
    r"(?<![\w./-])(gcloud|terraform|marketplace-sync|curl|python -m terraform\.tick"
    r"|make (deploy|destroy)(?!.* DRY=1))(?= |$)"
)
#: Left out of the copy that the commands are run in.
_NOT_COPIED = {".git", ".local", ".venv", "terraform"}
_TIMEOUT_S = 300


def blocks() -> list[list[str]]:
    """The document's code blocks of commands, in their order, a command a line."""
    found = re.findall(r"^ *```sh\n(.*?)^ *```$", TEXT, flags=re.DOTALL | re.MULTILINE)
    return [dedent(block).splitlines() for block in found]


def run_here() -> list[str]:
    """The commands that need no Google Cloud."""
    return [line for block in blocks() if block[0] != MARK for line in block]


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block[-1][:40])
def test_every_block_is_run_or_marked(block: list[str]) -> None:
    """A marked block calls Google Cloud, so that the mark spares no other command its test; no other does."""
    assert MARK not in block[1:]
    assert any(CALLING.search(line) for line in block) == (block[0] == MARK)


def test_other_blocks_have_no_commands() -> None:
    """All commands are in blocks of `sh`: those are walked."""
    languages = set(re.findall(r"^ *```(\w*)$", TEXT, flags=re.MULTILINE)) - {"", "sh"}

    assert languages <= {"text", "hcl"}


def test_commands_in_sentences_need_google_cloud() -> None:
    """The document says that no test has run the commands in its text; so each has to need Google Cloud."""
    begin = re.compile(r"`((?:git|cd|gcloud|terraform|python|make|marketplace-sync) [^`]+)`")
    commands: list[str] = begin.findall(re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))

    assert commands
    assert [command for command in commands if not CALLING.search(command)] == []


@pytest.mark.processes
def test_the_other_blocks_are_run_in_their_order(tmp_path: Path) -> None:
    """In a copy, by one shell: the values of an environment, and both ways that a deployment ends."""
    _copy(tmp_path)
    lines = run_here()
    assert sum(bool(FAILS.search(line)) for line in lines) == 1
    script = [
        f"if {line.partition(' #')[0]}; then exit 99; fi" if FAILS.search(line) else line for line in lines
    ]

    done = _bash("\n".join(["set -euo pipefail", *script]), tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    values = tmp_path / "terraform" / "environments" / "dev" / "terraform.tfvars"
    assert values.read_text() == values.with_suffix(".tfvars.example").read_text()
    well, _, stopped = done.stdout.partition("with its workers stopped")
    assert _told() in re.sub(r"f-\d{8}T\d{6}Z-", "f-20261123T060000Z-", well)
    assert "Deployed" not in stopped
    assert "no worker answered in 3 s: the worker fails (503). Look at:" in done.stderr
    # A make within a make numbers its errors.
    assert re.search(r"^make(\[\d+\])?: \*\*\* ", done.stderr, flags=re.MULTILINE)


def _told() -> str:
    """The document's example of a deployment's lines."""
    (example,) = re.findall(r"```text\n(.*?)```", TEXT, flags=re.DOTALL)
    assert isinstance(example, str)
    return example


def _copy(folder: Path) -> None:
    """The project in another folder: links to its files, with environments of its own."""
    for entry in ROOT.iterdir():
        if entry.name not in _NOT_COPIED:
            (folder / entry.name).symlink_to(entry)
    (folder / "terraform").mkdir()
    for entry in TERRAFORM.iterdir():
        if entry.name != "environments":
            (folder / "terraform" / entry.name).symlink_to(entry)
    shutil.copytree(
        TERRAFORM / "environments",
        folder / "terraform" / "environments",
        ignore=shutil.ignore_patterns(".terraform*", "*.tfvars"),
    )


def _bash(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with the interpreter of these tests, and with an editor that changes nothing."""
    stamp = folder / "installed"
    stamp.touch()
    variables = {
        **os.environ,
        "EDITOR": "true",
        "MAKEFLAGS": f" -- VENV={sys.prefix} STAMP={stamp}",
    }
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
