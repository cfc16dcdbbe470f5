"""Each connector says in plain words which access it needs."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.inspect import Metadata, StructType, type_info

from orchestrator.marketplaces.registry import REGISTRY


@pytest.mark.parametrize("marketplace", REGISTRY)
def test_access_covers_every_stream(marketplace: str) -> None:
    """Every stream has a scope that it cannot do without, and no scope names a stream that is not there."""
    connector = REGISTRY[marketplace]
    needed = {stream for scope in connector.access.scopes if not scope.optional for stream in scope.streams}
    named = {stream for scope in connector.access.scopes for stream in scope.streams}
    assert needed == named == set(connector.streams)
    assert connector.access.menu_path
    assert connector.access.lifetime
    assert connector.access.sources


@pytest.mark.parametrize("marketplace", REGISTRY)
def test_every_field_that_people_fill_in_is_described(marketplace: str) -> None:
    """Settings and credential describe each of their fields."""
    connector = REGISTRY[marketplace]
    for form in (connector.settings, connector.credential):
        assert described(form) == set(form.__struct_fields__)


def described(form: type[msgspec.Struct]) -> set[str]:
    """The names of the fields that have a description."""
    info = type_info(form)
    assert isinstance(info, StructType)
    return {
        field.name
        for field in info.fields
        if isinstance(field.type, Metadata) and (field.type.extra_json_schema or {}).get("description")
    }
