"""Without a package index or uv, the peer's row is left out with a line that says why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.rows import peer
from bench.site import PeerMissing


def test_a_machine_without_uv_cannot_install_the_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the missing tool."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(PeerMissing, match="uv"):
        peer.environment(tmp_path / "peer")


@pytest.mark.processes
def test_an_installation_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line of the installer's own error is told."""
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: no network' >&2\nexit 2\n")
    uv.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(PeerMissing, match="no network"):
        peer.environment(tmp_path / "peer")
