"""`make run`, with all its processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import urllib3

from local.folder import Folder
from local.processes import ROOT
from local.samples import MARKETPLACES, SAMPLES
from local.stack import Options, Stack, running
from orchestrator.adapters.embedded.store import SqliteStore
from tests.support.linux import on_linux, processes_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.processes

SMALL = ("--orders=40", "--products=15")
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
#: So much data that the run is still in progress when the test disturbs it.
LARGE = ("--orders=20000", "--products=15")


def command(name: str, directory: Path, *options: str) -> list[str]:
    """The command line that make calls."""
    return [sys.executable, "-m", "local", name, f"--directory={directory}", *options]


def run(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `make run`'s command to its end."""
    return subprocess.run(
        command("run", directory, *options),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def listed(directory: Path) -> subprocess.CompletedProcess[str]:
    """List the connections with the environment that the last start has left."""
    command_line = f"{sys.executable} -m orchestrator connections list --json"
    script = f"set -a; . {directory}/env; set +a; exec {command_line}"
    return subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def last_run(directory: Path) -> dict[str, Any]:
    """The document of the last run."""
    document: dict[str, Any] = json.loads((directory / "last-run.json").read_text())
    return document


@contextmanager
def started(name: str, directory: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A command in the background, and the file of its output."""
    output = directory.with_name(f"{directory.name}.out")
    with (
        output.open("wb") as file,
        subprocess.Popen(command(name, directory, *options), cwd=ROOT, stdout=file, stderr=file) as process,
    ):
        try:
            yield process, output
        finally:
            process.terminate()


class Finished(NamedTuple):
    """A folder with a finished run, and this run's document."""

    directory: Path
    document: dict[str, Any]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The first run in a folder."""
    directory = tmp_path_factory.mktemp("stack") / "local"
    finished = run(directory, *SMALL)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    for shown in ("The tick was accepted", "succeeded", "takealot", "shopify", "make dev"):
        assert shown in finished.stdout
    # The hint at a stored record is a command that works.
    (hint,) = re.findall(r" -m (orchestrator records show .+)", finished.stdout)
    script = f"set -a; . {directory}/env; set +a; exec {sys.executable} -m {hint}"
    assert subprocess.run(["bash", "-c", script], cwd=ROOT, check=False, timeout=60).returncode == 0
    return Finished(directory, last_run(directory))


def test_a_run_syncs_all_connections(first: Finished) -> None:
    """The run covers every sample connection and stream, and the documents are in the store."""
    document = first.document
    assert document["status"] == "succeeded"
    assert document["trigger"] == "scheduler"
    assert document["tasks"] == {"total": len(SAMPLES), "succeeded": len(SAMPLES), "failed": 0, "skipped": 0}
    assert set(document["by_marketplace"]) == set(MARKETPLACES)
    by_stream = document["records"]["by_stream"]
    assert set(by_stream) == {"orders", "products", "inventory"}
    # eBay returns two years of orders; the sandboxes have slightly older ones too.
    assert len(SAMPLES) * 40 - 5 <= by_stream["orders"]["written"] <= len(SAMPLES) * 40
    assert document["records"]["rejected"] == 0
    assert document["cost"]["marketplace_calls"] > 0
    store = SqliteStore(first.directory / "store.db")
    for connection in ("shopify-0", "shopify-1", "takealot-0", "takealot-1"):
        assert store.count(f"connections/{connection}/orders") == 40
    store.close()


def test_a_second_run_writes_nothing(first: Finished) -> None:
    """Store and sandbox data are those of the first run, so every record is unchanged."""
    assert run(first.directory, *SMALL).returncode == 0

    after = last_run(first.directory)
    assert after["run_id"] != first.document["run_id"]
    assert after["status"] == "succeeded"
    assert after["records"]["seen"] > 0
    assert after["records"]["written"] == after["records"]["deleted"] == 0


@on_linux
def test_no_process_is_left(first: Finished) -> None:
    """All processes of the runs have ended."""
    assert processes_of(first.directory) == {}


def test_the_written_environment_serves_the_command_line(first: Finished) -> None:
    """With `. .local/env`, the operators' commands list the run's connections."""
    connections = json.loads(listed(first.directory).stdout)
    assert [connection["state"]["health"] for connection in connections] == ["ok"] * len(SAMPLES)
    assert len({connection["organization_id"] for connection in connections}) == 3


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM in the middle of a run, even twice, ends all processes."""
    directory = tmp_path / "local"
    with started("run", directory, *LARGE) as (process, output):
        wait_until(lambda: "accepted" in output.read_text())
        process.send_signal(number)
        process.send_signal(number)
        code = process.wait(30)

    assert code == 130
    assert processes_of(directory) == {}
    assert "Traceback" not in output.read_text()


def turn_on(stack: Stack, marketplace: str, **fault: Any) -> None:
    """Let a sandbox misbehave."""
    url = f"{stack.sandbox_urls[marketplace]}/_sandbox/faults"
    assert urllib3.request("POST", url, json=fault).status == 200


def test_the_next_start_finishes_an_interrupted_run(tmp_path: Path) -> None:
    """Its messages are still in the queue, its cursors in the store; the new tick then writes nothing."""
    directory = tmp_path / "local"
    options = Options(Folder(directory), orders=100, products=15, seed=1)
    with running(options) as stack:
        turn_on(stack, "shopify", kind="slow", seconds=1.0)
        run_id = stack.scheduler.deliver(datetime.now(UTC)).run_id
        store = stack.services.store
        wait_until(lambda: store.count("connections/shopify-0/orders") > 0)
        turn_on(stack, "shopify", kind="hang")
        # Both shops wait for an answer, and one of them is in the middle of its orders.
        wait_until(lambda: store.count(f"runs/{run_id}/tasks") == len(SAMPLES) - 2)
        assert store.count("connections/shopify-0/orders") < 100
        # Leaving ends all processes, as Ctrl-C does.
    finished = run(directory, "--orders=100", "--products=15")

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert f"Resuming run {run_id}, which was interrupted" in finished.stdout
    assert f"run {run_id}: succeeded" in finished.stdout
    assert last_run(directory)["tasks"]["succeeded"] == len(SAMPLES)
    assert last_run(directory)["records"]["written"] == 0
    kept = SqliteStore(directory / "store.db")
    for connection in ("shopify-0", "shopify-1", "takealot-0", "takealot-1"):
        assert kept.count(f"connections/{connection}/orders") == 100
    kept.close()


@on_linux
def test_a_dead_process_fails_the_run(tmp_path: Path) -> None:
    """If a process dies, the run ends at once; one line names the process and its log."""
    directory = tmp_path / "local"
    with started("run", directory, *LARGE) as (process, output):
        wait_until(lambda: "accepted" in output.read_text())
        (sandbox,) = [
            pid for pid, arguments in processes_of(directory).items() if "local.sandbox takealot" in arguments
        ]
        os.kill(sandbox, signal.SIGKILL)
        code = process.wait(30)

    assert code == 1
    text = output.read_text()
    assert "error: sandbox-takealot ended unexpectedly (killed by SIGKILL)" in text
    assert f"{directory}/logs/sandbox-takealot.log" in text
    assert processes_of(directory) == {}


def test_other_options_leave_the_store_alone(first: Finished) -> None:
    """They have another store, a line names it, and the first options still write nothing afterwards."""
    other = run(first.directory, "--orders=41", "--products=15")
    again = run(first.directory, *SMALL)

    name = f"{first.directory}/stores/orders-41-products-15-seed-1/store.db"
    assert f"Store: {name}, new, for up to 41 orders" in other.stdout
    assert f"Store: {first.directory}/store.db, for up to 40 orders" in again.stdout
    assert last_run(first.directory)["records"]["written"] == 0


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "is no folder"),
        ("", "the first line must be InvoiceNo,"),
        (f"{HEADER}\n", "has no order line"),
        (f"{HEADER}\n1,A,b,many,2010-12-01T08:26:00,1.0,,UK\n", "line 2: not an order line"),
    ],
    ids=["missing", "empty", "only-a-header", "wrong-number"],
)
def test_wrong_data_is_refused_before_anything_is_touched(
    tmp_path: Path, content: str | None, fault: str
) -> None:
    """One line names the folder or the file; not even the state folder is made."""
    if content is not None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "orders.csv").write_text(content)
    refused = run(tmp_path / "local", f"--data={tmp_path}/data")

    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith(f"error: SANDBOX_DATA: {tmp_path}/data")
    assert fault in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "local").exists()


@pytest.mark.emulator
@pytest.mark.usefixtures("emulators")  # skips if this machine has none; the run starts its own
def test_a_run_on_the_emulators(tmp_path: Path) -> None:
    """The same with Firestore and Pub/Sub; the start creates topics and subscriptions."""
    finished = run(tmp_path / "local", *SMALL, "--emulators")

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert last_run(tmp_path / "local")["records"]["by_stream"]["orders"]["written"] >= len(SAMPLES) * 40 - 5
    assert "The emulators have ended, and their data with them" in finished.stdout
    assert (tmp_path / "local" / "env").read_text().startswith("# The emulators have ended, and their data")
    late = listed(tmp_path / "local")
    assert late.returncode == 4
    assert late.stderr.startswith("error: FIRESTORE_EMULATOR_HOST: nothing listens at 127.0.0.1:")
