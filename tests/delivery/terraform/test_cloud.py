"""The tools of a deployment: what they refuse is told."""

from __future__ import annotations

import pytest

from terraform.cloud import CommandFailed, Tools
from tests.delivery.terraform.fake_cloud import FakeCloud


def test_an_environment_that_was_never_applied_is_told(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """Terraform prints no outputs then."""
    cloud.outputs = {}

    assert cloud.prove() == 1

    assert "has not all its outputs" in capsys.readouterr().err


@pytest.mark.processes
def test_a_tool_that_refuses_is_quoted() -> None:
    """The tool's own words are in the error, whichever way it fails."""
    assert Tools().run(["echo", "done"]) == "done\n"
    with pytest.raises(CommandFailed, match="PERMISSION_DENIED: no") as refused:
        Tools().run(["sh", "-c", "echo PERMISSION_DENIED: no >&2; exit 1"])
    assert refused.value.may_pass
    with pytest.raises(CommandFailed, match="no-such-tool") as missing:
        Tools().run(["no-such-tool"])
    assert not missing.value.may_pass
