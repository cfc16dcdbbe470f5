"""docs/operating.md: its commands are commands, and no reason of a task is left unexplained."""

from __future__ import annotations

import inspect
import re
import shlex

import pytest

from local.processes import ROOT
from orchestrator import errors
from orchestrator.cli.app import parser
from orchestrator.model.run import Task

TEXT = (ROOT / "docs" / "operating.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
    if line
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_line_parses(command: str) -> None:
    """Each documented command is one that the command line takes."""
    words = shlex.split(command)

    assert words[0] == "marketplace-sync"
    assert callable(parser().parse_args(words[1:]).run)


def test_every_reason_is_explained() -> None:
    """Those that `Task.reason` lists, and the kinds of error that a task ends with: each has a remedy."""
    table = TEXT.partition("<!-- reasons -->")[2].partition("<!-- /reasons -->")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", table, flags=re.MULTILINE)
    comment = re.search(r"#: Why,(.*?)reason:", inspect.getsource(Task), flags=re.DOTALL)
    assert comment is not None
    ours: set[type[errors.SyncError]] = {errors.SyncError, errors.WriteRejected}
    sellers: set[type[errors.SyncError]] = {errors.ConnectionInvalid, errors.SecretMissing}
    theirs: set[type[errors.SyncError]] = {errors.MarketplaceError, *errors.MarketplaceError.__subclasses__()}

    assert {reason for reason, _, _ in rows} == {
        *re.findall(r"`(\w+)`", comment[1]),
        *(error.kind for error in ours | sellers | theirs),
    }
    assert len(rows) == len({reason for reason, _, _ in rows})
