"""Forms of settings and secrets, as people fill them in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.marketplaces import forms
from orchestrator.marketplaces.registry import REGISTRY


@pytest.mark.parametrize("marketplace", REGISTRY)
def test_every_field_can_be_asked_for(marketplace: str) -> None:
    """It has a name and a meaning; a connector's required fields are marked."""
    for form in (REGISTRY[marketplace].settings, REGISTRY[marketplace].credential):
        found = forms.entries(form)
        assert [each.name for each in found] == [each.encode_name for each in msgspec.structs.fields(form)]
        assert all(each.description for each in found)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("region", "eu", "eu"),
        ("marketplace_ids", "A1, B2", ["A1", "B2"]),
        ("marketplace_ids", '["A1","B2"]', ["A1", "B2"]),
        ("destination", "true", True),
        ("destination", "false", False),
        ("destination", "maybe", "maybe"),
        ("unknown", "x", "x"),
    ],
)
def test_a_value_is_read_by_its_field(name: str, text: str, value: Any) -> None:
    """A text that does not fit is left to the form, which refuses it by name."""
    assert forms.value(REGISTRY["amazon"].settings, name, text) == value


def test_a_broken_list_is_named() -> None:
    """By its field."""
    with pytest.raises(ValueError, match="marketplace_ids: starts with"):
        forms.value(REGISTRY["amazon"].settings, "marketplace_ids", "[A1")


def test_choices_are_told() -> None:
    """For a field that takes some values only."""
    region = next(each for each in forms.entries(REGISTRY["amazon"].settings) if each.name == "region")

    assert (region.required, region.choices) == (True, ("na", "eu", "fe"))
