"""Certificates are fetched when needed, and not more often."""

from __future__ import annotations

import json
import threading

import pytest

from functions.auth import certificates
from functions.auth.certificates import CertificateCache, CertificatesUnavailable
from tests.edge.conftest import Stage
from tests.support.issuer import Issuer, elliptic_certificate, token


class Cache:
    """A cache on a clock of the test's own."""

    def __init__(self, certs: Issuer) -> None:
        self.time = 1_000.0
        self.certs = certs
        self.cache = CertificateCache(certs.url, monotonic=lambda: self.time)

    def knows(self, key_id: str) -> bool:
        """Whether there is such a key."""
        return self.cache.key(key_id) is not None


@pytest.fixture
def cache(certs: Issuer) -> Cache:
    """An empty cache of a running issuer."""
    return Cache(certs)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=21155, must-revalidate, no-transform"}, 21_155),
        ({"Cache-Control": "public, max-age=21155", "Age": "1155"}, 20_000),
        ({"Cache-Control": "MAX-AGE=900"}, 900),
        ({"Cache-Control": "s-maxage=9, max-age=900"}, 900),
        ({"Cache-Control": "max-age=99999999"}, certificates.LONGEST_AGE),
        ({"Cache-Control": "max-age=100", "Age": "100"}, certificates.SHORTEST_AGE),
        ({"Cache-Control": "no-store"}, certificates.DEFAULT_AGE),
        ({"Cache-Control": "max-age=900", "Age": "junk"}, 900),
        ({}, certificates.DEFAULT_AGE),
    ],
)
def test_age_is_the_answers_own(cache: Cache, headers: dict[str, str], seconds: float) -> None:
    """An answer is used for its max-age less its Age, within bounds."""
    cache.certs.headers = headers
    cache.knows("first")
    cache.time += seconds - 1
    cache.knows("first")

    assert cache.certs.fetches == 1
    cache.time += 1
    cache.knows("first")
    assert cache.certs.fetches == 2


def test_unknown_key_id_asks_once_more(cache: Cache) -> None:
    """A new key is found before the old answer's time is over, but made-up ids do not make us ask again."""
    assert cache.knows("first")
    cache.certs.publish("first", "second")

    assert not cache.knows("second")
    cache.time += certificates.UNKNOWN_INTERVAL
    assert cache.knows("second")
    assert [cache.knows(f"made up {number}") for number in range(20)] == [False] * 20
    assert cache.certs.fetches == 2


def test_withdrawn_key_is_forgotten(cache: Cache) -> None:
    """A key that is no longer published stops counting when the answer's time is over."""
    cache.certs.headers = {"Cache-Control": "max-age=600"}
    assert cache.knows("first")
    cache.certs.publish("second")
    cache.time += 600

    assert not cache.knows("first")


def test_outage_is_bridged_for_a_while(cache: Cache) -> None:
    """Old certificates serve on during an outage, asking seldom, and not for ever."""
    cache.certs.headers = {"Cache-Control": "max-age=600"}
    assert cache.knows("first")
    cache.certs.status = 500
    cache.time += 600
    assert [cache.knows("first") for _ in range(5)] == [True] * 5
    assert cache.certs.fetches == 2

    cache.time += certificates.STALE_AGE
    with pytest.raises(CertificatesUnavailable):
        cache.knows("first")
    cache.certs.status = 200
    cache.time += certificates.FAILURE_INTERVAL
    assert cache.knows("first")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"first": 1}',
        b'{"first": "no certificate"}',
        json.dumps({"first": elliptic_certificate()}).encode(),
        b"x" * 300_000,
        b"\xff\xfe",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_unusable_answer_is_no_answer(cache: Cache, body: bytes) -> None:
    """An answer that is no map of RSA certificates counts as an outage."""
    cache.certs.body = body

    with pytest.raises(CertificatesUnavailable):
        cache.knows("first")


def test_redirect_is_not_followed(cache: Cache) -> None:
    """Certificates come only from the URL that was set."""
    cache.certs.status = 302
    cache.certs.headers = {"Location": cache.certs.url}

    with pytest.raises(CertificatesUnavailable):
        cache.knows("first")


def test_one_thread_fetches_for_all(cache: Cache) -> None:
    """Many first requests at once cost one fetch."""
    start = threading.Barrier(8)
    known: list[bool] = []

    def ask() -> None:
        start.wait()
        known.append(cache.knows("first"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert known == [True] * 8
    assert cache.certs.fetches == 1


def test_answer_is_503_without_certificates(stage: Stage) -> None:
    """A good caller is asked to come back if the token cannot be checked."""
    stage.issuer.status = 500
    response = stage.tick()

    assert response.status_code == 503
    assert stage.tick({"Authorization": f"Bearer {token(aud='another')}"}).status_code == 401


def test_unknown_key_during_an_outage_is_unknown_to_us_alone(cache: Cache) -> None:
    """A key that is newer than the certificates in memory is not refused while nobody can look it up."""
    assert cache.knows("first")
    cache.certs.status = 500
    cache.time += certificates.UNKNOWN_INTERVAL
    for _ in range(5):
        with pytest.raises(CertificatesUnavailable):
            cache.knows("second")
    assert cache.knows("first")
    assert cache.certs.fetches == 2


def test_answer_is_503_to_a_new_key_without_certificates(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token of a key that is not in memory yet is no refused caller while the issuer does not answer."""
    assert stage.tick().status_code == 202
    monkeypatch.setattr(certificates, "UNKNOWN_INTERVAL", 0.0)
    stage.issuer.status = 500
    response = stage.tick({"Authorization": f"Bearer {token(header={'kid': 'second'})}"})

    assert (response.status_code, response.headers.get("Retry-After")) == (503, "5")
    assert stage.tick().status_code == 202
    assert "caller_refused" not in capsys.readouterr().out
