"""Programs of this machine that a test needs."""

from __future__ import annotations

import shutil

import pytest

#: Documented commands call it; CI refuses to begin without it.
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on the PATH")
