"""The wait for permissions at the end of a deployment: new ones take minutes to arrive."""

from __future__ import annotations

import pytest

from orchestrator.errors import StoreUnavailable
from terraform.waiting import USUAL
from tests.delivery.terraform.fake_cloud import FakeCloud

RUN_JOB = "gcloud scheduler jobs run"


@pytest.mark.parametrize("word", ["PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND"])
def test_gclouds_missing_permission_is_waited_for(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    """After a first apply permissions need minutes; a line says so."""
    cloud.refusals = {RUN_JOB: [f"{word}: not yet"] * 30}

    assert cloud.prove() == 0

    out = capsys.readouterr().out
    assert f"{word}: not yet" in out
    assert "Trying again for up to 8 minutes: new permissions take minutes to arrive." in out
    assert 2 <= out.count("Trying again") <= 5


def test_another_refusal_of_gcloud_is_an_error_at_once(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is waited for that time does not bring."""
    cloud.refusals = {RUN_JOB: ["INVALID_ARGUMENT: odd"]}

    assert cloud.prove() == 1

    assert "INVALID_ARGUMENT: odd" in capsys.readouterr().err
    assert cloud.world.clock.monotonic() == 0


def test_a_permission_that_never_arrives_ends_the_wait(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last refusal is the error."""
    cloud.refusals = {RUN_JOB: ["PERMISSION_DENIED: never"] * 10_000}

    assert cloud.prove() == 1

    assert "PERMISSION_DENIED: never" in capsys.readouterr().err
    assert cloud.world.clock.monotonic() == pytest.approx(USUAL.permission_s)


def test_the_databases_missing_permission_is_waited_for(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database itself may refuse at first."""
    store, query = cloud.world.store, cloud.world.store.query
    left = [1, 1]

    def refuse(*arguments: object) -> object:
        if left:
            left.pop()
            raise StoreUnavailable("runs: PermissionDenied: Missing or insufficient permissions.")
        return query(*arguments)  # type: ignore[arg-type] # the arguments are the method's own

    monkeypatch.setattr(store, "query", refuse)

    assert cloud.prove() == 0

    assert "Refused: runs: PermissionDenied" in capsys.readouterr().out
