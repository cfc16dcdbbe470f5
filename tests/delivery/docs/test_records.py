"""docs/records.md is the types' and the connectors' own text."""

from __future__ import annotations

import pytest

from orchestrator.marketplaces.registry import REGISTRY
from tests.delivery.docs import records

TEXT = records.PAGE.read_text()


def test_the_generated_parts_are_the_types() -> None:
    """`make docs` writes them anew."""
    assert records.with_parts(TEXT) == TEXT
    assert all(f"<!-- {marker} -->" in TEXT for marker in records.parts())


@pytest.mark.parametrize("marketplace", REGISTRY)
def test_a_mapping_names_fields_that_there_are(marketplace: str) -> None:
    """A field that was renamed is renamed there."""
    assert records.mappings()[marketplace].keys() - records.paths() == set()
