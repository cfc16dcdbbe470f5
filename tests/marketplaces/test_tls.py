"""Connections over TLS: one context for all, which checks certificates, and connections that are kept."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator import timed_http
from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces import transport
from orchestrator.timed_http import TimedPoolManager, tls_context
from tests.support.tls import Authority, Served, served

PLACES = 5


def forget() -> None:
    """Forget context and connections, as in a new process."""
    timed_http._made_context.cache_clear()
    transport._pools.cache_clear()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """An authority that this process trusts, as it would trust the system's."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    monkeypatch.setenv("THREADS", str(PLACES))
    forget()
    yield made
    forget()


@pytest.fixture
def server(authority: Authority) -> Iterator[Served]:
    """A server with a good certificate."""
    with served(authority.context()) as running:
        yield running


def get(url: str, **headers: str) -> int:
    """The status of one call."""
    return transport.send("example things", "GET", url, headers, None, public=False, has_room=bool).status


def test_all_connections_share_one_context(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that are made at the same time, and those of another client."""
    loaded: list[ssl.SSLContext] = []
    load = ssl.SSLContext.load_default_certs

    def counted(self: ssl.SSLContext) -> None:
        loaded.append(self)
        load(self)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", counted)
    server.together = threading.Barrier(PLACES)
    with ThreadPoolExecutor(PLACES) as pool:
        assert set(pool.map(get, [server.url] * PLACES)) == {200}
    server.together = threading.Barrier(1)
    assert TimedPoolManager(retries=False).request("GET", server.url).status == 200

    assert len(server.connections) == PLACES + 1
    assert len(loaded) == 1


def test_connections_are_kept_for_all_tasks(server: Served) -> None:
    """As many as tasks run at once, so that none of them makes a new one for its next call."""
    server.together = threading.Barrier(PLACES)
    with ThreadPoolExecutor(PLACES) as pool:
        for _ in range(3):
            assert set(pool.map(get, [server.url] * PLACES)) == {200}

    assert len(server.connections) == PLACES


@pytest.mark.parametrize("wrong", ["of another authority", "of another host", "expired"])
def test_a_certificate_that_is_not_right_is_refused(
    wrong: str, authority: Authority, server: Served, tmp_path: Path
) -> None:
    """Before anything is sent, and although the context has connected to a good server before."""
    context = {
        "of another authority": lambda: Authority(tmp_path, "strangers").context(),
        "of another host": lambda: authority.context("other.example"),
        "expired": lambda: authority.context(ends_in=-timedelta(days=1)),
    }[wrong]()
    assert get(server.url) == 200
    with served(context) as bad:
        with pytest.raises(MarketplaceUnavailable, match="SSLError"):
            get(bad.url)
        assert not bad.connections


def test_old_versions_of_tls_are_refused() -> None:
    """The context's own settings, whatever the system's are."""
    assert tls_context().minimum_version == ssl.TLSVersion.TLSv1_2
    assert tls_context().verify_mode is ssl.CERT_REQUIRED
    assert tls_context().check_hostname
