"""Secrets by reference: a developer's environment and files, and the store of all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.secrets import Secrets
from orchestrator.errors import SecretError, SecretMissing
from orchestrator.ports import SecretStore

CONTENT = '{"refresh_token": "hush"}'


class Remembering:
    """A secret store that notes its calls."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def get(self, reference: str, *, fresh: bool = False) -> str:
        """Note and answer."""
        self.asked.append(("get", reference, fresh))
        return "content"

    def previous(self, reference: str) -> str | None:
        """Note and answer."""
        self.asked.append(("previous", reference))
        return "before"

    def add_version(self, reference: str, content: str) -> None:
        """Note."""
        self.asked.append(("add", reference, content))

    def create(self, reference: str) -> None:
        """Note."""
        self.asked.append(("create", reference))


@pytest.fixture
def secrets() -> SecretStore:
    """The secrets of a developer's machine."""
    return Secrets(is_development=True, environ={"TOKEN": CONTENT, "EMPTY": ""})


def test_an_environment_variable(secrets: SecretStore) -> None:
    """`env:NAME` is the variable's value, which has no previous one."""
    assert secrets.get("env:TOKEN") == CONTENT
    assert secrets.previous("env:TOKEN") is None


@pytest.mark.parametrize("reference", ["env:ABSENT", "env:EMPTY", "env:", "file:/nowhere/at/all", "file:"])
def test_what_is_not_there_is_named(secrets: SecretStore, reference: str) -> None:
    """The error for a missing secret names the reference and the remedy."""
    with pytest.raises(SecretError) as caught:
        secrets.get(reference)

    assert reference in str(caught.value)
    assert caught.value.action


def test_an_environment_variable_cannot_be_written(secrets: SecretStore) -> None:
    """A rotated token would be lost there, so it is refused."""
    with pytest.raises(SecretMissing, match="cannot be written") as caught:
        secrets.add_version("env:TOKEN", "rotated")

    assert "rotated" not in f"{caught.value} {caught.value.action}"


def test_a_file_without_its_last_line_end(secrets: SecretStore, tmp_path: Path) -> None:
    """`file:PATH` is the file's text; the line end that editors add does not count."""
    path = tmp_path / "token.json"
    path.write_text(f"{CONTENT}\n")

    assert secrets.get(f"file:{path}") == CONTENT
    assert secrets.previous(f"file:{path}") is None


def test_a_written_file_keeps_the_version_before(secrets: SecretStore, tmp_path: Path) -> None:
    """Each new version replaces the file whole, for its owner's eyes only, and leaves the last one beside."""
    path = tmp_path / "token.json"
    reference = f"file:{path}"

    for content in ("one", "two", "three"):
        secrets.add_version(reference, content)

    assert (secrets.get(reference), secrets.previous(reference)) == ("three", "two")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["token.json", "token.json.previous"]
    assert {entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()} == {0o600}


def test_a_file_that_cannot_be_written_is_named(secrets: SecretStore, tmp_path: Path) -> None:
    """Without its folder a file cannot be written, and the content is not shown."""
    with pytest.raises(SecretMissing, match="cannot be written") as caught:
        secrets.add_version(f"file:{tmp_path}/none/token.json", "rotated")

    assert "rotated" not in f"{caught.value} {caught.value.action}"


def test_a_file_that_is_no_text_is_not_quoted(secrets: SecretStore, tmp_path: Path) -> None:
    """A binary file is reported without showing any of it."""
    path = tmp_path / "token"
    path.write_bytes(b"hidden\xff")

    with pytest.raises(SecretMissing, match="not text") as caught:
        secrets.get(f"file:{path}")

    assert caught.value.__cause__ is None


@pytest.mark.parametrize("reference", ["env:TOKEN", "file:/etc/hostname"])
def test_references_of_a_developer_are_refused_elsewhere(reference: str) -> None:
    """Outside development neither reading nor writing obeys them."""
    secrets = Secrets(is_development=False, environ={"TOKEN": CONTENT})

    for use in (secrets.get, secrets.previous, secrets.create, lambda name: secrets.add_version(name, "x")):
        with pytest.raises(SecretMissing, match="ENVIRONMENT=development"):
            use(reference)


@pytest.mark.parametrize("is_development", [True, False])
def test_all_other_references_go_to_secret_manager(is_development: bool) -> None:
    """Any other reference is handed on unchanged, to one store made on first use."""
    made: list[Remembering] = []

    def make() -> Remembering:
        made.append(Remembering())
        return made[-1]

    secrets = Secrets(is_development=is_development, make_cloud=make)
    assert made == []
    reference = "projects/p/secrets/s/versions/latest"

    assert (secrets.get(reference, fresh=True), secrets.previous(reference)) == ("content", "before")
    secrets.create(reference)
    secrets.add_version(reference, "new")

    (store,) = made
    assert store.asked == [
        ("get", reference, True),
        ("previous", reference),
        ("create", reference),
        ("add", reference, "new"),
    ]


def test_the_folder_of_a_new_file_is_its_owners(secrets: SecretStore, tmp_path: Path) -> None:
    """Nobody else can list it; a folder that is there stays as it is."""
    folder = tmp_path / "secrets"
    reference = f"file:{folder}/token.json"

    secrets.create(reference)
    secrets.add_version(reference, CONTENT)
    secrets.create(reference)

    assert secrets.get(reference) == CONTENT
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(SecretMissing, match="its folder cannot be made"):
        secrets.create(f"file:{folder}/token.json/inner/token.json")


def test_an_environment_variable_cannot_be_created(secrets: SecretStore) -> None:
    """It would be gone with the process."""
    with pytest.raises(SecretMissing, match="cannot be written"):
        secrets.create("env:NEW")
