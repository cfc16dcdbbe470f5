"""No child process outlives its parent, for any end of the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.processes import ROOT, Processes, StackFailed, free_ports
from tests.support.linux import is_alive, on_linux
from tests.support.waiting import wait_until

pytestmark = pytest.mark.processes

#: Ignores SIGTERM, and has a child in its group; both write their ids.
STUBBORN = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
time.sleep(600)
"""


@on_linux
def test_an_interruption_while_a_process_starts_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C right after the fork is not lost, and the child is ended too."""
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt), Processes(tmp_path) as processes:
        processes.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], os.environ)

    left_behind = is_alive(started[0].pid)
    started[0].kill()
    started[0].wait()

    assert not left_behind


@on_linux
def test_a_process_that_ignores_sigterm_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the block ends the whole process group."""
    monkeypatch.setattr("local.processes.GRACE_S", 0.2)
    pids = tmp_path / "pids"
    pids.mkdir()
    with Processes(tmp_path / "logs") as processes:
        processes.start("stubborn", [sys.executable, "-c", STUBBORN, str(pids)], os.environ)
        wait_until(lambda: len(list(pids.iterdir())) == 2)

    for entry in pids.iterdir():
        wait_until(lambda pid=int(entry.name): not is_alive(pid))  # type: ignore[misc] # mypy cannot infer a lambda's default


def test_a_dead_process_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    """The error contains the process's name, its exit code and the last lines of its log."""
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with Processes(tmp_path) as processes:
        processes.start("worker", command, os.environ)
        with pytest.raises(StackFailed, match=r"(?s)worker ended unexpectedly \(exit code 3\).*the reason"):
            processes.wait_ready("worker", f"http://127.0.0.1:{free_ports(1)[0]}/")


def test_a_silent_process_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not answer in time is reported."""
    monkeypatch.setattr("local.processes.READY_S", 0.2)
    with Processes(tmp_path) as processes:
        processes.start("worker", [sys.executable, "-c", "import time; time.sleep(600)"], os.environ)
        with pytest.raises(StackFailed, match="worker did not answer"):
            processes.wait_ready("worker", f"http://127.0.0.1:{free_ports(1)[0]}/")


@on_linux  # which also tells children of their parent's death
def test_children_of_a_killed_parent_end(tmp_path: Path) -> None:
    """Even SIGKILL on the parent leaves no child behind."""
    parent = (
        "import os, sys, time\nfrom pathlib import Path\nfrom local.processes import Processes\n"
        "processes = Processes(Path(sys.argv[1]))\n"
        "processes.start('child', [sys.executable, '-c',"
        " 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'], os.environ)\n"
        "time.sleep(600)\n"
    )
    log = tmp_path / "child.log"
    with subprocess.Popen([sys.executable, "-c", parent, str(tmp_path)], cwd=ROOT) as process:
        wait_until(lambda: log.exists() and log.read_text().strip().isdigit())
        process.send_signal(signal.SIGKILL)
    child = int(log.read_text())

    wait_until(lambda: not is_alive(child))


def test_free_ports_are_distinct() -> None:
    """No port is returned twice."""
    assert len(set(free_ports(20))) == 20
