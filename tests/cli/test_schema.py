"""The published schemas are those of the types."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from orchestrator.cli.app import main
from orchestrator.cli.record_schema import KINDS, meanings, schemas, structs_of
from tests.support.project import ROOT

PUBLISHED = ROOT / "docs" / "schema"


def test_the_published_schemas_are_those_of_the_types() -> None:
    """A change of a type is seen in review: `marketplace-sync schema docs/schema` writes them anew."""
    published = {path.name: json.loads(path.read_text()) for path in PUBLISHED.iterdir()}

    assert published == json.loads(msgspec.json.encode(schemas()))


def test_the_command_writes_them_without_any_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A consumer has no store to name."""
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    monkeypatch.delenv("SYNC_STORE", raising=False)
    assert main(["schema", str(tmp_path / "new")]) == 0

    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == {
        path.name: path.read_text() for path in PUBLISHED.iterdir()
    }
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "new" / name) for name in schemas()]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and a remedy."""
    (tmp_path / "file").touch()
    assert main(["schema", str(tmp_path / "file")]) == 1

    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'file'} cannot be written: ")


@pytest.mark.parametrize("name", list(schemas()))
def test_a_schema_is_one(name: str) -> None:
    """Of the draft that it names; each field of a document is required."""
    schema = schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)

    assert set(schema["required"]) <= schema["properties"].keys()
    assert {"organization_id", "synced_at", "id", "warnings"} <= set(schema["required"])


def test_each_comment_is_in_the_schema() -> None:
    """The meanings are the comments of the types, with JSON's word for None."""
    schema = schemas()["order.v2.json"]

    assert schema["properties"]["refunded"]["description"].startswith("null if")
    assert schema["$defs"]["OrderLine"]["properties"]["discount"]["description"] == "Positive."
    for kind, _ in KINDS.values():
        assert all(meanings(each).keys() == set(each.__struct_fields__) for each in structs_of(kind))
