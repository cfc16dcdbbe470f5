"""Which of GitHub's tokens get an identity: the conditions of the plan, evaluated on tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest
import yaml

from local.processes import ROOT
from tests.delivery.terraform.plans import TERRAFORM, Plan

_TERM = re.compile(r"assertion\.(\w+)(?: == '([^']*)'|\.startsWith\('([^']*)'\))")
_WORKFLOW = "an-owner/a-repository/.github/workflows/ci.yml"
#: Claims of tokens (docs.github.com/en/actions/reference/security/oidc).
PUSH = {
    "repository": "an-owner/a-repository",
    "repository_id": "1234567",
    "environment": "dev",
    "event_name": "push",
    "ref": "refs/heads/main",
    "workflow_ref": f"{_WORKFLOW}@refs/heads/main",
}
PULL = {
    **PUSH,
    "environment": "plan",
    "event_name": "pull_request",
    "base_ref": "main",
    "ref": "refs/pull/7/merge",
    "workflow_ref": f"{_WORKFLOW}@refs/pull/7/merge",
}


def holds(condition: str, claims: Mapping[str, str]) -> bool:
    """Whether a condition of CEL holds, as far as the conditions use CEL: terms joined by `&&`."""
    for term in condition.split(" && "):
        parsed = _TERM.fullmatch(term)
        assert parsed is not None, f"not understood: {term}"
        name, whole, beginning = parsed.groups()
        # A claim that is absent is an error in CEL, which refuses the token.
        if name not in claims or not (
            claims[name] == whole if whole is not None else claims[name].startswith(beginning)
        ):
            return False
    return True


def identities(ci: Plan, claims: Mapping[str, str]) -> set[str]:
    """The accounts that a token can be exchanged for."""
    accounts = set()
    for found in ci.of("google_iam_workload_identity_pool_provider").values():
        if not holds(found["attribute_condition"], claims):
            continue
        (attribute,) = set(found["attribute_mapping"]) - {"google.subject"}
        value = claims[found["attribute_mapping"][attribute].removeprefix("assertion.")]
        for grant in ci.of("google_service_account_iam_member").values():
            if grant["member"].endswith(f"/{attribute}/{value}"):
                accounts.add(grant["service_account_id"].rpartition("/")[2].partition("@")[0])
    return accounts


def test_the_branch_deploys_and_its_pull_requests_plan(ci: Plan) -> None:
    """Each has one identity, and not the other's."""
    assert identities(ci, PUSH) == {"sync-deployer"}
    assert identities(ci, PULL) == {"sync-planner"}


@pytest.mark.parametrize("claims", [PUSH, PULL], ids=["push", "pull-request"])
@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("repository", "an-owner/another"),
        ("repository", "somebody/a-repository"),
        # One that was made under the name of a deleted one.
        ("repository_id", "7654321"),
        ("environment", "prod"),
        ("event_name", "workflow_dispatch"),
        ("event_name", "pull_request_target"),
        ("workflow_ref", "an-owner/a-repository/.github/workflows/other.yml@refs/heads/main"),
        ("workflow_ref", "an-owner/a-repository/.github/workflows/other.yml@refs/pull/7/merge"),
        ("workflow_ref", f"{_WORKFLOW}@refs/heads/feature"),
        ("workflow_ref", f"somebody/{_WORKFLOW}@refs/heads/main"),
        # A job without an environment has no such claim.
        ("environment", None),
    ],
)
def test_a_wrong_claim_is_nobody(ci: Plan, claims: dict[str, str], claim: str, value: str | None) -> None:
    """Another repository, event, workflow or environment, or a job without an environment."""
    others = {name: right for name, right in claims.items() if name != claim}

    assert identities(ci, others | ({} if value is None else {claim: value})) == set()


@pytest.mark.parametrize("ref", ["refs/heads/feature", "refs/tags/main", "refs/pull/7/merge"])
def test_no_other_branch_deploys(ci: Plan, ref: str) -> None:
    """Nor if its own copy of the workflow asks for it."""
    assert identities(ci, {**PUSH, "ref": ref}) == set()
    assert identities(ci, {**PUSH, "ref": ref, "workflow_ref": f"{_WORKFLOW}@{ref}"}) == set()


def test_a_pull_request_to_another_branch_plans_nothing(ci: Plan) -> None:
    """Only those to the branch that deploys."""
    assert identities(ci, {**PULL, "base_ref": "feature"}) == set()


def test_the_planner_may_read_all_that_is_planned(ci: Plan, prod: Plan) -> None:
    """Every kind of resource is in its list, with the permissions that it needs to read it, and no more."""
    text = (TERRAFORM / "modules" / "github_identity" / "planner.tf").read_text()
    reads = {
        kind: set(re.findall(r'"([^"]+)"', permissions))
        for kind, permissions in re.findall(r"^    (google_\w+) += \[(.*)\]$", text, re.MULTILINE)
    }
    kinds = {re.sub(r"\[.*?\]", "", address).split(".")[-2] for address in prod.resources}
    written = set(re.findall(r'^resource "(google_\w+)"', _modules(), re.MULTILINE))
    elsewhere = {
        "google_billing_budget",  # on the billing account
        "google_project_service_identity",  # nothing is read
        "google_storage_bucket_object",  # a role on the source's bucket
    }

    assert {kind for kind in kinds if kind.startswith("google_")} - elsewhere <= set(reads)
    assert written - elsewhere == set(reads) - {"google_project"}
    (role,) = ci.of("google_project_iam_custom_role").values()
    assert set(role["permissions"]) == {"serviceusage.services.use"}.union(*reads.values())


def test_the_documented_roles_make_the_static_address() -> None:
    """A network's administrator makes no firewalls (cloud.google.com/iam/docs/roles-permissions/compute)."""
    makers = {
        "google_compute_firewall": "compute.securityAdmin",
        "google_vpc_access_connector": "vpcaccess.admin",
    }
    text = (TERRAFORM / "modules" / "egress" / "main.tf").read_text()
    kinds = re.findall(r'^resource "(google_\w+)"', text, re.MULTILINE)
    needed = {makers.get(kind, "compute.networkAdmin") for kind in kinds}
    (documented,) = re.findall(r"deployer_roles=(\[[^\]]*\])", (ROOT / "docs" / "deploy.md").read_text())
    described = (TERRAFORM / "ci" / "variables.tf").read_text().partition("\n}\n")[0]

    assert set(json.loads(documented)) == needed
    assert needed <= set(re.findall(r"\w+\.\w+Admin|\w+\.admin", described))


def _modules() -> str:
    """All of the modules that an environment is made of."""
    folders = [folder for folder in (TERRAFORM / "modules").iterdir() if folder.name != "github_identity"]
    return "".join(path.read_text() for folder in folders for path in sorted(folder.glob("*.tf")))


def test_the_workflow_asks_for_these_identities(ci: Plan) -> None:
    """Each job names the provider, account and GitHub environment that it is let in by."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    for name, claims in (("deploy", PUSH), ("plan", PULL)):
        (signing_in,) = [
            step["with"]
            for step in jobs[name]["steps"]
            if "google-github-actions/auth" in step.get("uses", "")
        ]
        pool = ci.only_of("google_iam_workload_identity_pool")["workload_identity_pool_id"]

        assert jobs[name]["environment"] == claims["environment"]
        assert signing_in["workload_identity_provider"].endswith(
            f"/workloadIdentityPools/{pool}/providers/{name}"
        )
        assert signing_in["service_account"].partition("@")[0] in identities(ci, claims)


def test_every_login_names_the_project_for_its_quota() -> None:
    """A person's login without one is refused by some APIs."""
    for folder in ("ci", "environments/dev", "environments/prod"):
        text = (TERRAFORM / folder / "versions.tf").read_text()
        providers = re.findall(r'^provider "google[^"]*" \{(.*?)^\}', text, re.MULTILINE | re.DOTALL)

        assert providers
        for provider in providers:
            assert re.search(r"^  billing_project += var\.project_id$", provider, re.MULTILINE)
            assert re.search(r"^  user_project_override += true$", provider, re.MULTILINE)
