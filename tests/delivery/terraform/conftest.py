"""The environments' plans, made once."""

from __future__ import annotations

import pytest

from tests.delivery.terraform.plans import Plan, plan


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What dev would become."""
    return plan("dev", tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What prod would become."""
    return plan("prod", tmp_path_factory.mktemp("terraform"))
