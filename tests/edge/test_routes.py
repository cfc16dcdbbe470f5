"""Every route's answers, good and bad; each is also held against the OpenAPI file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator import wiring
from orchestrator.adapters.google.backlog import Backlog
from orchestrator.model.documents import to_document
from orchestrator.model.run import Shard, Task, TaskStatus
from orchestrator.ports import Put, Update
from tests.edge.conftest import NOW, Stage
from tests.support.issuer import OPERATOR, SCHEDULER


def _close(stage: Stage, run_id: str, status: str, tasks: dict[str, TaskStatus]) -> None:
    """End a run by hand, with these final tasks."""
    for connection_id, task_status in tasks.items():
        task = Task(
            run_id=run_id,
            shard="shopify-000000",
            connection_id=connection_id,
            marketplace="shopify",
            status=task_status,
            finished_at=NOW,
            expires_at=NOW + timedelta(days=30),
        )
        stage.store.commit([Put(f"runs/{run_id}/tasks/{connection_id}", to_document(task))])
    stage.store.commit([Update(f"runs/{run_id}", {"status": status, "finished_at": NOW})])


def test_tick_starts_a_run(stage: Stage) -> None:
    """A tick is recorded under its own time and published before it is answered."""
    stage.connect("c-1", "c-2")
    response = stage.tick(data=b"ignored")
    run_id = "t-20261123T120000Z-marketplace-sync"
    stored = stage.store.get(f"runs/{run_id}")

    assert response.get_json() == {"run_id": run_id, "status": "dispatching", "tasks": 2, "duplicate": False}
    assert response.headers["Location"] == f"/api/sync/runs/{run_id}"
    assert [(message.kind, message.marketplace) for message in stage.queue.messages] == [
        ("dispatch", "shopify")
    ]
    assert stored is not None
    assert stored.data["requested_by"] == SCHEDULER


def test_tick_delivered_again_finds_its_run(stage: Stage) -> None:
    """The same tick, its time written otherwise, is the same run."""
    stage.connect("c-1")
    first = stage.tick().get_json()
    again = stage.tick({"X-CloudScheduler-ScheduleTime": "2026-11-23T05:00:00-07:00"}).get_json()

    assert again == {**first, "duplicate": True}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CloudScheduler-ScheduleTime": ""},
        {"X-CloudScheduler-ScheduleTime": (datetime.now(UTC) + timedelta(days=1)).isoformat()},
    ],
)
def test_forced_tick_has_a_run_of_its_own(stage: Stage, headers: dict[str, str]) -> None:
    """A forced tick, stamped with a coming tick's time or with none, never takes the real tick's id."""
    assert stage.tick(headers).get_json()["run_id"].startswith("f-")


def test_tick_without_a_job_is_named_so(stage: Stage) -> None:
    """A call without Cloud Scheduler's headers is still a tick."""
    headers = {"X-CloudScheduler-JobName": "", "X-CloudScheduler-ScheduleTime": ""}

    assert stage.tick(headers).get_json()["run_id"].endswith("-unnamed")


@pytest.mark.parametrize(("job", "trigger"), [("marketplace-sync", "scheduler"), ("interval", "interval")])
def test_run_keeps_what_triggered_it(stage: Stage, job: str, trigger: str) -> None:
    """The local stack's interval scheduler is told from Cloud Scheduler by its job."""
    run_id = stage.tick({"X-CloudScheduler-JobName": job}).get_json()["run_id"]
    shown = stage.call("GET", f"/api/sync/runs/{run_id}").get_json()

    assert shown["run"]["trigger"] == trigger


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CloudScheduler-ScheduleTime": "yesterday"},
        {"X-CloudScheduler-ScheduleTime": "2026-11-23T12:00:00"},
        {"X-CloudScheduler-ScheduleTime": "1763899200"},
        {"X-CloudScheduler-ScheduleTime": "0001-01-01T00:00:00+10:00"},
        {"X-CloudScheduler-JobName": "projects/p/locations/l/jobs/j"},
        {"X-CloudScheduler-JobName": "../runs"},
        {"X-CloudScheduler-JobName": "j" * 501},
    ],
)
def test_malformed_scheduler_header_is_named(stage: Stage, headers: dict[str, str]) -> None:
    """A header that cannot be read is a 400 that names it."""
    response = stage.tick(headers)

    assert response.status_code == 400
    assert next(iter(headers)) in response.get_json()["detail"]


def test_trigger_covers_everything_due(stage: Stage) -> None:
    """Without a body a manual run covers every due connection, and names who asked."""
    stage.connect("c-1", "c-2")
    response = stage.call("POST", "/api/sync/trigger")
    stored = stage.store.get(f"runs/{response.get_json()['run_id']}")

    assert response.status_code == 202
    assert response.get_json()["tasks"] == 2
    assert stored is not None
    assert stored.data["requested_by"] == OPERATOR


def test_trigger_with_a_selection(stage: Stage) -> None:
    """A body narrows the run, and an idempotency key finds it again."""
    stage.connect("c-1", "c-2")
    body = {"connection_ids": ["c-2"], "streams": ["orders"], "full": True}
    answers = [
        stage.call("POST", "/api/sync/trigger", {"Idempotency-Key": "again"}, content=body).get_json()
        for _ in range(2)
    ]

    assert answers[0]["tasks"] == 1
    assert [answer["duplicate"] for answer in answers] == [False, True]
    assert answers[0]["run_id"] == answers[1]["run_id"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "body"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"x"', "object"),
        (b"\xff\xfe", "body"),
        (b"[" * 60_000, "body"),
        (b'{"connection": ["c-1"]}', "connection"),
        (b'{"connection_ids": "c-1"}', "connection_ids"),
        (b'{"connection_ids": [1]}', "connection_ids"),
        (b'{"full": "yes"}', "full"),
        (b'{"organization_id": 7}', "organization_id"),
        (b'{"marketplaces": ["etsy"]}', "etsy"),
        (b'{"streams": ["refunds"]}', "refunds"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_malformed_trigger_is_named(stage: Stage, body: bytes, named: str) -> None:
    """A body that is wrong is a 400 that names the field, and starts nothing."""
    response = stage.call("POST", "/api/sync/trigger", data=body)

    assert response.status_code == 400
    assert named in response.get_json()["detail"]
    assert stage.queue.messages == []


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "caf\xe9"])
def test_malformed_idempotency_key(stage: Stage, key: str) -> None:
    """A key has to be 1 to 255 visible ASCII characters."""
    response = stage.call("POST", "/api/sync/trigger", {"Idempotency-Key": key})

    assert response.status_code == 400
    assert "Idempotency-Key" in response.get_json()["detail"]


def test_trigger_names_unknown_connections(stage: Stage) -> None:
    """Connections that do not exist are a 404 that names them."""
    stage.connect("c-1")
    response = stage.call("POST", "/api/sync/trigger", content={"connection_ids": ["c-1", "c-7"]})

    assert response.status_code == 404
    assert "c-7" in response.get_json()["detail"]


def test_trigger_refuses_what_is_busy(stage: Stage) -> None:
    """If every selected connection is being synced, there is nothing to start: 409."""
    stage.connect("c-1")
    later = datetime.now(UTC) + timedelta(minutes=5)
    at_work = {
        "run_id": "t-1",
        "order": "1",
        "deadline_at": later,
        "shard": "shopify-000000",
        "started_at": NOW,
    }
    stage.store.commit([Put("sync_state/c-1", {"seq": 1, "open": at_work, "lease": {"expires_at": later}})])

    assert stage.call("POST", "/api/sync/trigger", content={"connection_ids": ["c-1"]}).status_code == 409


def test_runs_are_listed(stage: Stage) -> None:
    """Runs are listed newest first, in pages, and by status and marketplace."""
    stage.connect("c-1")
    ids = [
        stage.tick({"X-CloudScheduler-ScheduleTime": f"2026-11-{day:02}T00:00:00Z"}).get_json()["run_id"]
        for day in range(1, 23)
    ]
    _close(stage, ids[3], "failed", {})
    first = stage.call("GET", "/api/sync/runs").get_json()
    second = stage.call("GET", f"/api/sync/runs?page_token={first['next_page_token']}").get_json()
    failed = stage.call("GET", "/api/sync/runs?status=failed&marketplace=shopify").get_json()

    assert [run["run_id"] for run in first["runs"] + second["runs"]] == ids[::-1]
    assert second["next_page_token"] is None
    assert [run["run_id"] for run in failed["runs"]] == [ids[3]]
    assert stage.call("GET", "/api/sync/runs?marketplace=ebay").get_json()["runs"] == []


@pytest.mark.parametrize(
    "query",
    [
        "status=done",
        "marketplace=etsy",
        "page_token=junk",
        "page_token=WyJ4Il0",
        "limit=5",
        "state=failed",
        "status=failed&status=partial",
    ],
)
def test_malformed_query_is_named(stage: Stage, query: str) -> None:
    """An unknown, repeated or malformed parameter is a 400 that names it."""
    response = stage.call("GET", f"/api/sync/runs?{query}")

    assert response.status_code == 400
    assert query.partition("=")[0] in response.get_json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/sync/trigger"),
        ("GET", "/api/sync/status"),
        ("GET", "/api/sync/runs/t-1"),
        ("POST", "/api/sync/runs/t-1/retry"),
        ("POST", "/api/sync/runs/t-1/cancel"),
    ],
)
def test_no_route_takes_an_unknown_parameter(stage: Stage, method: str, path: str) -> None:
    """A misspelt parameter is never silently ignored."""
    assert stage.call(method, f"{path}?dry_run=1").status_code == 400


def test_run_is_shown_with_its_tasks(stage: Stage) -> None:
    """A closed run is shown with its final tasks."""
    stage.connect("c-1", "c-2")
    run_id = stage.tick().get_json()["run_id"]
    _close(stage, run_id, "partial", {"c-1": TaskStatus.SUCCEEDED, "c-2": TaskStatus.FAILED})
    shown = stage.call("GET", f"/api/sync/runs/{run_id}").get_json()

    assert shown["run"]["run_id"] == run_id
    assert shown["run"]["started_at"].endswith("Z")
    assert [task["status"] for task in shown["tasks"]] == ["failed", "succeeded"]
    assert shown["progress"] is None


def test_a_runs_tasks_are_filtered(stage: Stage) -> None:
    """By status and marketplace; a word that is neither is named."""
    stage.connect("c-1", "c-2")
    run_id = stage.tick().get_json()["run_id"]
    _close(stage, run_id, "partial", {"c-1": TaskStatus.SUCCEEDED, "c-2": TaskStatus.FAILED})

    def shown(query: str) -> list[str]:
        view = stage.call("GET", f"/api/sync/runs/{run_id}?{query}").get_json()
        return [task["connection_id"] for task in view["tasks"]]

    assert shown("status=failed") == ["c-2"]
    assert shown("status=succeeded&marketplace=shopify") == ["c-1"]
    assert shown("marketplace=ebay") == shown("status=incomplete") == shown("status=running") == []
    for wrong in ("status=splendid", "marketplace=etsy", "page_token=junk"):
        refused = stage.call("GET", f"/api/sync/runs/{run_id}?{wrong}")
        assert refused.status_code == 400
        assert wrong.partition("=")[0] in refused.get_json()["detail"]


def test_an_open_run_tells_the_workers_last_sign_of_life(stage: Stage) -> None:
    """Over HTTP too: when it gave it, and when it is taken over."""
    stage.connect("c-1")
    run_id = stage.tick().get_json()["run_id"]
    shard = Shard(marketplace="shopify", ids=("c-1",), open=1, expires_at=NOW)
    stage.store.commit([Put(f"runs/{run_id}/shards/shopify-000000", to_document(shard))])
    lease = {"owner": "w", "fence": 1, "expires_at": NOW + timedelta(seconds=590)}
    task = {
        "run_id": run_id,
        "order": "1",
        "deadline_at": NOW + timedelta(hours=1),
        "shard": "shopify-000000",
        "started_at": NOW - timedelta(seconds=75),
        "cancel": "paused",
    }
    window = {"since": NOW - timedelta(days=4), "until": NOW, "position": NOW - timedelta(days=1), "read": 90}
    streams = {"orders": {"cursor": {"window": window}, "took_s": 30.0}}
    state = {"seq": 1, "lease": lease, "open": task, "streams": streams}
    stage.store.commit([Put("sync_state/c-1", state)])
    (found,) = stage.call("GET", f"/api/sync/runs/{run_id}").get_json()["progress"]["connections"]

    assert found["last_sign_at"] == f"{NOW - timedelta(seconds=10):%Y-%m-%dT%H:%M:%SZ}"
    assert found["takeover_at"] == f"{NOW + timedelta(seconds=590):%Y-%m-%dT%H:%M:%SZ}"
    assert found["cancel"] == "paused"
    (window,) = found["windows"]
    assert (window["done"], window["records_per_minute"], window["remaining_s"]) == (0.75, 180.0, 10)


def test_status_tells_what_to_do(stage: Stage) -> None:
    """The status names failing connections with their error and its remedy."""
    stage.connect("c-1")
    stage.tick()
    error = {"kind": "credentials_rejected", "message": "401 from the shop", "action": "renew the token"}
    state = {"seq": 1, "health": "needs_attention", "last_error": error, "consecutive_failures": 3}
    stage.store.commit([Put("sync_state/c-1", state)])
    status = stage.call("GET", "/api/sync/status").get_json()

    assert status["health"] == "needs_attention"
    assert status["situation"] == "needs_attention"
    assert status["verdict"] == "1 connection needs attention."
    assert status["connections"] == {
        "active": 1,
        "failing": 0,
        "needs_attention": 1,
        "paused": 0,
        "freshness": {"on_time": 0, "late": 0, "not_measured": 1},
    }
    assert [(each["connection_id"], each["action"]) for each in status["failing"]] == [
        ("c-1", "renew the token")
    ]


def test_retry_makes_a_new_run(stage: Stage) -> None:
    """The failed tasks of a closed run are taken up by a new one."""
    stage.connect("c-1")
    run_id = stage.tick().get_json()["run_id"]
    not_over = stage.call("POST", f"/api/sync/runs/{run_id}/retry")
    _close(stage, run_id, "failed", {"c-1": TaskStatus.FAILED})
    retried = stage.call("POST", f"/api/sync/runs/{run_id}/retry", data=b"{}")

    assert not_over.status_code == 409
    assert retried.status_code == 202
    assert retried.get_json()["run_id"] == f"{run_id}.r1"


def test_cancel_stops_an_open_run(stage: Stage) -> None:
    """An open run can be cancelled, a closed one cannot."""
    stage.connect("c-1")
    run_id = stage.tick().get_json()["run_id"]
    shard = Shard(marketplace="shopify", ids=("c-1",), open=1, expires_at=NOW)
    stage.store.commit([Put(f"runs/{run_id}/shards/shopify-000000", to_document(shard))])
    cancelled = stage.call("POST", f"/api/sync/runs/{run_id}/cancel")
    _close(stage, run_id, "cancelled", {})
    again = stage.call("POST", f"/api/sync/runs/{run_id}/cancel")

    assert [cancelled.status_code, again.status_code] == [202, 409]
    assert stage.queue.messages[-1].kind == "cancel"


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_body_of_an_action_has_to_be_empty(stage: Stage, action: str) -> None:
    """Retry and cancel take no options."""
    response = stage.call("POST", f"/api/sync/runs/t-1/{action}", content={"force": True})

    assert response.status_code == 400
    assert "force" in response.get_json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", "/retry"), ("POST", "/cancel")],
)
def test_unknown_run_is_not_found(stage: Stage, method: str, path: str) -> None:
    """A run that does not exist is a 404."""
    response = stage.call(method, f"/api/sync/runs/t-1{path}")

    assert response.status_code == 404
    assert "t-1" in response.get_json()["detail"]


def test_status_counts_dead_letters_if_it_may(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the queue's metric, which needs no pull; on a laptop nobody counts them for the function."""
    assert stage.call("GET", "/api/sync/status").get_json()["dead_letters"] is None
    backlog = Backlog(["projects/p/subscriptions/dead"], ask=lambda _: 3)
    monkeypatch.setattr(wiring, "dead_counter", lambda _: backlog)

    assert stage.call("GET", "/api/sync/status").get_json()["dead_letters"] == 3
