"""Files, tests and headings that the documents name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.processes import ROOT

#: The guide makes the files it names; a test of its own follows it.
DOCUMENTS = sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "adding-a-marketplace.md"})
_TEST = re.compile(r"`(tests/[\w/.]+\.py)(?:::(\w+)(?:\[[^`]*\])?)?`")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_FILE = re.compile(r"`((?:bench|functions|local|orchestrator|terraform|tests)/[\w/]+\.(?:py|yaml|tf))`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_tests_exist(document: Path) -> None:
    """Every file of the project that a document names exists, and holds the test that is named with it."""
    text = document.read_text()

    for name in _FILE.findall(text):
        assert (ROOT / name).exists(), name
    for path, name in _TEST.findall(text):
        assert not name or f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_links_lead_somewhere(document: Path) -> None:
    """Every link inside the project leads to a file, and to a heading of it if it names one."""
    for path, heading in _LINK.findall(document.read_text()):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not heading or heading in anchors(target), f"{path}#{heading}"


def anchors(document: Path) -> set[str]:
    """The names by which the headings of a page are linked to."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_leads_to_every_page() -> None:
    """Its table of pages names each of them, and the records' JSON Schema."""
    _, _, table = (ROOT / "README.md").read_text().partition("## Where next")
    linked = {path for path, _ in _LINK.findall(table)}
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}

    assert {*pages, "docs/schema"} - linked == set()


def test_the_architecture_leads_to_the_consumers_pages() -> None:
    """A reader of the code finds the form of its output: the records, their schema, the events."""
    linked = {path for path, _ in _LINK.findall((ROOT / "docs" / "architecture.md").read_text())}

    assert {"records.md", "schema", "changes.md"} <= linked
