"""Rightful callers get in, in every mode and during a rotation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from functions.auth import scheduler_secret
from functions.auth.scheduler_secret import SchedulerSecret
from orchestrator.errors import SecretMissing, SecretUnavailable
from orchestrator.settings import AuthSettings, Secret, http_settings
from tests.edge.conftest import SECRET, Stage, environment, log_lines, served
from tests.support import issuer
from tests.support.issuer import token
from tests.support.secrets import RememberingSecrets

REFERENCE = "projects/project-1/secrets/scheduler/versions/latest"


@pytest.mark.parametrize(
    "changes",
    [
        lambda now: {},
        lambda now: {"iss": "accounts.google.com"},
        lambda now: {"aud": f"{issuer.AUDIENCE}/"},
        lambda now: {"iat": now + 5, "nbf": now + 5},
        lambda now: {"iat": now - 3605, "exp": now - 5},
        lambda now: {"iat": now + 0.5},
    ],
)
def test_scheduler_is_let_in(stage: Stage, changes: Callable[[int], dict[str, Any]]) -> None:
    """Both spellings of issuer and audience, and clocks a few seconds apart, are accepted."""
    accepted = token(**changes(int(time.time())))

    assert stage.tick({"Authorization": f"Bearer {accepted}"}).status_code == 202


def test_scheme_is_case_insensitive(stage: Stage) -> None:
    """`bearer` is `Bearer` (RFC 7235)."""
    assert stage.tick({"Authorization": f"bearer {token()}"}).status_code == 202


def test_audience_setting_may_end_in_a_slash(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slash at the end of SCHEDULER_AUDIENCE changes nothing."""
    monkeypatch.setenv("SCHEDULER_AUDIENCE", f"{issuer.AUDIENCE}/")
    stage.client = served("sync_api")

    assert stage.tick().status_code == 202


@pytest.mark.parametrize(
    ("mode", "headers", "status"),
    [
        ("oidc", {"x-scheduler-secret": ""}, 202),
        ("oidc", {"x-scheduler-secret": "wrong"}, 202),
        ("oidc", {"Authorization": ""}, 401),
        ("secret", {"Authorization": ""}, 202),
        ("secret", {"Authorization": "Bearer junk"}, 202),
        ("secret", {"Authorization": "", "x-scheduler-secret": ""}, 403),
        ("secret", {"x-scheduler-secret": "wrong"}, 403),
        ("oidc+secret", {"x-scheduler-secret": ""}, 403),
        ("oidc+secret", {"Authorization": ""}, 401),
    ],
)
def test_mode_says_what_must_hold(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, mode: str, headers: dict[str, str], status: int
) -> None:
    """SCHEDULER_AUTH asks for the token, the secret or both, and for nothing else."""
    monkeypatch.setenv("SCHEDULER_AUTH", mode)
    stage.client = served("sync_api")

    assert stage.tick(headers).status_code == status


def test_previous_secret_is_accepted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """During a rotation the value before still opens."""
    monkeypatch.setenv("SCHEDULER_SECRET", "the new one")
    monkeypatch.setenv("SCHEDULER_SECRET_PREVIOUS", SECRET)
    stage.client = served("sync_api")

    assert stage.tick().status_code == 202
    assert stage.tick({"x-scheduler-secret": "the new one"}).status_code == 202
    assert stage.tick({"x-scheduler-secret": "one older still"}).status_code == 403


def test_skip_asks_the_scheduler_for_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In development the scheduler's route can be opened; the operators' stay closed."""
    monkeypatch.setenv("SKIP_SCHEDULER_AUTH", "true")
    stage.client = served("sync_api")

    assert stage.tick({"Authorization": "", "x-scheduler-secret": ""}).status_code == 202
    assert stage.call("GET", "/api/sync/status", as_operator=False).status_code == 401


def test_secret_by_reference(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference's latest version and the one before open, and are read once for many calls."""
    monkeypatch.setenv("SCHEDULER_SECRET", REFERENCE)
    stage.client = served("sync_api")
    stage.secrets.versions[REFERENCE] = ["zeroth", SECRET, "second\n"]

    assert [stage.tick().status_code, stage.tick({"x-scheduler-secret": "second"}).status_code] == [202, 202]
    assert stage.secrets.reads == 1
    assert stage.tick({"x-scheduler-secret": "zeroth"}).status_code == 403


@pytest.mark.parametrize(
    ("error", "status"),
    [(SecretUnavailable("the secret store does not answer"), 503), (SecretMissing("no permission"), 500)],
)
def test_secret_that_cannot_be_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    """A secret never read yet refuses nobody falsely: the answer says whose fault it is."""
    monkeypatch.setenv("SCHEDULER_SECRET", REFERENCE)
    stage.client = served("sync_api")
    stage.secrets.error = error

    assert stage.tick().status_code == status


class Rotating:
    """A secret by reference on a clock of the test's own."""

    def __init__(self, *versions: str) -> None:
        self.time = 1_000.0
        self.store = RememberingSecrets({REFERENCE: list(versions)})
        _, auth = http_settings({**environment("http://127.0.0.1:9/certs"), "SCHEDULER_SECRET": REFERENCE})
        self.secret = SchedulerSecret(auth, lambda: self.store, monotonic=lambda: self.time)


def test_rotated_secret_is_noticed_when_it_is_presented() -> None:
    """An unknown secret makes the store be asked again, but not at every attempt."""
    rotating = Rotating("one")
    assert rotating.secret.matches("one")
    assert not rotating.secret.matches("two")
    rotating.store.add_version(REFERENCE, "two")

    assert not rotating.secret.matches("two")
    rotating.time += scheduler_secret.SECRET_INTERVAL
    assert rotating.secret.matches("two")
    assert rotating.secret.matches("one")
    assert [rotating.secret.matches(f"guess {number}") for number in range(5)] == [False] * 5
    assert rotating.store.reads == 3


def test_withdrawn_secret_stops_opening() -> None:
    """After its time in memory a secret that is no longer among the two latest is refused."""
    rotating = Rotating("one")
    assert rotating.secret.matches("one")
    rotating.store.versions[REFERENCE] = ["two", "three"]
    rotating.store.kept.clear()

    assert not rotating.secret.matches("one")


def test_last_good_secret_bridges_an_outage() -> None:
    """While the secret store does not answer, the secret last read opens; of another one nobody knows."""
    rotating = Rotating("one")
    assert rotating.secret.matches("one")
    rotating.store.error = SecretUnavailable("no answer")

    for _ in range(5):
        assert rotating.secret.matches("one")
        with pytest.raises(SecretUnavailable):
            rotating.secret.matches("two")
    assert rotating.store.reads == 2
    assert not rotating.secret.matches("")

    rotating.store.error = None
    rotating.time += scheduler_secret.SECRET_INTERVAL
    assert [rotating.secret.matches(f"guess {number}") for number in range(5)] == [False] * 5


def test_new_secret_during_an_outage_is_not_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The scheduler is asked to come back, nobody is told of a refused caller, and the known secret opens."""
    monkeypatch.setenv("SCHEDULER_SECRET", REFERENCE)
    stage.client = served("sync_api")
    stage.secrets.versions[REFERENCE] = [SECRET]
    assert stage.tick().status_code == 202
    stage.secrets.versions[REFERENCE].append("the new one")
    stage.secrets.error = SecretUnavailable("the secret store does not answer")

    answers = [stage.tick({"x-scheduler-secret": "the new one"}) for _ in range(2)]
    assert [(each.status_code, each.headers.get("Retry-After")) for each in answers] == [(503, "5")] * 2
    assert [stage.tick().status_code, stage.tick({"x-scheduler-secret": ""}).status_code] == [202, 403]
    lines = log_lines(capsys.readouterr().out)
    told = [line["action"] for line in lines if line["action"] in {"request_failed", "caller_refused"}]
    assert told == ["request_failed", "request_failed", "caller_refused"]


def test_secret_that_is_gone_stops_opening() -> None:
    """If the secret was destroyed, or may not be read any more, memory does not keep it alive."""
    rotating = Rotating("one")
    assert rotating.secret.matches("one")
    del rotating.store.versions[REFERENCE]

    with pytest.raises(SecretMissing):
        rotating.secret.matches("guess")
    for _ in range(2):
        with pytest.raises(SecretMissing):
            rotating.secret.matches("one")


def test_empty_secret_opens_nothing() -> None:
    """A version without content is a fault and no open door."""
    rotating = Rotating("\n")

    with pytest.raises(SecretMissing, match="is empty"):
        rotating.secret.matches("")


def test_secret_never_shows() -> None:
    """Settings print without the secrets they hold."""
    _, auth = http_settings(environment("http://127.0.0.1:9/certs"))

    assert isinstance(auth, AuthSettings)
    assert SECRET not in repr(auth)
    assert auth.scheduler_secret.reveal() == SECRET
    assert SECRET not in f"{Secret(SECRET)} {Secret(SECRET)!r}"
