"""What Terraform deploys and what the code needs are the same thing."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace

import pytest

from local.google import topics
from local.processes import ROOT
from orchestrator.errors import SettingsInvalid
from orchestrator.model.run import RunStatus
from orchestrator.settings import Settings, http_settings
from orchestrator.settings_table import MARGIN_SECONDS, SETTINGS
from terraform.cloud import Job, Outputs
from tests.delivery.terraform.plans import PROJECT, SECRET, TERRAFORM, Plan

#: What the environment holds for the framework and not for us.
FRAMEWORK = {"THREADS", "LOG_EXECUTION_ID"}
PLATFORM = {"K_SERVICE", "FUNCTION_TARGET", "CLOUD_RUN_TIMEOUT_SECONDS"}


def job(plan: Plan) -> dict[str, object]:
    """The HTTP target of the scheduler's job."""
    target: dict[str, object] = plan.only("module.scheduler.google_cloud_scheduler_job.this")["http_target"][
        0
    ]
    return target


def test_both_environments_have_the_same_shape(dev: Plan, prod: Plan) -> None:
    """Nothing exists in one environment only."""
    assert set(dev.resources) == set(prod.resources)


def test_entry_points_are_the_functions_of_main(prod: Plan) -> None:
    """Each function is built from a function of main.py with its own name, decorated for its own kind."""
    tree = ast.parse((ROOT / "main.py").read_text())
    defined = {
        node.name: ast.unparse(node.decorator_list[0])
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }

    assert defined == {
        "sync_api": "functions_framework.http",
        "sync_worker": "functions_framework.cloud_event",
    }
    assert {prod.function(name)["build_config"][0]["entry_point"] for name in ("api", "worker")} == set(
        defined
    )


def test_the_api_function_starts_with_its_environment(prod: Plan) -> None:
    """The HTTP function accepts what it is given, and it says what the rest of the plan says."""
    settings, auth = http_settings(prod.environment("api"))

    assert not settings.is_development
    assert settings.google_cloud_project == PROJECT
    assert settings.firestore_database == prod.only("module.store.google_firestore_database.this")["name"]
    assert settings.sync_queue == f"pubsub:{prod.only('module.queue.google_pubsub_topic.tasks')['name']}"
    assert auth.requires_token
    assert auth.scheduler_service_account == prod.accounts["scheduler"]
    assert auth.operators == {prod.accounts["op-jane"]}
    assert auth.secret_is_reference
    secret = prod.only("module.secrets.google_secret_manager_secret.scheduler[0]")["secret_id"]
    assert auth.scheduler_secret.reveal() == f"projects/{PROJECT}/secrets/{secret}/versions/latest"


def test_the_worker_starts_with_its_environment(prod: Plan) -> None:
    """The worker accepts what it is given, with the time-out that the platform tells it."""
    worker, api = Settings.from_environment(prod.environment("worker")), prod.environment("api")

    assert worker.vault_keyset
    assert "VAULT_KEYSET" not in api
    assert replace(worker, vault_keyset="") == http_settings(api)[0]


@pytest.mark.parametrize("function", ["api", "worker"])
def test_no_variable_is_unknown(prod: Plan, function: str) -> None:
    """Every variable is a setting, or one of the framework's."""
    assert set(prod.environment(function)) - PLATFORM - FRAMEWORK <= set(SETTINGS)


@pytest.mark.parametrize("function", ["api", "worker"])
def test_no_variable_is_missing(prod: Plan, function: str) -> None:
    """Each function is given every setting that it cannot do without, and none that only others read."""
    environment = prod.environment(function)
    everyones = {name for name, row in SETTINGS.items() if row.needed_by.startswith("both")}
    emulators = {name for name in SETTINGS if "EMULATOR" in name}

    assert everyones - emulators <= set(environment)
    assert function == "api" or (set(SETTINGS) - everyones) & set(environment) == {"VAULT_KEYSET"}
    for name in ("GOOGLE_CLOUD_PROJECT", "SYNC_QUEUE"):
        without = {key: value for key, value in environment.items() if key != name}
        with pytest.raises(SettingsInvalid, match=name):
            Settings.from_environment(without)


def test_the_tick_is_made_out_to_the_function(prod: Plan) -> None:
    """The job's audience is the URL that the function expects, and the tick goes to that URL."""
    audience = http_settings(prod.environment("api"))[1].audience

    assert audience == prod.outputs["url"]
    target = job(prod)
    assert target["uri"] == f"{audience}/api/sync/scheduler"
    assert target["oidc_token"] == [
        {"audience": audience, "service_account_email": prod.accounts["scheduler"]}
    ]
    assert re.fullmatch(rf"https://{prod.function('api')['name']}-\d+\.europe-west1\.run\.app", audience)


@pytest.mark.parametrize(
    ("queue", "worker", "account", "lane"),
    [
        ("queue", "worker", "push", topics.FIRST_LANE),
        ("queue_backfill", "worker_backfill", "push-backfill", topics.BACKFILL_LANE),
    ],
)
def test_pushes_are_made_out_to_the_worker(
    prod: Plan, queue: str, worker: str, account: str, lane: topics.Lane
) -> None:
    """Pub/Sub calls the lane's worker as its push account, with the topic in the path."""
    push = prod.only(f"module.{queue}.google_pubsub_subscription.worker")["push_config"][0]
    token = push["oidc_token"][0]

    assert re.fullmatch(
        rf"https://{prod.function(worker)['name']}-\d+\.europe-west1\.run\.app", token["audience"]
    )
    assert push["push_endpoint"] == f"{token['audience']}/projects/{PROJECT}/topics/{lane.topic}"
    assert token["service_account_email"] == prod.accounts[account]


def test_the_proof_of_a_deployment_knows_the_names_of_both_lanes(prod: Plan) -> None:
    """It tells people which service and which subscription to look at."""
    job = prod.only("module.scheduler.google_cloud_scheduler_job.this")["name"]
    outputs = Outputs(command_line_environment="", project_id="", scheduler=Job(job, ""), url="")

    for lane, worker, queue in (
        (outputs.first, "worker", "queue"),
        (outputs.backfill, "worker_backfill", "queue_backfill"),
    ):
        assert lane.worker == prod.function(worker)["name"]
        assert lane.subscription == prod.only(f"module.{queue}.google_pubsub_subscription.worker")["name"]


def test_both_lanes_have_the_same_worker(prod: Plan) -> None:
    """The same code, settings and number of instances; continuations have whole slices and fewer at once."""
    first, backfill = (prod.service(name) for name in ("worker", "worker_backfill"))
    settings = Settings.from_environment(prod.environment("worker"))

    assert Settings.from_environment(prod.environment("worker_backfill")) == settings
    assert (settings.sync_queue, settings.sync_queue_backfill) == (
        f"pubsub:{topics.TOPIC}",
        f"pubsub:{topics.BACKFILL_LANE.topic}",
    )
    assert (settings.first_slice_seconds, settings.slice_seconds) == (60, 480)
    assert first["max_instance_count"] == backfill["max_instance_count"]
    assert first["max_instance_request_concurrency"] == 32
    assert backfill["max_instance_request_concurrency"] == 8


@pytest.mark.parametrize(
    ("queue", "lane"), [("queue", topics.FIRST_LANE), ("queue_backfill", topics.BACKFILL_LANE)]
)
def test_the_queue_is_the_local_stacks(prod: Plan, queue: str, lane: topics.Lane) -> None:
    """The emulator's topics and subscriptions, which all is tested on, are made like the real ones."""
    subscription = prod.only(f"module.{queue}.google_pubsub_subscription.worker")

    assert prod.only(f"module.{queue}.google_pubsub_topic.tasks")["name"] == lane.topic
    assert prod.only(f"module.{queue}.google_pubsub_topic.dead")["name"] == lane.dead
    assert subscription["name"] == lane.subscription
    assert prod.only(f"module.{queue}.google_pubsub_subscription.dead")["name"] == lane.dead
    assert subscription["ack_deadline_seconds"] == topics.ACK_DEADLINE_S
    assert subscription["retry_policy"] == [
        {"minimum_backoff": f"{topics.MIN_BACKOFF_S}s", "maximum_backoff": f"{topics.MAX_BACKOFF_S}s"}
    ]
    policy = subscription["dead_letter_policy"][0]
    assert policy["max_delivery_attempts"] == topics.MAX_DELIVERY_ATTEMPTS
    assert policy["dead_letter_topic"].endswith(f"/{lane.dead}")


def test_consumers_are_told_by_a_topic_of_their_own(prod: Plan) -> None:
    """Both functions know it, the worker alone publishes to it, and no subscription of ours reads it."""
    topic = prod.only("google_pubsub_topic.changes[0]")["name"]
    grants = prod.of("google_pubsub_topic_iam_member").values()

    assert topic == topics.CHANGES_TOPIC
    for function in ("api", "worker"):
        assert Settings.from_environment(prod.environment(function)).sync_changes == f"pubsub:{topic}"
    assert [(found["role"], found["member"]) for found in grants if found["topic"] == topic] == [
        ("roles/pubsub.publisher", f"serviceAccount:{prod.accounts['worker']}")
    ]
    assert all(found["topic"] != topic for found in prod.of("google_pubsub_subscription").values())


def test_times_are_in_order(prod: Plan) -> None:
    """Slice and margin < time-out ≤ ack deadline ≤ lease; tasks fail before their messages die."""
    settings = Settings.from_environment(prod.environment("worker"))
    timeout = prod.service("worker")["timeout_seconds"]
    subscription = prod.only("module.queue.google_pubsub_subscription.worker")

    assert settings.slice_seconds + MARGIN_SECONDS < timeout
    assert timeout <= subscription["ack_deadline_seconds"] <= settings.lease_seconds
    assert settings.max_attempts < subscription["dead_letter_policy"][0]["max_delivery_attempts"]


def test_exactly_these_callers_are_let_in(prod: Plan) -> None:
    """The API takes the scheduler and the operators, the worker the push account, and nobody else anybody."""
    invokers = {
        (found["name"], found["member"], found["role"])
        for found in prod.of("google_cloud_run_v2_service_iam_member").values()
    }

    assert invokers == {
        ("sync-api", f"serviceAccount:{prod.accounts['scheduler']}", "roles/run.invoker"),
        ("sync-api", f"serviceAccount:{prod.accounts['op-jane']}", "roles/run.invoker"),
        ("sync-worker", f"serviceAccount:{prod.accounts['push']}", "roles/run.invoker"),
        ("sync-backfill", f"serviceAccount:{prod.accounts['push-backfill']}", "roles/run.invoker"),
    }
    assert prod.service("worker")["ingress_settings"] == "ALLOW_INTERNAL_ONLY"


def test_nothing_is_granted_to_everybody_or_taken_from_others(prod: Plan) -> None:
    """No public member, no authoritative binding or policy, no basic role."""
    assert not [address for address in prod.resources if re.search(r"_iam_(binding|policy)\.", address)]
    for address, found in prod.resources.items():
        if "_iam_member." in address:
            assert found["member"] not in {"allUsers", "allAuthenticatedUsers"}
            assert found["role"] not in {"roles/owner", "roles/editor", "roles/viewer"}


def test_the_secret_stands_in_the_jobs_header_only(prod: Plan) -> None:
    """The job must hold the secret; nothing else of the state does."""
    holders = [address for address, found in prod.resources.items() if SECRET in json.dumps(found)]

    assert holders == ["module.sync.module.scheduler.google_cloud_scheduler_job.this"]
    assert SECRET not in json.dumps(prod.outputs)


def test_a_new_secret_is_accepted_before_it_is_shown() -> None:
    """The job waits for the secret's new version; the function for a version that it may read."""
    environment = (TERRAFORM / "modules" / "marketplace_sync" / "main.tf").read_text()
    scheduler = environment.partition('module "scheduler" {')[2].partition("\n}")[0]
    outputs = (TERRAFORM / "modules" / "secrets" / "outputs.tf").read_text()

    assert "depends_on = [module.api, module.secrets, time_sleep.callers]" in scheduler
    assert (
        "google_secret_manager_secret_version.scheduler, google_secret_manager_secret_iam_member" in outputs
    )


def test_prod_refuses_deletion_and_dev_does_not(dev: Plan, prod: Plan) -> None:
    """The database, the secret and the source bucket are protected in prod."""
    protection = {
        name: (
            plan.only("module.store.google_firestore_database.this")["delete_protection_state"],
            plan.only("module.store.google_firestore_database.this")["point_in_time_recovery_enablement"],
            plan.only("module.secrets.google_secret_manager_secret.scheduler[0]")["deletion_protection"],
            plan.only("module.build.google_storage_bucket.source")["force_destroy"],
            plan.outputs["protected"],
        )
        for name, plan in (("dev", dev), ("prod", prod))
    }

    assert protection == {
        "dev": ("DELETE_PROTECTION_DISABLED", "POINT_IN_TIME_RECOVERY_DISABLED", False, True, False),
        "prod": ("DELETE_PROTECTION_ENABLED", "POINT_IN_TIME_RECOVERY_ENABLED", True, False, True),
    }


def test_alerts_name_the_codes_words(prod: Plan) -> None:
    """What counts as a success is what the code says."""
    silence = prod.only('module.monitoring.google_monitoring_alert_policy.silence["no-successful-run"]')
    query = silence["conditions"][0]["condition_prometheus_query_language"][0]["query"]

    assert re.search(r'status=~"([\w|]+)"', query)[1].split("|") == [  # type: ignore[index]
        RunStatus.SUCCEEDED.value,
        RunStatus.PARTIAL.value,
    ]


def test_the_command_line_can_be_pointed_at_it(prod: Plan) -> None:
    """The output for the command line is an environment that it accepts."""
    exported = dict(
        re.findall(r"^export (\w+)='(.*)'$", prod.outputs["command_line_environment"], re.MULTILINE)
    )
    worker = prod.environment("worker")

    assert Settings.from_environment(exported) == replace(Settings.from_environment(worker), vault_keyset="")
