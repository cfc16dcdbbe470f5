"""Plans of the environments, as `terraform test` makes them with mocked providers: nothing is called."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from local.processes import ROOT

TERRAFORM = ROOT / "terraform"
#: The scheduler's secret in the environments' tests.
SECRET = "0123456789abcdef0123456789abcdef"
PROJECT = "a-project"
#: A real terraform with the providers' schemas and without network, if it lies beside the repository.
_OFFLINE = ROOT.parent / "shared" / "terraform-offline" / "terraform"
_TIMEOUT_S = 300
_INIT = ("-backend=false", "-input=false", "-no-color")


@dataclass(frozen=True)
class Plan:
    """The planned resources of one environment."""

    #: Attributes after the plan is applied, by address.
    resources: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Any]

    def of(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """All resources of a type, by address."""
        return {address: found for address, found in self.resources.items() if f".{kind}." in f".{address}"}

    def only_of(self, kind: str) -> Mapping[str, Any]:
        """The only resource of a type."""
        (found,) = self.of(kind).values()
        return found

    def only(self, address: str) -> Mapping[str, Any]:
        """A resource by its address within the environment's module."""
        return self.resources[f"module.sync.{address}"]

    @cached_property
    def accounts(self) -> dict[str, str]:
        """The service accounts' e-mails by purpose, which their names tell: `api`, `op-jane`."""
        emails = [found["email"] for found in self.of("google_service_account").values()]
        return {email.partition("@")[0].removeprefix("sync-"): email for email in emails}

    def function(self, name: str) -> Mapping[str, Any]:
        """A function: `api` or `worker`."""
        return self.only(f"module.{name}.google_cloudfunctions2_function.this")

    def service(self, name: str) -> Mapping[str, Any]:
        """A function's `service_config`."""
        config: Mapping[str, Any] = self.function(name)["service_config"][0]
        return config

    def environment(self, name: str) -> dict[str, str]:
        """A function's environment, with the platform's own variables."""
        platform = {
            "K_SERVICE": self.function(name)["name"],
            "FUNCTION_TARGET": self.function(name)["build_config"][0]["entry_point"],
            "CLOUD_RUN_TIMEOUT_SECONDS": str(self.service(name)["timeout_seconds"]),
        }
        return {**self.service(name)["environment_variables"], **platform}


def terraform() -> str:
    """The terraform to use; without a usable one the test is skipped, or fails if it is required."""
    found = os.environ.get("TERRAFORM") or (str(_OFFLINE) if _OFFLINE.exists() else shutil.which("terraform"))
    reason = "there is no terraform on the PATH" if found is None else _unusable(found)
    if found is None or reason is not None:
        if os.environ.get("REQUIRE_TERRAFORM") == "1":
            pytest.fail(f"REQUIRE_TERRAFORM=1: {reason}")
        pytest.skip(str(reason))
    return found


@functools.cache
def _unusable(command: str) -> str | None:
    """Why a terraform cannot be used, in one line; it may be unable to reach the providers' registry."""
    with tempfile.TemporaryDirectory() as data:
        arguments = [command, f"-chdir={TERRAFORM / 'environments' / 'dev'}", "init", *_INIT]
        try:
            done = subprocess.run(
                arguments,
                env={**os.environ, "TF_DATA_DIR": data, "TF_IN_AUTOMATION": "1"},
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{command} init: {error}"
    said = " ".join((done.stderr or done.stdout).split())[:300]
    return f"{command} init: {said}" if done.returncode else None


def run(folder: str, data: Path, *arguments: str) -> str:
    """What terraform prints for a folder of `terraform/`, after its `init`; it keeps its files in `data`."""
    printed = ""
    for words in (("init", *_INIT), arguments):
        command = [terraform(), f"-chdir={TERRAFORM / folder}", *words]
        done = subprocess.run(
            command,
            env={**os.environ, "TF_DATA_DIR": str(data / folder), "TF_IN_AUTOMATION": "1"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{' '.join(command)}:\n{done.stdout[-4000:]}{done.stderr}")
        printed = done.stdout
    return printed


@functools.cache
def plan(folder: str) -> Plan:
    """Plan a folder that can be applied: `ci`, or an environment. It is planned once a process."""
    with tempfile.TemporaryDirectory() as data:
        return _plan(folder, Path(data))


def _plan(folder: str, data: Path) -> Plan:
    for line in run(folder, data, "test", "-json", "-verbose").splitlines():
        found = json.loads(line)
        if found["type"] == "test_plan" and found["@testrun"] == "plan":
            planned = found["test_plan"]
            return Plan(
                {change["address"]: change["change"]["after"] for change in planned["resource_changes"]},
                {name: change["after"] for name, change in planned["output_changes"].items()},
            )
    raise LookupError(f"{folder} has no run block `plan`")
