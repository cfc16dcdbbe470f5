"""The frame of all commands: forms of an answer, faults in one line, version, completion."""

from __future__ import annotations

import csv
import io
import json
import os
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.processes import ROOT
from orchestrator import VERSION, wiring
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli.app import FAILED, UNREACHABLE, main
from orchestrator.cli.csv_rows import print_csv
from orchestrator.cli.faults import DEFECT
from orchestrator.errors import StoreUnavailable
from orchestrator.operators import connections
from orchestrator.ports import Put
from tests.cli import shop

HARMFUL = ("=", "+", "-", "@", "\t", "\r")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's store."""
    shop.environment(tmp_path, monkeypatch)
    shop.fill(tmp_path, name="=1+1", error="@SUM(A1)")


def table(text: str) -> list[dict[str, str]]:
    """CSV as a spreadsheet reads it."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_row_for_each_entry(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are the fields, with dots inside; a formula in a name is neutralized, a number is not."""
    assert main(["connections", "list", "-o", "csv"]) == 0
    (row,) = table(capsys.readouterr().out)
    assert row["id"] == "my-shop"
    assert row["settings.shop"] == "one.myshopify.com"
    assert row["name"] == "'=1+1"
    assert row["fault"] == ""
    assert main(["runs", "show", shop.RUN_ID, "-o", "csv"]) == 0
    (row,) = table(capsys.readouterr().out)
    assert row["connection_id"] == "my-shop"
    assert row["error.message"] == "'@SUM(A1)"
    assert main(["runs", "list", "-o", "csv"]) == 0
    (row,) = table(capsys.readouterr().out)
    assert row["cost.marketplace_bytes"] == "-1"


@pytest.mark.parametrize(
    ("empty", "filled"),
    [
        (("connections", "list", "--marketplace", "ebay"), ("connections", "list")),
        (("connections", "history", "new-shop"), ("connections", "history", shop.SHOP)),
        (("runs", "list", "--status", "cancelled"), ("runs", "list")),
        (("runs", "show", shop.RUN_ID, "--status", "skipped"), ("runs", "show", shop.RUN_ID)),
    ],
)
def test_csv_of_documents_without_rows_has_their_columns(
    empty: tuple[str, ...], filled: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of a filled table, but one for a field whose names only rows tell; no row."""
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        store.commit([Put("connections/new-shop", shop.connection("New"))])
    assert main([*empty, "-o", "csv"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert main([*filled, "-o", "csv"]) == 0
    columns = capsys.readouterr().out.splitlines()[0].split(",")
    told = header.split(",")

    assert rows == []
    assert told[0] == columns[0]
    assert [each for each in columns if not f"{each}.".startswith(tuple(f"{name}." for name in told))] == []


values = st.text(max_size=9) | st.integers() | st.none() | st.lists(st.text())


@given(st.lists(st.dictionaries(st.text(max_size=5), values)))
def test_no_text_in_csv_is_a_formula(entries: list[dict[str, object]]) -> None:
    """Whatever the texts and the fields' names are, no text in a cell begins like a formula."""
    written = io.StringIO(newline="")
    print_csv(entries, to=written)
    numbers = {str(value) for entry in entries for value in entry.values() if isinstance(value, int)}

    for row in csv.reader(io.StringIO(written.getvalue(), newline="")):
        for cell in row:
            assert not cell.startswith(HARMFUL) or cell in numbers
            assert all(each.isprintable() or each in "\t\r\n" for each in cell)


def test_csv_of_a_page_says_that_there_are_more(capsys: pytest.CaptureFixture[str]) -> None:
    """The hint is on standard error, so the rows stay rows."""
    print_csv({"runs": [{"run_id": "t-1"}], "next_page_token": "abc"}, "runs")
    captured = capsys.readouterr()

    assert captured.out == "run_id\nt-1\n"
    assert "--page-token abc" in captured.err


def test_json_has_a_long_and_a_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    """`-o json` is `--json`."""
    assert main(["runs", "list", "-o", "json"]) == 0
    long = capsys.readouterr().out
    assert main(["runs", "list", "--json"]) == 0
    assert capsys.readouterr().out == long
    assert json.loads(long)["runs"][0]["run_id"] == shop.RUN_ID


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({"SYNC_STORE": "mysql:there"}, "SYNC_STORE"),
        ({"SYNC_QUEUE": ""}, "SYNC_QUEUE"),
        ({"SYNC_STORE": "firestore", "GOOGLE_CLOUD_PROJECT": ""}, "GOOGLE_CLOUD_PROJECT"),
        ({"SYNC_STORE": "sqlite:/dev/null/x.db"}, "/dev/null"),
        ({"SYNC_STORE": f"sqlite:{ROOT / 'README.md'}"}, "README.md"),
    ],
)
def test_a_broken_environment_is_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    written: str,
) -> None:
    """The variable or the file is named, with a remedy, and nothing else is printed."""
    for name, value in changes.items():
        monkeypatch.setenv(name, value)

    assert main(["runs", "list"]) in {FAILED, UNREACHABLE}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert written in captured.err
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    assert len(captured.err.splitlines()) <= 2


def test_missing_credentials_are_one_line_that_says_how_to_log_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The application default credentials name a file that is not there: no traceback, and the remedy."""
    monkeypatch.setenv("SYNC_STORE", "firestore")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)

    assert main(["runs", "list"]) == UNREACHABLE
    captured = capsys.readouterr()
    assert "DefaultCredentialsError" in captured.err
    assert "gcloud auth application-default login" in captured.err
    assert len(captured.err.splitlines()) == 2


def test_a_defect_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception tells its place, not its text; LOG_LEVEL=DEBUG shows how it came to it."""

    def fails(*_given: object, **_named: object) -> None:
        raise TypeError("a buyer's name")

    monkeypatch.setattr(connections, "list_page", fails)
    assert main(["connections", "list"]) == DEFECT
    captured = capsys.readouterr()
    assert "TypeError at test_frame.py" in captured.err
    assert "buyer" not in captured.err
    assert "LOG_LEVEL=DEBUG" in captured.err
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    assert main(["connections", "list"]) == DEFECT
    assert "Traceback" in capsys.readouterr().err


def test_an_unreachable_store_has_its_own_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script may try again."""

    def fails(*_given: object, **_named: object) -> None:
        raise StoreUnavailable("it is away", action="wait")

    monkeypatch.setattr(wiring, "build", fails)

    assert main(["runs", "list"]) == UNREACHABLE
    assert capsys.readouterr().err == "error: it is away\n       wait\n"


def test_an_argument_that_is_no_text_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Python keeps bytes that are not UTF-8 as lone surrogates, which no document takes."""
    with pytest.raises(SystemExit) as stopped:
        main(["connections", "show", os.fsdecode(b"\xff")])

    assert stopped.value.code == 2
    assert "UTF-8" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """pyproject.toml, the code and `--version` agree; the console script is the command line's entry."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    with pytest.raises(SystemExit) as stopped:
        main(["--version"])

    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"marketplace-sync {VERSION}\n"
    assert project["version"] == VERSION
    assert project["scripts"] == {"marketplace-sync": "orchestrator.cli.app:entry"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_completes_commands(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """The script knows the commands, their options and the options' values; no store is needed."""
    os.environ.pop("SYNC_QUEUE")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out

    for word in ("marketplace-sync", "connections", "trigger", "takealot"):
        assert word in script
