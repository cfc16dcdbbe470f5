"""The environments' plans, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.delivery.terraform.fake_cloud import FakeCloud
from tests.delivery.terraform.plans import Plan, plan

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of a plan; one process of pytest runs them all, so that each plan is made once."""
    for item in items:
        if item.path.parent == HERE:
            if {"ci", "dev", "order", "prod"} & set(getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.terraform)
            if item.get_closest_marker("terraform"):
                item.add_marker(pytest.mark.xdist_group("terraform"))


@pytest.fixture(scope="session")
def dev() -> Plan:
    """The plan of dev."""
    return plan("environments/dev")


@pytest.fixture(scope="session")
def prod() -> Plan:
    """The plan of prod."""
    return plan("environments/prod")


@pytest.fixture(scope="session")
def ci() -> Plan:
    """The plan of the identities of continuous deployment."""
    return plan("ci")


@pytest.fixture
def cloud(tmp_path: Path) -> FakeCloud:
    """A deployed environment without connections."""
    return FakeCloud(tmp_path)
