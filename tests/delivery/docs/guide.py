"""The marketplace of `docs/adding-a-marketplace.md`, built from the document's own code."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType

from local import samples
from local.processes import ROOT
from tests.marketplaces.conformance.market import Market

GUIDE = ROOT / "docs" / "adding-a-marketplace.md"
_BLOCK = re.compile(r"```python\n# (\S+)\n(.*?)```", re.DOTALL)


def sources() -> dict[str, str]:
    """The code by the file it belongs to; blocks of one file follow each other."""
    found: dict[str, list[str]] = {}
    for path, code in _BLOCK.findall(GUIDE.read_text()):
        found.setdefault(path, []).append(code)
    return {path: "\n\n".join(blocks) for path, blocks in found.items()}


@cache
def driftwood() -> Market:
    """The guide's marketplace; only its registration is missing."""
    folder = Path(mkdtemp(prefix="guide-"))
    written = sources()
    connector = _module("orchestrator.marketplaces.driftwood.connector", written, folder)
    sandbox = _module("local.sandbox.driftwood.server", written, folder)
    sample: samples.Sample = eval(written["local/samples.py"], vars(samples).copy())
    return Market(
        sample.marketplace, connector.CONNECTOR, sandbox.Driftwood, sample.settings, sample.credential
    )


def _module(name: str, written: Mapping[str, str], folder: Path) -> ModuleType:
    """Import a file of the guide under the name it would have in the project."""
    path = folder / f"{name}.py"
    path.write_text(written[f"{name.replace('.', '/')}.py"])
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LookupError(name)
    module = importlib.util.module_from_spec(spec)
    # msgspec looks names of annotations up in the module by its name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
