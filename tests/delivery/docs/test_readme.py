"""The README's commands, targets, tables and files are true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from local.processes import ROOT, Processes, free_ports
from orchestrator.cli.app import parser
from tests.cli.test_examples import COMMANDS
from tests.delivery.docs.readme import README, SETTINGS, block, with_settings_table
from tests.support.tools import needs_curl

TEXT = README.read_text()


def make_targets() -> dict[str, str]:
    """Targets and their help texts, as `make` lists them."""
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    ).stdout
    return dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", listed, flags=re.MULTILINE))


def test_the_settings_table_is_the_codes() -> None:
    """Name, meaning, default and reader of each setting are the code's (`make docs` writes them)."""
    page = SETTINGS.read_text()

    assert with_settings_table(page) == page


@pytest.mark.processes
def test_make_lists_every_target_with_its_meaning() -> None:
    """`make` alone explains itself: no target without a help text."""
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)

    assert phony is not None
    assert set(make_targets()) == set(phony[1].split())


@pytest.mark.processes
def test_every_make_command_exists() -> None:
    """Every target that the README names can be made, with options that the Makefile knows."""
    targets = make_targets()
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"`make ([a-z]+)((?: [A-Z_]+=\S+?)*)`", TEXT)
    commands += re.findall(r"^make ([a-z]+)()", TEXT, flags=re.MULTILINE)

    assert {"run", "test", "dev", "check"} <= {target for target, _ in commands}
    for target, options in commands:
        assert target in targets
        for option in re.findall(r"([A-Z_]+)=", options):
            assert f"$({option})" in makefile


@pytest.mark.parametrize("command", block("command-line"))
def test_every_command_line_parses(command: str) -> None:
    """Each documented command is one that the command line takes."""
    words = shlex.split(command)

    assert words[0] == "marketplace-sync"
    assert callable(parser().parse_args(words[1:]).run)


def test_every_command_is_documented() -> None:
    """No command of the command line is missing in the README."""
    documented = [command.removeprefix("marketplace-sync ") for command in block("command-line")]

    for name in COMMANDS:
        assert any(f"{line} ".startswith(f"{name} ") for line in documented), name


def test_every_file_that_is_named_exists() -> None:
    """Files and folders that the README names or links to exist."""
    named = re.findall(r"`((?:functions|orchestrator|local|\.ci)/[\w./]*)`|\]\(([\w./-]+)\)", TEXT)

    assert len(named) >= 8
    for code, link in named:
        assert (ROOT / (code or link)).exists(), code or link


@pytest.mark.processes
@needs_curl
def test_the_plain_commands_work(tmp_path: Path) -> None:
    """Both functions start as documented, and the documented curl gets its 202."""
    api, worker = free_ports(2)
    commands = [
        command.replace("8080", str(api)).replace("8081", str(worker)).replace(".local/", f"{tmp_path}/")
        for command in block("plain-commands")
    ]
    exports = [command for command in commands if command.startswith("export ")]
    functions = [command for command in commands if command.startswith("functions-framework ")]
    (curl,) = [command for command in commands if command.startswith("curl ")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path)}
    with Processes(tmp_path / "logs") as processes:
        for function, port in zip(functions, (worker, api), strict=True):
            name = shlex.split(function)[1].partition("=")[2]
            script = "; ".join([*exports, f"exec {function}"])
            processes.start(name, ["bash", "-c", script], environment)
            processes.wait_ready(name, f"http://127.0.0.1:{port}/")
        answer = subprocess.run(
            ["bash", "-c", f"{curl} --silent --show-error"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout

    assert answer.splitlines()[0].split()[1] == "202"
    assert '"run_id"' in answer
