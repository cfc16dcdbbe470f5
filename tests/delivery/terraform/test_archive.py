"""The source archive holds exactly what the functions need."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import urllib3

from local.processes import ROOT, Processes, free_ports
from tests.delivery.terraform.plans import Plan

_INSTALL_S = 600


def archived(plan: Plan) -> dict[str, str]:
    """The archive's files and their contents, as Terraform hands them to the archive provider."""
    source = plan.only("module.build.data.archive_file.source")["source"]
    return {each["filename"]: each["content"] for each in source}


def imported(path: Path) -> set[Path]:
    """The project's files that a file imports anywhere, with their packages."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found: set[Path] = set()
    for name in names:
        parts = name.split(".")
        if parts[0] not in {"functions", "orchestrator"}:
            continue
        packages = [ROOT.joinpath(*parts[:length], "__init__.py") for length in range(1, len(parts) + 1)]
        found |= {file for file in (*packages, ROOT.joinpath(*parts).with_suffix(".py")) if file.is_file()}
    return found


def needed() -> set[str]:
    """main.py, and all that it imports, directly or not."""
    found: set[Path] = set()
    waiting = {ROOT / "main.py"}
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= imported(path) - found
    return {str(path.relative_to(ROOT)) for path in found}


def test_the_archive_holds_what_main_imports(prod: Plan) -> None:
    """No file is missing, and none is there that no function needs.

    What only the command line uses is left out by name, in terraform/modules/build/main.tf.
    """
    assert set(archived(prod)) == needed() | {"requirements.txt"}


@pytest.mark.terraform
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_archives_name_is_its_contents(request: pytest.FixtureRequest, environment: str) -> None:
    """The name follows from names and contents alone, so it is the same wherever it is deployed from."""
    plan: Plan = request.getfixturevalue(environment)
    lines = [
        f"{hashlib.sha256(content.encode()).hexdigest()}  {name}"
        for name, content in sorted(archived(plan).items())
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()

    uploaded = plan.only("module.build.google_storage_bucket_object.source")
    assert uploaded["name"] == f"source-{digest}.zip"


def test_the_functions_are_built_from_the_archive(prod: Plan) -> None:
    """Both functions are built from the object that the archive is uploaded as."""
    uploaded = prod.only("module.build.google_storage_bucket_object.source")
    for name in ("api", "worker"):
        (source,) = prod.function(name)["build_config"][0]["source"]
        (stored,) = source["storage_source"]
        assert (stored["bucket"], stored["object"]) == (uploaded["bucket"], uploaded["name"])


@pytest.mark.processes
def test_both_functions_start_from_the_archive_alone(prod: Plan, tmp_path: Path) -> None:
    """In an empty environment the pinned requirements install, and both functions answer as they should."""
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as archive:
        for name, content in archived(prod).items():
            archive.writestr(name, content)
    with zipfile.ZipFile(tmp_path / "source.zip") as archive:
        archive.extractall(tmp_path / "workspace")
    binaries = tmp_path / "venv" / "bin"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, timeout=_INSTALL_S)
    requirements = tmp_path / "workspace" / "requirements.txt"
    subprocess.run(
        [
            binaries / "pip",
            "install",
            "-qq",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
            requirements,
        ],
        check=True,
        timeout=_INSTALL_S,
    )
    http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(30.0))
    api, worker = free_ports(2)
    with Processes(tmp_path / "logs") as processes:
        for name, port in (("api", api), ("worker", worker)):
            # As the platform starts a function without a trigger of its own.
            environment = {
                **prod.environment(name),
                "FUNCTION_SIGNATURE_TYPE": "http",
                # No platform gives credentials here, and google-auth looks for one for long.
                "NO_GCE_CHECK": "true",
                "FUNCTION_SOURCE": str(tmp_path / "workspace" / "main.py"),
                "PATH": str(binaries),
                "PORT": str(port),
            }
            processes.start(name, [str(binaries / "functions-framework")], environment)
            processes.wait_ready(name, f"http://127.0.0.1:{port}/")
        refused = http.request("POST", f"http://127.0.0.1:{api}/api/sync/scheduler")
        pushed = http.request(
            "POST",
            f"http://127.0.0.1:{worker}/projects/a-project/topics/sync-tasks",
            body=json.dumps({"message": {"messageId": "1"}, "subscription": "s"}),
            headers={"Content-Type": "application/json"},
        )
        looked = http.request("GET", f"http://127.0.0.1:{worker}/")
        log = (tmp_path / "logs" / "worker.log").read_text()

    assert refused.status == 401
    # What holds no message is kept among the dead letters, and delivered again while that is impossible.
    assert pushed.status == 503
    assert "message_redelivered" in log or "message_crashed" in log
    # The worker stays a CloudEvent function, although the platform calls it an HTTP one.
    assert looked.status == 405
