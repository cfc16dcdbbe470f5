"""The guide's marketplace, built from the guide's own code, passes the tests of every connector."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local import samples
from local.processes import ROOT
from orchestrator.marketplaces.registry import REGISTRY
from tests.delivery.docs.examples import EXAMPLES
from tests.delivery.docs.guide import GUIDE, driftwood, sources
from tests.marketplaces.conformance.case import opened
from tests.marketplaces.conformance.faults import SWITCHES, size_for, survives
from tests.marketplaces.conformance.rules import LIMITED, RULES

STREAMS = ("orders", "products", "inventory")


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("stream", STREAMS)
def test_the_guides_connector_keeps_the_rule(stream: str, rule: str, tmp_path: Path) -> None:
    """A connector written in one file keeps every rule, with no change elsewhere but its registration."""
    with opened(driftwood(), stream, tmp_path, small_buckets=rule in LIMITED) as case:
        RULES[rule](case)


@pytest.mark.long
@pytest.mark.parametrize("fault", SWITCHES)
@pytest.mark.parametrize("stream", STREAMS)
def test_the_guides_connector_survives_the_fault(stream: str, fault: str, tmp_path: Path) -> None:
    """The fault ends in its error, and nothing is lost."""
    switch = SWITCHES[fault]
    with opened(driftwood(), stream, tmp_path, size=size_for(driftwood(), stream, switch)) as case:
        survives(case, switch)


@pytest.mark.processes
def test_the_guides_code_is_as_the_projects() -> None:
    """The code of the guide is formatted and linted like all code, by the rules of the place it goes to."""
    for path in ("orchestrator/marketplaces/driftwood/connector.py", "local/sandbox/driftwood/server.py"):
        for command in (["format", "--check"], ["check"]):
            subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--stdin-filename", path, "-"],
                input=sources()[path],
                cwd=ROOT,
                text=True,
                timeout=300,
                check=True,
                capture_output=True,
            )


def test_the_guide_is_short_of_nothing_that_is_registered() -> None:
    """The places that it names for a registration are those of the registered marketplaces."""
    text = GUIDE.read_text()
    for name in REGISTRY:
        assert f'"{name}": ' in (ROOT / "orchestrator/marketplaces/registry.py").read_text()
        assert f'"{name}": ' in (ROOT / "local/sandbox/registry.py").read_text()
        assert f'"{name}"' in (ROOT / "orchestrator/model/connection.py").read_text()
        assert any(sample.marketplace == name for sample in samples.SAMPLES)
        assert name in EXAMPLES
    for path in (
        "orchestrator/marketplaces/registry.py",
        "orchestrator/model/connection.py",
        "local/samples.py",
        "tests/delivery/docs/examples.py",
    ):
        assert f"`{path}`" in text
