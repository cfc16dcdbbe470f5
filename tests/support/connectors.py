"""The forms and the access of marketplaces that are made up."""

from __future__ import annotations

import msgspec

from orchestrator.marketplaces.session_request import Settings
from orchestrator.marketplaces.spec import Access

OPEN_TO_ALL = Access(menu_path=(), scopes_are="key", scopes=(), lifetime="", sources=())


class NoSettings(Settings, frozen=True, kw_only=True):
    """No settings of its own."""


class NoCredential(msgspec.Struct):
    """A secret without fields."""
