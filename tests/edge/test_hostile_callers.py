"""Nobody gets in who should not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.edge.conftest import SECRET, Stage
from tests.support import issuer
from tests.support.issuer import AUDIENCE, OPERATOR, certificate, claims, encoded, token

HOUR = 3600


def _signed_with_certificate() -> str:
    """HS256 with the public certificate as its key: the classic confusion of algorithms."""
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{encoded(claims())}"
    return f"{signed}.{encoded(hmac.digest(certificate('first').encode(), signed.encode(), hashlib.sha256))}"


def _tampered() -> str:
    header, _, signature = token(email=OPERATOR).split(".")
    return f"{header}.{encoded(claims())}.{signature}"


def _unsigned(algorithm: str) -> str:
    return f"{encoded({'alg': algorithm, 'kid': 'first'})}.{encoded(claims())}."


def _deep() -> str:
    return f"{encoded(b'[' * 4000)}.{encoded(claims())}.AAAA"


class Hostile(NamedTuple):
    """A caller who must not get in. None sends no such header."""

    name: str
    status: int
    authorization: Callable[[], str | None]
    secret: str | None = SECRET


def _bearer(make: Callable[[], str]) -> Callable[[], str]:
    return lambda: f"Bearer {make()}"


def _now() -> int:
    return int(time.time())


HOSTILE = (
    Hostile("no token", 401, lambda: None),
    Hostile("no token, no secret", 401, lambda: None, None),
    Hostile("empty header", 401, lambda: ""),
    Hostile("scheme alone", 401, lambda: "Bearer"),
    Hostile("scheme and space", 401, lambda: "Bearer "),
    Hostile("basic", 401, lambda: "Basic " + base64.b64encode(b"scheduler:secret").decode()),
    Hostile("token without scheme", 401, token),
    Hostile("secret as token", 401, lambda: f"Bearer {SECRET}"),
    Hostile("two tokens", 401, lambda: f"Bearer {token()}, Bearer {token()}"),
    Hostile("junk", 401, lambda: "Bearer junk"),
    Hostile("dots", 401, lambda: "Bearer .."),
    Hostile("two segments", 401, _bearer(lambda: token().rpartition(".")[0])),
    Hostile("four segments", 401, _bearer(lambda: token() + ".AAAA")),
    Hostile("not base64", 401, lambda: "Bearer a*b.c!d.e?f"),
    Hostile("impossible base64 length", 401, lambda: "Bearer a.b.c"),
    Hostile("not JSON", 401, lambda: f"Bearer {encoded(b'no json')}.{encoded(b'no json')}.AAAA"),
    Hostile("not UTF-8", 401, lambda: f"Bearer {encoded(bytes([255, 254]))}.{encoded(claims())}.AAAA"),
    Hostile("header is a list", 401, lambda: f"Bearer {encoded([1])}.{encoded(claims())}.AAAA"),
    Hostile(
        "claims are a list",
        401,
        lambda: f"Bearer {encoded({'alg': 'RS256', 'kid': 'first'})}.{encoded([])}.AAAA",
    ),
    Hostile("deep nesting", 401, _bearer(_deep)),
    Hostile("huge", 401, _bearer(lambda: token(padding="x" * 100_000))),
    Hostile("algorithm none", 401, _bearer(lambda: _unsigned("none"))),
    Hostile("algorithm None", 401, _bearer(lambda: _unsigned("None") + "AAAA")),
    Hostile("algorithm HS256", 401, _bearer(_signed_with_certificate)),
    Hostile("algorithm RS512", 401, _bearer(lambda: token(header={"alg": "RS512"}))),
    Hostile("algorithm missing", 401, _bearer(lambda: token(header={"alg": None}))),
    Hostile("key id missing", 401, _bearer(lambda: token(header={"kid": None}))),
    Hostile("key id a number", 401, _bearer(lambda: token(header={"kid": 7}))),
    Hostile("key id unknown", 401, _bearer(lambda: token("other"))),
    Hostile("key id unknown again", 401, _bearer(lambda: token("other", header={"kid": "made up"}))),
    Hostile("key id a path", 401, _bearer(lambda: token(header={"kid": "../../etc/passwd"}))),
    Hostile("critical extension", 401, _bearer(lambda: token(header={"crit": ["exp"]}))),
    Hostile("wrong key", 401, _bearer(lambda: token("other", header={"kid": "first"}))),
    Hostile("claims tampered with", 401, _bearer(_tampered)),
    Hostile("signature cut", 401, _bearer(lambda: token()[:-8])),
    Hostile("issuer missing", 401, _bearer(lambda: token(iss=None))),
    Hostile("issuer wrong", 401, _bearer(lambda: token(iss="https://accounts.google.com.example.test"))),
    Hostile("issuer http", 401, _bearer(lambda: token(iss="http://accounts.google.com"))),
    Hostile("audience missing", 401, _bearer(lambda: token(aud=None))),
    Hostile("audience empty", 401, _bearer(lambda: token(aud=""))),
    Hostile("audience wrong", 401, _bearer(lambda: token(aud="https://other.example.test"))),
    Hostile("audience with path", 401, _bearer(lambda: token(aud=f"{AUDIENCE}/api/sync/scheduler"))),
    Hostile("audience a list", 401, _bearer(lambda: token(aud=[AUDIENCE, "https://other.example.test"]))),
    Hostile("expired", 401, _bearer(lambda: token(iat=_now() - 2 * HOUR, exp=_now() - HOUR))),
    Hostile("expired beyond skew", 401, _bearer(lambda: token(iat=_now() - HOUR, exp=_now() - 11))),
    Hostile("expiry missing", 401, _bearer(lambda: token(exp=None))),
    Hostile("expiry a string", 401, _bearer(lambda: token(exp="9999999999"))),
    Hostile("expiry true", 401, _bearer(lambda: token(exp=True))),
    Hostile("issued in the future", 401, _bearer(lambda: token(iat=_now() + 60))),
    Hostile("issue time missing", 401, _bearer(lambda: token(iat=None))),
    Hostile("not valid yet", 401, _bearer(lambda: token(nbf=_now() + 60))),
    Hostile("e-mail missing", 401, _bearer(lambda: token(email=None))),
    Hostile("e-mail unverified", 401, _bearer(lambda: token(email_verified=False))),
    Hostile("e-mail verified by word", 401, _bearer(lambda: token(email_verified="true"))),
    Hostile("e-mail verified missing", 401, _bearer(lambda: token(email_verified=None))),
    Hostile("e-mail of another", 403, _bearer(lambda: token(email="eve@project-1.iam.gserviceaccount.com"))),
    Hostile("e-mail of an operator", 403, _bearer(lambda: token(email=OPERATOR))),
    Hostile("e-mail in capitals", 403, _bearer(lambda: token(email=issuer.SCHEDULER.upper()))),
    Hostile("secret missing", 403, _bearer(token), None),
    Hostile("secret empty", 403, _bearer(token), ""),
    Hostile("secret wrong", 403, _bearer(token), "correct horse battery stapl"),
    Hostile("secret longer", 403, _bearer(token), SECRET + "s"),
    Hostile("secret in capitals", 403, _bearer(token), SECRET.upper()),
    Hostile("secret not ASCII", 403, _bearer(token), "s\xe9cret"),
)


def _send(stage: Stage, caller: Hostile) -> int:
    headers = {"Authorization": caller.authorization() or "", "x-scheduler-secret": caller.secret or ""}
    response = stage.tick(headers)

    assert "detail" not in response.get_json()
    return response.status_code


def test_table_is_long_enough() -> None:
    """At least forty different hostile callers are tried."""
    assert len({caller.name for caller in HOSTILE}) >= 40


@pytest.mark.parametrize("caller", HOSTILE, ids=lambda caller: caller.name)
def test_hostile_caller_is_refused(stage: Stage, caller: Hostile) -> None:
    """A hostile caller is refused with the right status, and nothing is started."""
    assert _send(stage, caller) == caller.status
    assert stage.queue.messages == []
    assert stage.store.count("runs") == 0


def test_certificates_are_fetched_once_for_all(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole table costs one fetch of certificates, and leaves no token and no secret in the log."""
    for caller in HOSTILE:
        _send(stage, caller)
    good = stage.tick()
    output = capsys.readouterr().out

    assert good.status_code == 202
    assert stage.issuer.fetches == 1
    assert output.count('"caller_refused"') == len(HOSTILE)
    for private in (SECRET, SECRET.upper(), "eyJ", encoded({"alg": "RS256"})[:12], "BEGIN"):
        assert private not in output


def test_forged_scheduler_headers_prove_nothing(stage: Stage) -> None:
    """Cloud Scheduler's own headers open nothing: anyone can set them."""
    response = stage.tick(
        {"Authorization": "", "x-scheduler-secret": "", "User-Agent": "Google-Cloud-Scheduler"}
    )

    assert response.status_code == 401


def test_caller_is_checked_before_the_body(stage: Stage) -> None:
    """A caller who is not let in learns nothing about the body's form or size."""
    headers = {"Authorization": "Bearer junk"}

    assert stage.tick(headers, data=b"x" * 100_000).status_code == 401
    assert stage.call("POST", "/api/sync/trigger", headers, data=b"{").status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/sync/trigger"),
        ("GET", "/api/sync/status"),
        ("GET", "/api/sync/runs"),
        ("GET", "/api/sync/runs/t-1"),
        ("POST", "/api/sync/runs/t-1/retry"),
        ("POST", "/api/sync/runs/t-1/cancel"),
    ],
)
def test_operator_routes_admit_operators_alone(stage: Stage, method: str, path: str) -> None:
    """Operators' routes refuse a nameless caller (401) and any other (403), the scheduler too."""
    stranger = {"Authorization": f"Bearer {token(email='eve@example.test')}"}
    scheduler = {"Authorization": f"Bearer {token()}", "x-scheduler-secret": SECRET}

    assert stage.call(method, path, as_operator=False).status_code == 401
    assert stage.call(method, path, stranger).status_code == 403
    assert stage.call(method, path, scheduler).status_code == 403
