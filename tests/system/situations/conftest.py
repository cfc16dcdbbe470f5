"""A stage for each situation, and the alerts as they are deployed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.delivery.terraform.plans import Plan, plan
from tests.support.issuer import Issuer
from tests.system.situations.faces import Person, person
from tests.system.situations.stage import Stage, staged

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process of pytest runs all tests of a plan, so that it is made once."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.terraform)
            item.add_marker(pytest.mark.xdist_group("terraform"))


@pytest.fixture(scope="session")
def certificates() -> Iterator[Issuer]:
    """Google's certificates, for operators' tokens."""
    with Issuer().serving() as running:
        yield running


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificates: Issuer) -> Iterator[Stage]:
    """The product."""
    with staged(tmp_path, monkeypatch, certificates) as made:
        yield made


@pytest.fixture
def short_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificates: Issuer) -> Iterator[Stage]:
    """The product; a run is over after ten minutes, whatever is left to read."""
    limits = {"RUN_SECONDS": "600", "SLICE_SECONDS": "240"}
    with staged(tmp_path, monkeypatch, certificates, **limits) as made:
        yield made


@pytest.fixture
def alerts() -> Callable[[], Plan]:
    """The plan of prod, made when it is asked for: without terraform all else is tested."""
    return lambda: plan("environments/prod")


@pytest.fixture
def ann(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Person]:
    """The person who is called at night."""
    name = "short_runs" if "short_runs" in request.fixturenames else "stage"
    with person(request.getfixturevalue(name), capsys, monkeypatch) as made:
        yield made
