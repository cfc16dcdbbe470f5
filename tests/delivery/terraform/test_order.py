"""The order in which a first apply makes everything: nothing is used before it can be."""

from __future__ import annotations

import re

import pytest

from tests.delivery.terraform.plans import run

#: What an apply begins with: these need no API but those that a person enables (docs/deploy.md).
FIRST = {"data.google_project.this", "google_project_service.this", "time_sleep.apis"}


@pytest.fixture(scope="module")
def order(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Everything that each resource waits for, by addresses without keys."""
    graph = run("modules/marketplace_sync", tmp_path_factory.mktemp("order"), "graph")
    direct: dict[str, set[str]] = {
        address: set() for address in re.findall(r'^ *"([^"]+)" \[label=', graph, re.MULTILINE)
    }
    for waiting, awaited in re.findall(r'"([^"]+)" -> "([^"]+)"', graph):
        direct[waiting].add(awaited)
    found: dict[str, set[str]] = {}
    for address in direct:
        todo, seen = [address], set[str]()
        while todo:
            new = direct[todo.pop()] - seen
            seen |= new
            todo += new
        found[address] = seen
    return found


def test_apis_settle_before_their_first_use(order: dict[str, set[str]]) -> None:
    """All waits for the sleep after the APIs, which waits for the APIs."""
    early = {address for address, awaited in order.items() if "time_sleep.apis" not in awaited}

    assert {address for address in early if ".google_" in f".{address}" or "time_sleep" in address} == FIRST
    assert "google_project_service.this" in order["time_sleep.apis"]
    assert len(order) > 40


def test_pushes_begin_with_their_tokens(order: dict[str, set[str]]) -> None:
    """Pub/Sub's own account is made, known and allowed to make tokens before a message can be pushed."""
    queue = "module.queue."

    assert order[f"{queue}google_pubsub_subscription.worker"] >= {
        f"{queue}google_project_service_identity.pubsub",
        f"{queue}time_sleep.agent",
        f"{queue}google_service_account_iam_member.push_tokens",
    }
    for grant in (
        "google_service_account_iam_member.push_tokens",
        "google_pubsub_topic_iam_member.dead_letters_in",
        "google_pubsub_subscription_iam_member.dead_letters_out",
    ):
        assert f"{queue}time_sleep.agent" in order[f"{queue}{grant}"]


def test_alerts_wait_until_monitoring_knows_their_metrics(order: dict[str, set[str]]) -> None:
    """Both kinds of alerts on metrics from the log, and not the other way round."""
    for policies in ("silence", "this"):
        assert order[f"module.monitoring.google_monitoring_alert_policy.{policies}"] >= {
            "module.monitoring.time_sleep.metrics",
            "module.monitoring.google_logging_metric.this",
        }


def test_the_first_tick_finds_all_permissions(order: dict[str, set[str]]) -> None:
    """Who calls, is called, publishes, reads and writes is allowed to, and the grants had time to arrive."""
    tick = order["module.scheduler.google_cloud_scheduler_job.this"]

    assert "time_sleep.callers" in tick
    assert order["time_sleep.callers"] >= {
        "module.api.google_cloud_run_v2_service_iam_member.invoker",
        "module.worker.google_cloud_run_v2_service_iam_member.invoker",
        "module.worker_backfill.google_cloud_run_v2_service_iam_member.invoker",
        "module.queue_backfill.google_pubsub_subscription.worker",
        "module.queue_backfill.google_pubsub_topic_iam_member.publisher",
        "module.queue.google_service_account_iam_member.push_tokens",
        "module.queue.google_pubsub_subscription.worker",
        "module.queue.google_pubsub_topic_iam_member.publisher",
        "module.secrets.google_project_iam_member.credentials",
        "module.secrets.google_secret_manager_secret_iam_member.scheduler",
        "module.store.google_project_iam_member.user",
        "module.store.google_firestore_index.this",
    }


@pytest.mark.parametrize("function", ["api", "worker", "worker_backfill"])
def test_a_function_waits_for_what_it_is_told_of(order: dict[str, set[str]], function: str) -> None:
    """Its build may read and write by then, and what its environment refers to is there and permitted."""
    needs = {
        "module.build.google_storage_bucket_object.source",
        "module.build.google_project_iam_member.build_copy",
        "module.build.time_sleep.permissions",
    }
    secrets = "module.secrets.google_secret_manager_secret"
    if function == "api":
        needs |= {f"{secrets}_version.scheduler", f"{secrets}_iam_member.scheduler"}
    else:
        needs |= {f"{secrets}.own", f"{secrets}_iam_member.vault_worker"}

    assert order[f"module.{function}.google_cloudfunctions2_function.this"] >= needs


@pytest.mark.parametrize("worker", ["worker", "worker_backfill"])
def test_the_worker_waits_for_its_way_out(order: dict[str, set[str]], worker: str) -> None:
    """With a static address no version of the worker calls a marketplace from another one."""
    assert order[f"module.{worker}.google_cloudfunctions2_function.this"] >= {
        "module.egress.google_vpc_access_connector.this",
        "module.egress.google_compute_router_nat.this",
    }
