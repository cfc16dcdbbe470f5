"""Each process has the same port at each start, and two stacks never have one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from local import ports
from local.processes import free_ports
from local.samples import MARKETPLACES


@pytest.fixture
def preferred() -> dict[str, int]:
    """Two ports that were free a moment ago."""
    return dict(zip(("api", "worker"), free_ports(2), strict=True))


def test_preferred_ports_are_taken_and_given_back(tmp_path: Path, preferred: dict[str, int]) -> None:
    """A second start has them too, and they are free to listen to."""
    for _ in range(2):
        with ports.claimed(tmp_path / "ports.json", preferred) as taken:
            assert taken == preferred
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", taken["api"]))


def test_a_second_stack_has_other_ports_before_the_first_listens(
    tmp_path: Path, preferred: dict[str, int]
) -> None:
    """The first stack's claim counts, and the second keeps its ports when the first has ended."""
    second = tmp_path / "second.json"
    with (
        ports.claimed(tmp_path / "first.json", preferred) as first,
        ports.claimed(second, preferred) as taken,
    ):
        assert not set(first.values()) & set(taken.values())
    with ports.claimed(second, preferred) as again:
        assert again == taken


def test_a_port_of_another_program_is_passed_over(tmp_path: Path, preferred: dict[str, int]) -> None:
    """Only this process gets another port, some steps further."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", preferred["api"]))
        other.listen()
        with ports.claimed(tmp_path / "ports.json", preferred) as taken:
            assert taken["worker"] == preferred["worker"]
            assert taken["api"] != preferred["api"]
            assert (taken["api"] - preferred["api"]) % 20 == 0


def test_ports_are_found_when_none_can_be_claimed(
    tmp_path: Path, preferred: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel chooses, and never one port twice."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "missing"))
    with ports.claimed(tmp_path / "ports.json", preferred) as taken:
        assert len(set(taken.values())) == 2
        assert set(taken.values()).isdisjoint(preferred.values())


def test_a_broken_file_of_ports_is_written_again(tmp_path: Path, preferred: dict[str, int]) -> None:
    """It is only a memory."""
    file = tmp_path / "ports.json"
    file.write_text("{")
    with ports.claimed(file, preferred) as taken:
        assert taken == preferred
    assert "api" in file.read_text()


def test_a_marketplace_more_has_a_port_too() -> None:
    """Nobody has to list it again; the emulators' ports stay free for them."""
    wanted = ports.preferred([*MARKETPLACES, "driftwood"])

    assert wanted["sandbox-driftwood"] == 8083 + len(MARKETPLACES)
    assert len(set(wanted.values())) == len(wanted) == 3 + len(MARKETPLACES) + 1 + 3
