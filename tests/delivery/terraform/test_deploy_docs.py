"""docs/deploy.md says what is true."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from local.processes import ROOT
from orchestrator.cli.app import parser
from tests.delivery.terraform.deploy_docs import (
    CONCURRENCY,
    DEPLOY,
    FILL,
    MEMORY_GIB,
    TASK_S,
    TICKS,
    documented_grants,
    planned_grants,
    with_cost_table,
)
from tests.delivery.terraform.plans import TERRAFORM, Plan

TEXT = DEPLOY.read_text()
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def commands() -> list[str]:
    """Every line of the document's code blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_the_table_of_accounts_is_the_plans(prod: Plan) -> None:
    """Each account, role and resource of the table is in the plan, and the other way round."""
    documented = documented_grants()

    assert set(documented) == planned_grants(prod)
    assert all(len(why) > 10 for why in documented.values())


def test_every_account_is_in_the_table(prod: Plan) -> None:
    """No service account is made that has no row."""
    assert {f"sync-{name}" for name in prod.accounts} <= {account for account, _, _ in documented_grants()}


def test_the_first_lines_count_what_is_made(prod: Plan) -> None:
    """Functions, secrets and service accounts, those of operators aside."""
    words = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}
    first = " ".join(TEXT.partition("\n\n")[2].partition("\n\n")[0].split())
    accounts = [name for name in prod.accounts if not name.startswith("op-")]
    secrets = prod.of("google_secret_manager_secret")
    lanes = [name for name in prod.of("google_pubsub_subscription") if name.endswith(".worker")]

    assert f"the {words[len(prod.of('google_cloudfunctions2_function'))]} functions" in first
    assert f"the queue's {words[len(lanes)]} lanes" in first
    assert f"the scheduler's secret and the vault's {words[len(secrets) - 1]}" in first
    assert f"{words[len(accounts)]} service accounts and one for each operator" in first


def test_the_costs_are_computed() -> None:
    """The table and the text are computed; `python -m tests.delivery.terraform.deploy_docs` writes them."""
    assert with_cost_table(TEXT) == TEXT
    assert f"{TICKS:,.0f} ticks" in TEXT
    assert round(10_000 * 30 * 30.4 * 2 * 1024 / 2**30) == 17
    assert "17 GiB, $2.60" in TEXT


def test_capacity_is_computed(prod: Plan) -> None:
    """What the text says of prod's capacity is prod's."""
    worker = prod.service("worker")
    each, most = worker["max_instance_request_concurrency"], worker["max_instance_count"]
    places = each * most * FILL

    assert (each, worker["available_memory"]) == (CONCURRENCY, f"{MEMORY_GIB}Gi")
    assert f"{each} \N{MULTIPLICATION SIGN} {most} = {each * most}" in TEXT
    assert f"{TASK_S} s ÷ {places:.0f} = {10_000 * TASK_S / places:.0f} s" in TEXT
    assert f"about {TASK_S} seconds, and {CONCURRENCY * FILL:.0f} of them share" in TEXT


def test_names_are_the_plans(ci: Plan, prod: Plan) -> None:
    """Jobs, secrets, topics and functions that commands name are those that Terraform makes."""
    known = {found["name"] for found in prod.resources.values() if found.get("name")}
    known |= {found["secret_id"] for found in prod.resources.values() if found.get("secret_id")}
    known |= {f"sync-{name}" for plan in (ci, prod) for name in plan.accounts}
    named = set(re.findall(r"(?<![\w-])sync-(?!connection-)[a-z][a-z-]*[a-z](?![\w-])", TEXT))

    assert named - {"sync-dev"} <= known
    assert prod.outputs["connection_prefix"] == "sync-connection-"
    assert "projects/$PROJECT/secrets/sync-connection-my-shop/versions/latest" in TEXT
    assert "module.sync.module.store.google_firestore_database.this" in prod.resources


def test_alerts_are_the_plans(prod: Plan) -> None:
    """The table of alerts names each alert, and no other."""
    section = TEXT.partition("## Alerts")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| ([a-z][^|]+) \|", section, flags=re.MULTILINE)
    planned = {
        found["display_name"].removeprefix("sync: ")
        for found in prod.of("google_monitoring_alert_policy").values()
    }

    assert set(documented) - {"alert"} == planned


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("marketplace-sync")])
def test_every_command_line_parses(line: str) -> None:
    """Each documented command is one that the command line takes."""
    assert callable(parser().parse_args(shlex.split(line)[1:]).run)


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"\bmake ([a-z-]+) ENV=", TEXT + WORKFLOW.read_text())))
)
def test_every_make_target_exists(target: str) -> None:
    """What the document and the workflow tell to make can be made, for an environment that exists."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for environment in re.findall(rf"make {target} ENV=(\w+)", TEXT):
        assert (TERRAFORM / "environments" / environment).is_dir()


@pytest.mark.processes
@pytest.mark.parametrize("target", ["deploy", "destroy"])
def test_nothing_is_done_to_an_unnamed_environment(target: str, tmp_path: Path) -> None:
    """Without ENV, or with one that does not exist, nothing is run."""
    for environment in ("", "ENV=staging"):
        done = subprocess.run(
            [
                "make",
                target,
                f"VENV={tmp_path}",
                f"STAMP={tmp_path}",
                "TERRAFORM=false",
                *filter(None, [environment]),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

        assert done.returncode == 2
        assert f"make {target} ENV=dev" in done.stderr


@pytest.mark.processes
def test_a_protected_environment_is_not_destroyed(tmp_path: Path) -> None:
    """`make destroy` asks first whether the environment is protected, and then does nothing."""
    stand_in = tmp_path / "terraform"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\necho true\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["make", "destroy", "ENV=prod", f"TERRAFORM={stand_in}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 2
    assert "prod is protected" in done.stderr
    assert (tmp_path / "called").read_text().splitlines() == [
        "-chdir=terraform/environments/prod output -raw protected"
    ]


def test_what_rebuilds_is_the_archives(prod: Plan) -> None:
    """The paths of the row that builds are in the archive, and those of the row that does not are not."""
    table = TEXT.partition("<!-- rebuilds -->")[2].partition("<!-- /rebuilds -->")[0]
    rows = dict(re.findall(r"^\| (.+) \| (.+) \|$", table, flags=re.MULTILINE))
    archived = {each["filename"] for each in prod.only("module.build.data.archive_file.source")["source"]}

    def named(effect: str) -> set[str]:
        (paths,) = [paths for paths, found in rows.items() if found.startswith(effect) and ".py" in paths]
        return set(re.findall(r"`([^`]+)`", paths))

    for path in named("all three functions are built anew"):
        assert any(f"/{file}".endswith(f"/{path}") or file.startswith(path) for file in archived), path
    for path in named("nothing"):
        assert not any(f"/{file}".endswith(f"/{path}") or file.startswith(path) for file in archived), path


def test_what_was_not_tried_is_listed() -> None:
    """Each row names a file; each wait, and each module that only a real project proves, is in a row."""
    table = TEXT.partition("<!-- untried -->")[2].partition("<!-- /untried -->")[0]
    listed = set(re.findall(r"\(`(terraform/[^`]+\.tf)`\)", table))
    waits = {
        str(path.relative_to(ROOT))
        for path in TERRAFORM.rglob("*.tf")
        if 'resource "time_sleep"' in path.read_text()
        and path.parent.name not in {"build", "github_identity"}
    }
    new = {f"terraform/modules/{name}/main.tf" for name in ("budget", "egress", "github_identity")}

    assert table.count("\n|") - 2 == len(re.findall(r"\(`terraform/", table))
    assert all((ROOT / path).is_file() for path in listed)
    assert waits | new <= listed


def test_each_unproven_resource_names_its_source() -> None:
    """Beside the resource, or at the head of its file, is the page that it relies on."""
    for path in sorted(set(re.findall(r"\(`(terraform/modules/[^`]+\.tf)`\)", TEXT))):
        if path.endswith("deployer.tf"):
            continue  # the table names what it relies on
        comments = [line for line in (ROOT / path).read_text().splitlines() if line.lstrip().startswith("#")]
        assert any(re.search(r"\w+\.(com|io)/\S+", line) for line in comments), path


def test_a_person_is_told_the_quota_project() -> None:
    """The login of the first step names it, before anything is made with it."""
    lines = commands()

    assert lines.index("gcloud auth application-default set-quota-project $PROJECT") < next(
        index for index, line in enumerate(lines) if line.startswith("make deploy") and "DRY=1" not in line
    )


def test_the_quota_is_the_defaults() -> None:
    """The text names prod's instances and the quota of a new project."""
    variables = (TERRAFORM / "environments" / "prod" / "variables.tf").read_text()
    found = re.search(r"default +=[ {]+api = (\d+), worker = (\d+) }", variables)

    assert found is not None
    assert f"begins with {found[1]} instances of the HTTP function\nand {found[2]} of each worker" in TEXT
    assert int(found[1]) + 2 * int(found[2]) == 20
    assert re.search(r'variable "cpu_quota" \{[^}]*default +=+ 20', variables)


def test_the_workflow_is_what_the_document_says() -> None:
    """It tests, plans pull requests, deploys main to dev, and has no stored key."""
    text = WORKFLOW.read_text()
    workflow = yaml.safe_load(text)
    jobs = workflow["jobs"]

    assert set(jobs) == {"test", "packages", "terraform", "plan", "deploy"}
    assert workflow["permissions"] == {"contents": "read"}
    assert jobs["deploy"]["if"] == "github.ref == 'refs/heads/main' && github.event_name == 'push'"
    assert set(jobs["deploy"]["needs"]) == {"test", "terraform"}
    assert "credentials_json" not in text
    for variable in ("PROJECT_ID", "PROJECT_NUMBER", "REGION", "STATE_BUCKET", "OPERATORS", "ALERT_EMAILS"):
        assert f"vars.{variable}" in text
        assert f"`{variable}`" in TEXT
    assert "secrets.SCHEDULER_SECRET" in text
