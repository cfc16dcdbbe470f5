"""Every guard in Terraform is there, and is tested."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.terraform.plans import TERRAFORM

CI = TERRAFORM / "ci"
MODULES = sorted((TERRAFORM / "modules").iterdir())
ROOTS = sorted((TERRAFORM / "environments").iterdir())


def named(folder: Path) -> str:
    """A folder's name, for the test's."""
    return folder.name


def blocks(text: str, kind: str) -> Iterator[tuple[str, str]]:
    """Top-level blocks of a kind: their labels and their bodies."""
    for match in re.finditer(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', text, re.MULTILINE | re.DOTALL):
        yield match[1], match[2]


def promises_of(folder: Path) -> str:
    """All of a folder's Terraform tests."""
    return "".join(path.read_text() for path in sorted((folder / "tests").glob("*.tftest.hcl")))


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_every_variable_is_described_and_checked(module: Path) -> None:
    """A variable of a module says what it is, and refuses what it is not; a boolean needs no check."""
    variables = dict(blocks((module / "variables.tf").read_text(), "variable"))

    assert variables
    for name, body in variables.items():
        assert "description = " in body, name
        assert "nullable " in body or "default     = null" in body, name
        assert re.search(r"type += bool", body) or "validation {" in body, name
    assert list(variables) == sorted(variables)


@pytest.mark.parametrize("folder", [*MODULES, *ROOTS, CI], ids=named)
def test_every_validation_has_its_failure(folder: Path) -> None:
    """There are as many tests that expect a variable to be refused as it has validations."""
    variables = dict(blocks((folder / "variables.tf").read_text(), "variable"))
    lists = re.findall(r"expect_failures = \[([^\]]*)\]", promises_of(folder))
    refused = Counter(re.findall(r"var\.(\w+)", " ".join(lists)))

    checks = Counter({name: body.count("validation {") for name, body in variables.items()})
    assert refused == +checks


def test_there_are_enough_assertions() -> None:
    """All in all no fewer promises than were asked for are asserted."""
    assert sum(promises_of(folder).count("assert {") for folder in (*MODULES, *ROOTS)) >= 60


def test_every_skipped_check_has_its_reason() -> None:
    """The scanner's checks are skipped where the reason stands on the same line, and seldom."""
    skips = [
        line
        for path in TERRAFORM.rglob("*.tf")
        for line in path.read_text().splitlines()
        if "checkov:skip" in line
    ]

    assert len(skips) <= 10
    for line in skips:
        assert re.search(r"checkov:skip=CKV_\w+: \S.{15,}", line), line


def test_environments_hold_values_only() -> None:
    """An environment calls the one module, so that dev and prod cannot differ in shape."""
    for root in ROOTS:
        text = (root / "main.tf").read_text()
        assert re.findall(r"^(\w+) ", text, re.MULTILINE) == ["module"]
        assert 'source = "../../modules/marketplace_sync"' in text
