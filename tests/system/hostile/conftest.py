"""Both stores, for what hostile input leaves to be written; and the served functions."""

from __future__ import annotations

from tests.adapters.conftest import store
from tests.edge.conftest import _process_as_it_was, certs, services, settings_env, stage

__all__ = ["_process_as_it_was", "certs", "services", "settings_env", "stage", "store"]
