"""The one request loop: requests, retries, waits and errors, and the secrets that never leak."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceError,
    MarketplaceUnavailable,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces import transport
from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.client import ATTEMPTS, ERRORS, Client
from orchestrator.marketplaces.response import Response
from tests.support.scripted import Bench, Scripted, Secrets, scripted

HOST = "api.example.com"
SECRET = "key-never-shown"
GOOD = Reply.json(200, {"ok": True})


def client(bench: Bench, base_url: str | None, hosts: tuple[str, ...] = (HOST,)) -> Client:
    """A client that authenticates with SECRET."""
    return Client(
        bench.opening("shopify", {}, Secrets("{}")),
        marketplace="example",
        hosts=frozenset(hosts),
        auth=FixedHeader("X-Key", SECRET),
        base_url=base_url,
    )


def decoded(response: Response) -> dict[str, bool]:
    """The body as a dict."""
    return response.decode(dict[str, bool])


def ask(bench: Bench, server: Scripted) -> Any:
    """One call with a query and a secret."""
    return client(bench, server.url).request(
        "things", f"https://{HOST}/v1/things", decoded, params=[("token", "private")]
    )


def test_a_call_keeps_its_path_and_query_and_counts_itself() -> None:
    """base_url replaces scheme, host and port only; calls, bytes and the server's time are noted."""
    with scripted(GOOD) as server:
        spoken = client(Bench(), server.url)
        answer = spoken.request(
            "things", f"https://{HOST}/v1/things", decoded, params=[("a", "1"), ("a", "ü&")]
        )

    assert answer == {"ok": True}
    assert (server.requests[0].path, server.requests[0].query) == ("/v1/things", {"a": ["1", "ü&"]})
    assert server.requests[0].headers["x-key"] == SECRET
    assert (spoken.calls, spoken.received_bytes) == (1, len(GOOD.body))
    assert spoken.server_time is not None
    assert abs(spoken.server_time - datetime.now(UTC)) < timedelta(seconds=60)


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_a_passing_failure_is_retried_with_growing_jittered_pauses(status: int) -> None:
    """Transient statuses are sent again until they pass, with a bounded pause before each."""
    bench = Bench()
    with scripted(Reply.json(status, {}), Reply.json(status, {}), GOOD) as server:
        assert ask(bench, server) == {"ok": True}

    assert len(bench.clock.slept) == 2
    assert all(0 <= pause <= 0.5 * 2**turn for turn, pause in enumerate(bench.clock.slept))


def test_the_lease_is_taken_as_soon_as_a_call_fails() -> None:
    """The retries take a while: tasks of later runs skip the connection. A good answer takes no lease."""
    claims: list[int] = []
    with scripted(GOOD, Reply.json(503, {}), GOOD) as server:
        bench = Bench(troubled=lambda: claims.append(len(server.requests)))
        ask(bench, server)
        assert claims == []
        ask(bench, server)

    assert claims == [2]


def test_a_lasting_failure_ends_after_a_bounded_number_of_attempts() -> None:
    """A marketplace that stays down costs ATTEMPTS calls and no more."""
    with scripted(Reply.json(500, {})) as server, pytest.raises(MarketplaceUnavailable):
        ask(Bench(), server)

    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRejected),
        (401, CredentialsRejected),
        (402, PermissionDenied),
        (403, PermissionDenied),
        (404, RequestRejected),
        (422, RequestRejected),
        (301, ResponseInvalid),
        (302, ResponseInvalid),
        (307, ResponseInvalid),
    ],
)
def test_a_final_status_is_raised_at_once_as_its_kind(status: int, kind: type[MarketplaceError]) -> None:
    """An error that a retry cannot mend is not retried, and a redirect is not followed."""
    with (
        scripted(Reply(status, b"{}", headers={"Location": "http://169.254.169.254/latest"})) as server,
        pytest.raises(kind) as raised,
    ):
        ask(Bench(), server)

    assert len(server.requests) == 1
    assert str(status) in raised.value.message
    assert raised.value.message.startswith("example things")


def test_a_connector_overrides_single_rows_of_the_status_table() -> None:
    """The table is data: a call can give a status a meaning of its own."""
    with scripted(Reply.json(400, {})) as server, pytest.raises(CredentialsRejected):
        client(Bench(), server.url).request(
            "token", f"https://{HOST}/token", decoded, errors={400: CredentialsRejected}
        )
    assert 400 not in ERRORS


def in_seconds(seconds: int) -> str:
    """Retry-After as a date."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("advice", "least", "most"),
    [
        (lambda: "7", 7.0, 8.0),
        (lambda: in_seconds(7), 5.0, 9.0),
        (lambda: "soon", 0.0, 2.3),
        (lambda: "", 0.0, 2.3),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_in_both_forms(
    advice: Callable[[], str], least: float, most: float, status: int
) -> None:
    """Seconds and dates are waited for through the engine's wait; without advice there is a back-off."""
    bench = Bench()
    with scripted(Reply(status, b"{}", headers={"Retry-After": advice()}), GOOD) as server:
        assert ask(bench, server) == {"ok": True}

    assert len(bench.waits) == 1
    assert least <= bench.waits[0] <= most


def test_a_wait_that_does_not_fit_the_slice_is_handed_to_the_engine() -> None:
    """The engine's RateLimited goes through with the seconds to wait, after a single call."""
    with (
        scripted(Reply(429, b"{}", headers={"Retry-After": "3600"})) as server,
        pytest.raises(RateLimited) as raised,
    ):
        ask(Bench(), server)

    assert len(server.requests) == 1
    assert 3600 <= raised.value.wait_s <= 3601


def test_endless_limits_end_after_a_bounded_number_of_attempts() -> None:
    """A marketplace that always says wait is called ATTEMPTS times."""
    with scripted(Reply(429, b"{}", headers={"Retry-After": "1"})) as server, pytest.raises(RateLimited):
        ask(Bench(), server)

    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Service</html>",
        b'{"ok": tr',
        b"",
        b"<b>Notice</b>: undefined index {}",
        b"\xff\xfe",
    ],
    ids=["html", "truncated", "empty", "notice", "not utf-8"],
)
def test_a_body_that_is_not_json_is_a_passing_failure(body: bytes) -> None:
    """It is retried; the error names marketplace, status and content type, and holds nothing of the body."""
    with scripted(Reply(200, body, "text/html; charset=utf-8"), GOOD) as server:
        assert ask(Bench(), server) == {"ok": True}
    with (
        scripted(Reply(200, body, "text/html; charset=utf-8")) as server,
        pytest.raises(MarketplaceUnavailable) as raised,
    ):
        ask(Bench(), server)

    assert raised.value.message == "example things: answered 200 with a body that is not JSON (text/html)"


def test_a_body_that_nests_without_end_is_a_passing_failure() -> None:
    """It must not bring the process down."""
    with pytest.raises(MarketplaceUnavailable):
        Response("example things", 200, {}, b"[" * 100_000).decode(object)


def test_json_of_another_shape_is_invalid_at_once() -> None:
    """An answer that breaks the API's promise is not asked for again."""
    with (
        scripted(Reply.json(200, {"ok": "yes"})) as server,
        pytest.raises(ResponseInvalid, match="Expected"),
    ):
        ask(Bench(), server)

    assert len(server.requests) == 1


def test_an_html_403_is_a_firewall_and_not_a_lack_of_permission() -> None:
    """Takealot's Cloudflare page, and others like it, pass."""
    page = Reply(403, b"<html>blocked</html>", "text/html")
    with scripted(page, GOOD) as server:
        assert ask(Bench(), server) == {"ok": True}


def test_an_answer_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded whatever a marketplace sends."""
    monkeypatch.setattr(transport, "MAX_BYTES", 1000)
    with scripted(Reply(200, b" " * 1001)) as server, pytest.raises(ResponseInvalid, match="1000 bytes"):
        ask(Bench(), server)


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example.com/v1/things",
        f"http://{HOST}/v1/things",
        f"https://{HOST}:8443/v1/things",
        f"https://user@{HOST}/v1/things",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
    ],
)
def test_nothing_but_the_marketplaces_own_hosts_is_spoken_to(url: str) -> None:
    """Another host, scheme or port is refused before anything is sent."""
    with scripted(GOOD) as server:
        spoken = client(Bench(), server.url)
        with pytest.raises(RequestRejected, match="nothing was sent"):
            spoken.request("things", url, decoded)

    assert spoken.calls == 0
    assert not server.requests


def test_a_name_that_resolves_to_a_private_address_is_refused() -> None:
    """An own host that points inside is connected to, seen to be private, and sent nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"localhost:{listener.getsockname()[1]}"
        spoken = client(Bench(), None, (host,))
        with pytest.raises(RequestRejected, match="not public"):
            spoken.request("things", f"https://{host}/v1/things", decoded)
        listener.settimeout(5)
        with listener.accept()[0] as connection:
            connection.settimeout(5)
            assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"ok":true}',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{"ok":true}\r\n',
        b"nonsense\r\n\r\n",
    ],
    ids=["closed", "shorter than announced", "unfinished chunks", "not HTTP"],
)
def test_an_answer_that_breaks_off_is_a_passing_failure(sent: bytes) -> None:
    """A truncated answer is never taken for a whole one, even if it happens to be JSON."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(sent)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with pytest.raises(MarketplaceUnavailable, match="no complete answer"):
            transport.send("example things", "GET", url, {}, None, public=False, has_room=bool)
        thread.join()


@pytest.mark.parametrize(
    "reply", [Reply.json(401, {"key": SECRET}), Reply(500, SECRET.encode()), Reply(200, b"{")]
)
def test_no_secret_or_query_is_in_errors_logs_or_reprs(
    reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the key, the query nor the body is anywhere a person or a log would see it."""
    caplog.set_level(logging.DEBUG)
    with scripted(reply) as server, pytest.raises(MarketplaceError) as raised:
        ask(Bench(), server)

    shown = (
        f"{raised.value!r} {raised.value.action} {raised.value.__cause__!r} {FixedHeader('X-Key', SECRET)!r}"
    )
    assert SECRET not in shown
    assert "private" not in shown
    assert SECRET not in caplog.text
    assert "private" not in caplog.text


def test_a_compressed_body_counts_as_it_travelled() -> None:
    """received_bytes counts the bytes sent, not the unpacked ones."""
    body = gzip.compress(msgspec.json.encode({"ok": True, **{f"k{n}": True for n in range(1000)}}))
    with scripted(Reply(200, body, headers={"Content-Encoding": "gzip"})) as server:
        spoken = client(Bench(), server.url)
        assert spoken.request("things", f"https://{HOST}/v1", decoded)["k999"]

    assert spoken.received_bytes == len(body)
