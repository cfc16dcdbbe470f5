"""The alerts count lines that the code really writes: it is run, and each filter is applied to its lines."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import flask
import pytest

from functions.api import Api
from functions.auth.certificates import CertificateCache
from functions.auth.gate import Gate
from functions.auth.scheduler_secret import SchedulerSecret
from local.processes import ROOT
from orchestrator.errors import ChangesUnavailable, CredentialsRejected, MarketplaceUnavailable
from orchestrator.model.change_event import ChangeEvent
from orchestrator.ports import Put
from orchestrator.settings import http_settings
from tests.delivery.terraform.log_filters import entry, matches, value_of
from tests.delivery.terraform.plans import Plan
from tests.support.lines import Line, drain, kept, run_once
from tests.support.world import START, FakeClient, World

RUNBOOK = (ROOT / "docs" / "operating.md").read_text()
#: Lines of Cloud Run's own (cloud.google.com/run/docs/troubleshooting).
KILLED = [
    {
        "logName": "projects/a-project/logs/run.googleapis.com%2Fvarlog%2Fsystem",
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": "sync-worker"}},
        "severity": "ERROR",
        "textPayload": text,
    }
    for text in (
        "Memory limit of 512 MiB exceeded with 530 MiB used. Consider increasing the limit.",
        "While handling this request, the container instance was found to be using too much memory.",
    )
]


class _NoFeed:
    """A topic that takes nothing."""

    def publish(self, events: list[ChangeEvent]) -> None:
        """Refuse them."""
        raise ChangesUnavailable("the topic does not answer")


def _troubles(client: FakeClient, stream: str, token: str | None) -> None:
    if client.connection_id == "revoked":
        raise CredentialsRejected("shopify orders: answered 401", action="store a valid credential")
    if client.connection_id == "down":
        raise MarketplaceUnavailable("takealot orders: answered 500")


def _calls(world: World) -> None:
    """A tick and a stranger at the HTTP function."""
    _, auth = http_settings(
        {
            "ENVIRONMENT": "development",
            "SYNC_STORE": "sqlite:unused.db",
            "SYNC_QUEUE": "local:http://127.0.0.1:9",
            "SKIP_SCHEDULER_AUTH": "true",
            "SCHEDULER_AUTH": "oidc",
            "SCHEDULER_AUDIENCE": "https://sync.example",
            "SCHEDULER_SERVICE_ACCOUNT": "scheduler@example.iam.gserviceaccount.com",
            "OPERATORS": "ana@example.com",
        }
    )
    secret = SchedulerSecret(auth, lambda: world.services.secrets)
    api = Api(Gate(auth, CertificateCache(auth.certs_url), secret), lambda: world.services)
    tick = {
        "X-CloudScheduler-JobName": "sync-tick",
        "X-CloudScheduler-ScheduleTime": world.clock.now().isoformat(),
    }
    for method, path, headers in (
        ("POST", "/api/sync/scheduler", tick),
        ("GET", "/api/sync/status", {}),
    ):
        with flask.Flask("api").test_request_context(path, method=method, headers=headers):
            api(flask.request)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What is logged when everything that has an alert goes wrong."""
    world = World(tmp_path_factory.mktemp("alerts"), tells=True)
    world.connect("good")
    world.connect("revoked")
    world.connect("down", marketplace="takealot")
    world.store.commit([Put("sync_state/late", {"marketplace": "shopify", "late_at": START})])
    world.bazaar.shop("good").put("orders", "o1", START - timedelta(hours=1), broken=True)
    world.bazaar.shop("good").put("orders", "o2", START - timedelta(hours=1))
    world.bazaar.at_call = _troubles
    feed: Any = _NoFeed()
    world.services = replace(world.services, changes=feed)
    with kept() as log:
        _calls(world)
        drain(world)
        for _ in range(4):
            world.clock.advance(900)
            run_once(world)
    return log.lines


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What is logged when nothing goes wrong."""
    world = World(tmp_path_factory.mktemp("healthy"))
    world.connect("good")
    with kept() as log:
        for _ in range(4):
            world.clock.advance(900)
            run_once(world)
    return log.lines


def test_each_metric_counts_a_line_of_the_code(prod: Plan, lines: list[Line]) -> None:
    """Each filter passes a line, which has each field that the metric takes out of it."""
    entries = [*(entry(line) for line in lines), *KILLED]
    metrics = {each["name"]: each for each in prod.of("google_logging_metric").values()}
    counted = {
        name: [each for each in entries if matches(found["filter"], each)] for name, found in metrics.items()
    }

    assert {name for name, found in counted.items() if not found} == set()
    for name, found in metrics.items():
        for label, extractor in (found["label_extractors"] or {}).items():
            field = extractor.removeprefix("EXTRACT(").removesuffix(")")
            values = {value_of(each, field) for each in counted[name]}
            assert values - {None}, (name, label)
            assert None not in values, (name, label)


def test_each_way_to_run_out_of_memory_is_counted(prod: Plan) -> None:
    """While starting and between requests, and while handling one."""
    found = prod.only('module.monitoring.google_logging_metric.this["memory"]')["filter"]

    assert all(matches(found, line) for line in KILLED)


def test_the_lines_name_what_was_found(prod: Plan, lines: list[Line]) -> None:
    """The labels of the sick ones are those of the connections and marketplaces that are sick."""

    def named(metric: str, label: str) -> set[Any]:
        found = prod.only(f'module.monitoring.google_logging_metric.this["{metric}"]')["filter"]
        entries = (entry(line) for line in lines)
        return {each["jsonPayload"][label] for each in entries if matches(found, each)}

    assert named("attention", "connection_id") == {"revoked"}
    assert named("down", "marketplace") == {"takealot"}
    assert named("late", "marketplace") == {"shopify", "takealot"}
    assert named("rejects", "stream") == {"orders"}
    assert named("refused", "reason") == {"no token"}
    assert named("ticks", "trigger") == {"scheduler"}


def test_no_alert_counts_a_healthy_line(prod: Plan, healthy: list[Line]) -> None:
    """Without trouble only the counts of runs, tasks and ticks are counted."""
    entries = [entry(line) for line in healthy]
    counted = {
        found["name"]
        for found in prod.of("google_logging_metric").values()
        if any(matches(found["filter"], each) for each in entries)
    }

    assert counted == {"sync-runs", "sync-tasks"}


def test_other_services_are_not_counted(prod: Plan, lines: list[Line]) -> None:
    """A line of another service in the project raises nothing."""
    entries = [entry(line, "somebody-else") for line in lines]

    assert not any(
        matches(found["filter"], each)
        for found in prod.of("google_logging_metric").values()
        for each in entries
    )


def test_each_alert_asks_for_a_metric_that_exists(prod: Plan) -> None:
    """By its name, or by the name that PromQL gives it; each label it names is one of the metric's."""
    metrics = {
        each["name"]: set(each["label_extractors"] or {})
        for each in prod.of("google_logging_metric").values()
    }
    promql = {name.replace("-", "_"): labels for name, labels in metrics.items()}
    asked = set()
    for policy in prod.of("google_monitoring_alert_policy").values():
        (condition,) = policy["conditions"]
        for query in condition["condition_prometheus_query_language"]:
            ((name, selector),) = re.findall(r"logging_googleapis_com:user_(\w+)\{([^}]*)\}", query["query"])
            labels = set(re.findall(r"(\w+)=", selector)) - {"monitored_resource"}
            assert labels <= promql[name]
            asked.add(name.replace("_", "-"))
        for threshold in condition["condition_threshold"]:
            groups = threshold["aggregations"][0]["group_by_fields"]
            for name in re.findall(r"user/([\w-]+)", threshold["filter"]):
                labels = {each.removeprefix("metric.label.") for each in groups if each.startswith("metric.")}
                assert labels <= metrics[name]
                asked.add(name)

    assert asked | {"sync-tasks"} == set(metrics)


def test_each_alert_has_its_section_in_the_runbook(prod: Plan) -> None:
    """The text names the section, the section exists, and the runbook describes no other alert."""
    policies = prod.of("google_monitoring_alert_policy").values()
    named = {
        anchor
        for policy in policies
        for anchor in re.findall(r"docs/operating\.md#([\w-]+)", policy["documentation"][0]["content"])
    }
    sections = {f"alert-{name}" for name in re.findall(r"^### Alert: ([\w-]+)$", RUNBOOK, flags=re.MULTILINE)}

    assert len(named) == len(policies)
    # A budget's alert is Cloud Billing's, and names no section.
    assert named | {"alert-budget"} == sections


def test_commands_in_the_alerts_are_commands(prod: Plan) -> None:
    """The texts name commands of the command line, by its name."""
    texts = [
        policy["documentation"][0]["content"] for policy in prod.of("google_monitoring_alert_policy").values()
    ]

    assert all("marketplace-sync ui" in text for text in texts)
    assert not any("python -m orchestrator" in text for text in texts)
