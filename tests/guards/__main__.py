"""`python -m tests.guards`: take each guard away in a copy of the project, and see its test fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.guards.table import GUARDS, Guard

ROOT = Path(__file__).resolve().parent.parent.parent
_COPIED = ("functions", "local", "orchestrator", "tests", "main.py", "pyproject.toml")
_TIMEOUT_S = 300


def broken(guard: Guard) -> str | None:
    """What the test prints without the guard; None where it passes all the same."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for part in _COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / part)
        path = copy / guard.path
        text = path.read_text()
        if text.count(guard.line) != 1:
            raise SystemExit(f"{guard.path} does not hold exactly once: {guard.line!r} ({guard.keeps})")
        path.write_text(
            text.replace(guard.line, guard.without).replace("import Create,", "import Create, Put,")
        )
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            guard.test,
        ]
        run = subprocess.run(
            command,
            cwd=copy,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
    if run.returncode == 0:
        return None
    if run.returncode != 1:
        printed = (run.stdout + run.stderr)[-2000:]
        raise SystemExit(f"{guard.test} did not run without the guard ({guard.keeps}):\n{printed}")
    lines = re.findall(r"^E   +(.+)$", run.stdout, re.MULTILINE)
    return lines[0][:160] if lines else "failed"


def main() -> int:
    """Print the table; 1 where a guard can go and nothing notices."""
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(broken, GUARDS))
    out = sys.stdout.write
    out("| what holds | guard | test that fails without it | what it printed |\n| --- | --- | --- | --- |\n")
    for guard, printed in zip(GUARDS, outcomes, strict=True):
        line = guard.line.strip().splitlines()[0].replace("|", "\\|")
        said = (printed or "**nothing: it passed**").replace("|", "\\|")
        test = guard.test.removeprefix("tests/")
        out(f"| {guard.keeps} | `{guard.path}`: `{line}` | `{test}` | {said} |\n")
    unnoticed = sum(printed is None for printed in outcomes)
    sys.stderr.write(f"{len(GUARDS)} guards taken away, {len(GUARDS) - unnoticed} noticed\n")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
