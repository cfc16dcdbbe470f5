"""Struct types are safe for threads once they are prepared."""

from __future__ import annotations

import subprocess
import sys

import pytest

from local.processes import ROOT

#: Threads decode into each new type at the same moment: unprepared, this crashes msgspec 0.22.
RACE = """
import sys, threading, msgspec
from orchestrator import decoding
sys.setswitchinterval(1e-6)
kinds = []
for number in range(400):
    inner = msgspec.defstruct(f"Inner{number}", [(f"a{n}", int | None, None) for n in range(30)])
    fields = [(f"f{n}", list[inner] | None, None) for n in range(30)]
    kinds.append(msgspec.defstruct(f"Outer{number}", fields))
decoding.prepare()
document = {f"f{n}": [{"a1": 1}] for n in range(30)}
for kind in kinds:
    barrier = threading.Barrier(4)
    def decode():
        barrier.wait()
        msgspec.convert(document, kind)
    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("survived")
"""


@pytest.mark.processes
def test_threads_may_decode_into_prepared_types_at_once() -> None:
    """Many threads' first use of many types leaves the process alive."""
    finished = subprocess.run(
        [sys.executable, "-c", RACE], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )

    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "survived\n"
