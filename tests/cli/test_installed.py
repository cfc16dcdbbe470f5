"""`make setup` installs the command from this folder, with nothing from the network."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from local.processes import ROOT
from orchestrator import VERSION

OPTIONS = ("--no-build-isolation", "--no-deps", "--offline", "-e", ".")


@pytest.mark.processes
def test_the_command_is_installed_as_an_editable_package(tmp_path: Path) -> None:
    """The script runs this folder's code, and installing leaves nothing in it."""
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    before = status()
    subprocess.run([*uv, "--prefix", str(tmp_path), *OPTIONS], cwd=ROOT, timeout=300, check=True)
    (pth,) = tmp_path.glob("lib/*/site-packages/*.pth")
    script = tmp_path / "bin" / "marketplace-sync"
    answer = subprocess.run(
        [script, "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": pth.read_text().strip()},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    ).stdout

    assert Path(pth.read_text().strip()) == ROOT
    assert answer == f"marketplace-sync {VERSION}\n"
    assert status() == before


def status() -> set[str]:
    """The names in the repository's root."""
    return {path.name for path in ROOT.iterdir() if path.name != ".pytest_cache"}


def test_make_setup_installs_it_so() -> None:
    """Hashes are required of everything else, and the build backend is pinned among them."""
    makefile = (ROOT / "Makefile").read_text()
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]

    assert f"$(call install_into,$(VENV)) {' '.join(OPTIONS)}" in makefile
    assert "--require-hashes" in makefile
    assert backend["requires"] == ["flit_core"]
    assert "\nflit-core==" in (ROOT / "requirements-dev.txt").read_text()
    assert "flit-core" not in (ROOT / "requirements.txt").read_text()
