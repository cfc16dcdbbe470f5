"""Copies of the project without one of its lines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.project import ROOT

_COPIED = ("functions", "local", "orchestrator", "terraform", "tests", "main.py", "pyproject.toml")


@contextmanager
def copy_without(path: str, line: str, instead: str) -> Iterator[Path]:
    """A copy of the project with `instead` in place of `line`, until the block ends."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for part in _COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(
                    source, copy / part, ignore=shutil.ignore_patterns("__pycache__", ".terraform")
                )
            else:
                shutil.copy(source, copy / part)
        text = (copy / path).read_text()
        if text.count(line) != 1:
            raise SystemExit(f"{path} has to contain exactly once: {line!r}")
        changed = text.replace(line, instead).replace("import Create,", "import Create, Put,")
        (copy / path).write_text(changed)
        yield copy


def run_in(copy: Path, arguments: Sequence[str], *, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run this interpreter with these arguments in the copy."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
