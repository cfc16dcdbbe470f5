"""The proof at the end of a deployment, over the product's own code: each part, there and away."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.adapters.vault import KeysetVault
from orchestrator.errors import CredentialsRejected, QueueUnavailable
from orchestrator.model import ids
from orchestrator.model.run import RunStatus
from orchestrator.operators import run_views
from orchestrator.ports import Update
from tests.delivery.terraform.fake_cloud import OPERATOR, FakeCloud
from tests.support.secrets import RememberingSecrets
from tests.support.world import FakeClient, fill

RUN_JOB = "gcloud scheduler jobs run"


def test_an_empty_project_is_proved_to_its_worker(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run is over as soon as it is recorded; the worker is waited for, and each part told."""
    assert cloud.prove() == 0

    (run_id,) = [document["run_id"] for document in _runs(cloud)]
    assert capsys.readouterr().out.splitlines() == [
        "Sending a tick: Cloud Scheduler runs its job sync-tick now.",
        f"The HTTP function answers: it recorded run {run_id}, which has no connections.",
        "The worker answers, through the queue and its push.",
        "The worker of continuations answers, through its own queue and push.",
        f"The status interface answers {OPERATOR}.",
        "Deployed. The run synced nothing: there is no active connection.",
        "Add one: docs/deploy.md, step 4.",
    ]
    assert cloud.world.get("healing/heal").data["done"]


def test_the_worker_makes_the_vaults_keyset_once(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first deployment asks for it, when the worker has been seen; the next one leaves it as it is."""
    services, secrets = cloud.world.services, RememberingSecrets()
    vault = KeysetVault(secrets, private="file:private", public="file:public")
    cloud.world.services = dataclasses.replace(services, secrets=secrets, vault=vault)

    assert cloud.prove() == 0

    assert "The worker has made the keyset of the vault" in capsys.readouterr().out
    made = vault.published()
    assert made is not None
    assert cloud.prove() == 0
    assert "keyset" not in capsys.readouterr().out
    assert vault.published() == made


def test_without_a_worker_the_deployment_has_failed(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The HTTP function alone records a run without connections as succeeded: no proof of a worker."""
    cloud.worker_lives = False

    assert cloud.prove() == 1

    error = capsys.readouterr().err
    assert [run["status"] for run in _runs(cloud)] == ["succeeded"] * len(_runs(cloud))
    assert "no worker answered in 600 s: no call reached its service; it is the queue or its push" in error
    assert "gcloud pubsub subscriptions describe sync-tasks-worker --project=a-project" in error


@pytest.mark.parametrize(
    ("log", "told", "look"),
    [
        ([403, 403], "its service refuses the push (403)", "gcloud run services get-iam-policy sync-worker "),
        ([500, 503], "the worker fails (500, 503)", 'service_name="sync-worker"'),
        ([200], "it takes messages (200) and writes nothing", 'service_name="sync-worker"'),
    ],
)
def test_the_part_that_does_not_answer_is_named(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str], log: list[int], told: str, look: str
) -> None:
    """The request log of the worker's service tells the push from the worker."""
    cloud.worker_lives, cloud.log = False, log

    assert cloud.prove() == 1

    error = capsys.readouterr().err
    assert told in error
    assert look in error
    assert "europe-north1" in error or "gcloud run" not in error


def test_without_the_log_both_are_named(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    """A person who may not read the log is told where others look."""
    cloud.worker_lives, cloud.refusals = False, {"gcloud logging": ["PERMISSION_DENIED"] * 100}

    assert cloud.prove() == 1

    error = capsys.readouterr().err
    assert "the queue, its push or the worker" in error
    assert "subscriptions describe" in error
    assert "logging read" in error


def test_without_the_worker_of_continuations_the_deployment_has_failed(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tick goes its way without it; a large account would wait in its lane for ever."""
    cloud.backfill_lives, cloud.log, cloud.backfill_log = False, [200], [500]

    assert cloud.prove() == 1

    error = capsys.readouterr().err
    assert "the lane of continuations: no worker answered in 600 s: the worker fails (500)" in error
    assert 'service_name="sync-backfill"' in error
    cloud.backfill_log = []
    assert cloud.prove() == 1
    assert "subscriptions describe sync-tasks-backfill-worker" in capsys.readouterr().err
    assert cloud.world.store.count("checks") == 0


def test_a_late_worker_of_continuations_is_asked_again(cloud: FakeCloud) -> None:
    """A worker answers no question that is old, and a push may be permitted minutes after the apply."""
    cloud.backfill_lives = False

    def arrive() -> None:
        cloud.backfill_lives = cloud.world.clock.monotonic() > 200

    cloud.at_sleep = arrive

    assert cloud.prove() == 0

    assert 200 <= cloud.world.clock.monotonic() <= 240
    assert cloud.world.store.count("checks") == 0


def test_a_lane_that_is_not_there_is_not_asked(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    """A deployment may have one lane."""
    cloud.backfill = None

    assert cloud.prove() == 0

    assert "continuations" not in capsys.readouterr().out


def test_the_topics_missing_permission_is_waited_for(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The topic of continuations may refuse at first; an answer leaves no question."""
    assert cloud.backfill is not None
    lane, cloud.backfill.error = cloud.backfill, QueueUnavailable("Pub/Sub topic: PermissionDenied: no")

    questions = []

    def grant() -> None:
        questions.append(cloud.world.store.count("checks"))
        if cloud.world.clock.monotonic() > 300:
            lane.error = None

    cloud.at_sleep = grant

    assert cloud.prove() == 0

    assert "Refused: Pub/Sub topic: PermissionDenied" in capsys.readouterr().out
    assert max(questions) == 2  # the first one was too old when it could be asked
    assert cloud.world.store.count("checks") == 0


def test_the_wait_for_the_worker_ends_with_the_run(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run's deadline may be nearer than the usual patience."""
    object.__setattr__(cloud.world.services.settings, "run_seconds", 90)
    cloud.worker_lives = False
    began = cloud.world.clock.monotonic()

    assert cloud.prove() == 1

    assert "no worker answered in 90 s" in capsys.readouterr().err
    assert cloud.world.clock.monotonic() - began == pytest.approx(90)


def test_a_heal_of_another_tick_just_before_does_not_hide_the_worker(cloud: FakeCloud) -> None:
    """Two heals are a minute apart, so a tick right after another one's is proved by one more tick."""
    cloud.world.tick()
    cloud.world.drain()

    assert cloud.prove() == 0

    assert cloud.times(*RUN_JOB.split()) == 2
    assert cloud.world.clock.monotonic() < 90


def test_a_redelivered_heal_of_an_earlier_tick_proves_the_worker(cloud: FakeCloud) -> None:
    """A push that is only now permitted delivers the older message first: the worker answers all the same."""
    cloud.world.tick()

    assert cloud.prove() == 0

    assert cloud.times(*RUN_JOB.split()) == 1


def test_connections_are_synced_and_shown(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    """With connections the run is followed to its end, and printed."""
    cloud.world.connect("a")
    fill(cloud.world, "orders", 2)

    assert cloud.prove() == 0

    out = capsys.readouterr().out
    assert ", which has 1 connection." in out
    assert "1 connection: 1 succeeded, 0 failed, 0 skipped" in out
    assert out.endswith("Deployed.\n")


def test_connections_without_a_worker_fail(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that nobody expands is not waited for until its deadline, an hour later."""
    cloud.world.connect("a")
    cloud.worker_lives = False

    assert cloud.prove() == 1

    assert "no worker answered in 600 s" in capsys.readouterr().err
    assert cloud.times(*RUN_JOB.split()) == 1


def test_a_run_that_is_never_closed_is_bounded_by_its_deadline(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that answers and then vanishes: the wait ends with the run's time."""
    cloud.world.connect("a")
    object.__setattr__(cloud.world.services.settings, "run_seconds", 60)

    def one_message() -> None:
        if cloud.worker_lives and cloud.world.queue.messages:
            cloud.world.deliver(cloud.world.queue.messages.pop(0))
            cloud.worker_lives = False

    cloud.at_sleep = one_message

    assert cloud.prove() == 1

    assert "is open after its deadline; the next ticks close it" in capsys.readouterr().err
    assert cloud.world.clock.monotonic() == pytest.approx(60, abs=5)


@pytest.mark.parametrize(("connections", "code", "told"), [("a", 1, ""), ("ab", 0, "Deployed. Some")])
def test_partial_is_a_deployment(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str], connections: str, code: int, told: str
) -> None:
    """One of two that fails is its marketplace's affair; if all fail, perhaps no secret can be read."""

    def refuse(client: FakeClient, _stream: str, _token: str | None) -> None:
        if client.connection_id == "a":
            raise CredentialsRejected("no", action="ask the seller")

    cloud.world.bazaar.at_call = refuse
    for connection_id in connections:
        cloud.world.connect(connection_id)

    assert cloud.prove() == code

    printed = capsys.readouterr()
    assert told in printed.out
    assert ("no connection could be synced" in printed.err) == (code == 1)


def test_a_cancelled_run_is_a_deployment(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    """Only a worker closes a cancelled run."""
    cloud.world.connect("a")

    def cancel() -> None:
        for run in _runs(cloud):
            if run["status"] == RunStatus.DISPATCHING:
                at = {"cancel_requested_at": cloud.world.clock.now(), "cancel_requested_by": "jane"}
                cloud.world.store.commit([Update(ids.run_path(str(run["run_id"])), at)])

    cloud.at_sleep = cancel

    assert cloud.prove() == 0

    assert "Somebody cancelled the run" in capsys.readouterr().out


def test_a_refused_tick_is_sent_again(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    """Cloud Run refuses the scheduler until its `run.invoker` arrives; the job's retries end sooner."""
    cloud.attempts = [7, 16]

    assert cloud.prove() == 0

    out = capsys.readouterr().out
    assert out.count("sending it again: new permissions take minutes to arrive.") == 2
    assert "403 permission denied" in out
    assert "401 unauthenticated" in out
    assert cloud.times(*RUN_JOB.split()) == 3


def test_a_tick_that_comes_to_nothing_is_an_error(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a run the deployment has failed; the error names the function, its answer, the places."""
    cloud.attempts = [13]

    assert cloud.prove() == 1

    error = capsys.readouterr().err
    assert (
        "the HTTP function recorded no run in 480 s (the last attempt's answer: 500 internal error)" in error
    )
    assert "gcloud scheduler jobs describe sync-tick --location=europe-west1 --project=a-project" in error
    assert 'service_name="sync-api"' in error


def test_the_push_that_is_refused_at_first_is_told(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pub/Sub repeats its call; the line says what it waits for."""
    cloud.worker_lives, cloud.log = False, [403]

    def arrive() -> None:
        cloud.worker_lives = cloud.world.clock.monotonic() > 100

    cloud.at_sleep = arrive

    assert cloud.prove() == 0

    told = (
        "The worker's service refuses the push (403); it is repeated: new permissions take minutes to arrive."
    )
    assert told in capsys.readouterr().out


def test_the_status_interface_is_waited_for(cloud: FakeCloud) -> None:
    """An operator's `run.invoker` needs minutes, too."""
    cloud.answers = [(403, b"")] * 20

    assert cloud.prove() == 0


@pytest.mark.parametrize("answer", [(503, b"away"), (0, b"NewConnectionError")])
def test_a_status_interface_that_fails_is_an_error(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str], answer: tuple[int, bytes]
) -> None:
    """The answer is quoted."""
    cloud.answers = [answer]

    assert cloud.prove() == 1

    error = capsys.readouterr().err
    assert answer[1].decode() in error
    assert 'service_name="sync-api"' in error


def test_a_status_interface_of_another_store_is_an_error(cloud: FakeCloud) -> None:
    """It has to tell of this run."""
    cloud.answers = [(200, b'{"run": {"run_id": "other", "status": "succeeded"}}')]

    assert cloud.prove() == 1


@pytest.mark.parametrize(
    ("operators", "why"), [(True, "you may act as none"), (False, "it has no operators")]
)
def test_nobody_has_to_be_an_operator(
    cloud: FakeCloud, capsys: pytest.CaptureFixture[str], operators: bool, why: str
) -> None:
    """A deployer that may act as no operator, as the one of CI, deploys all the same."""
    cloud.refusals = {"gcloud auth": ["PERMISSION_DENIED"]}
    if not operators:
        del cloud.outputs["operators"]

    assert cloud.prove() == 0

    assert f"The status interface was not asked: {why}" in capsys.readouterr().out


def _runs(cloud: FakeCloud) -> list[dict[str, object]]:
    return [dict(run) for run in run_views.list_runs(cloud.world.store).runs]
