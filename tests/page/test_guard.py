"""Who gets in: one browser, through one link; all else is refused, whatever it sends."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.model.connection import ConnectionStatus
from orchestrator.page.guard import HEADERS, HOST, MAX_BODY, Door
from orchestrator.page.server import bind
from tests.page.scenes import ANN, Scene, empty
from tests.page.served import Page, serving

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Inside:
    """A page, and the operator's browser in it."""

    page: Page
    scene: Scene
    cookie: str
    csrf: str

    @property
    def form(self) -> dict[str, str]:
        """The headers of a form that the page's own screen sends."""
        return {"Cookie": self.cookie, "Origin": self.page.origin, "Content-Type": FORM}

    @property
    def body(self) -> bytes:
        """A form that pauses a connection at once."""
        return f"csrf={self.csrf}&confirmed=yes&connection_id=shop".encode()

    def status(self) -> object:
        """The connection's status."""
        return self.scene.world.get("connections/shop").data["status"]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """A page of one connection, with a session."""
    scene = empty(tmp_path_factory.mktemp("guard"))
    scene.world.connect("shop")
    with serving(scene) as page:
        cookie = page.enter()["Cookie"]
        _, _, body = page.ask("GET", "/connections/shop", {"Cookie": cookie})
        csrf = re.search(r'name="csrf" value="([^"]+)"', body)
        assert csrf is not None
        yield Inside(page, scene, cookie, csrf[1])


def test_the_operators_own_form_is_accepted(inside: Inside) -> None:
    """So the refusals below are refusals of what they change."""
    status, headers, _ = inside.page.ask("POST", "/act/pause", inside.form, inside.body)
    assert (status, headers["location"], inside.status()) == (303, "/connections/shop", "paused")
    inside.scene.world.connect("shop")


#: By name: the method, the address, headers that are added (None removes one), and the expected status.
HOSTILE: dict[str, tuple[str, str, dict[str, str | None], int]] = {
    "another host": ("GET", "/", {"Host": "evil.example"}, 421),
    "a rebound host with the port": ("GET", "/", {"Host": "evil.example:8733"}, 421),
    "localhost by name": ("GET", "/", {"Host": "localhost:{port}"}, 421),
    "the host without a port": ("GET", "/", {"Host": "127.0.0.1"}, 421),
    "a host that begins like ours": ("GET", "/", {"Host": "127.0.0.1:{port}.evil.example"}, 421),
    "a host with a user": ("GET", "/", {"Host": "ann@127.0.0.1:{port}"}, 421),
    "no cookie": ("GET", "/", {"Cookie": None}, 401),
    "a made-up cookie": ("GET", "/", {"Cookie": "marketplace_sync_{port}=abc"}, 401),
    "the cookie of another port": ("GET", "/", {"Cookie": "marketplace_sync_1={session}"}, 401),
    "a form without a cookie": ("POST", "/act/pause", {"Cookie": None}, 401),
    "a form of another site": ("POST", "/act/pause", {"Origin": "https://evil.example"}, 403),
    "a form of another port": ("POST", "/act/pause", {"Origin": "http://127.0.0.1:3000"}, 403),
    "a form of localhost": ("POST", "/act/pause", {"Origin": "http://localhost:{port}"}, 403),
    "a form over TLS": ("POST", "/act/pause", {"Origin": "https://127.0.0.1:{port}"}, 403),
    "a form of nowhere": ("POST", "/act/pause", {"Origin": "null"}, 403),
    "a form without an origin": ("POST", "/act/pause", {"Origin": None}, 403),
    "a form that says it is another site's": ("POST", "/act/pause", {"Sec-Fetch-Site": "cross-site"}, 403),
    "a form that says it is another port's": ("POST", "/act/pause", {"Sec-Fetch-Site": "same-site"}, 403),
    "a form that a person typed": ("POST", "/act/pause", {"Sec-Fetch-Site": "none"}, 403),
    "a frame of another site": (
        "GET",
        "/",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        403,
    ),
    "a frame of this site": ("GET", "/", {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "iframe"}, 403),
    "an image of another port": (
        "GET",
        "/runs?format=csv",
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        403,
    ),
    "a fetch of another site": (
        "GET",
        "/",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        403,
    ),
    "a parent folder": ("GET", "/../etc/passwd", {}, 400),
    "a parent folder of the style sheet": ("GET", "/static/../app.py", {}, 400),
    "an escaped parent folder": ("GET", "/static/%2e%2e/app.py", {}, 400),
    "half an escaped parent folder": ("GET", "/static/.%2E/app.py", {}, 400),
    "an escaped slash": ("GET", "/static/..%2fapp.py", {}, 400),
    "a backslash": ("GET", "/static/..%5capp.py", {}, 400),
    "two slashes": ("GET", "//evil.example/", {}, 404),
    "two slashes inside": ("GET", "/connections//shop", {}, 400),
    "a null": ("GET", "/connections/%00", {}, 400),
    "a header in the query": ("GET", "/runs?status=a%0d%0aSet-Cookie:%20a=b", {}, 400),
    "a deletion": ("DELETE", "/connections/shop", {}, 405),
    "a put": ("PUT", "/", {}, 405),
    "an enquiry": ("OPTIONS", "/", {"Access-Control-Request-Method": "POST"}, 405),
    "a trace": ("TRACE", "/", {}, 405),
    "a made-up method": ("EVIL", "/", {}, 405),
    "an action by address": ("GET", "/act/pause?connection_id=shop&confirmed=yes&csrf={csrf}", {}, 405),
    "a form to a screen": ("POST", "/connections/shop", {}, 405),
    "JSON": ("POST", "/act/pause", {"Content-Type": "application/json"}, 415),
    "plain text, which needs no leave": ("POST", "/act/pause", {"Content-Type": "text/plain"}, 415),
    "a form in parts": ("POST", "/act/pause", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
    "a huge body": ("POST", "/act/pause", {"Content-Length": str(MAX_BODY + 1)}, 413),
    "an endless body": ("POST", "/act/pause", {"Content-Length": "99999999999999999999"}, 413),
    "a body in pieces": ("POST", "/act/pause", {"Transfer-Encoding": "chunked"}, 411),
    "an unknown action": ("POST", "/act/drop", {}, 404),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused(inside: Inside, name: str) -> None:
    """Nothing of the page is told, and nothing is done."""
    method, target, changes, expected = HOSTILE[name]
    session = inside.cookie.partition("=")[2]
    known = {"port": inside.page.port, "session": session, "csrf": inside.csrf}
    given: dict[str, str | None] = {
        **(inside.form if method == "POST" else {"Cookie": inside.cookie}),
        **changes,
    }
    headers = {each: value.format(**known) for each, value in given.items() if value is not None}
    body = inside.body if method == "POST" else None
    status, answered, shown = inside.page.ask(method, target.format(**known), headers, body)

    assert (status, inside.status()) == (expected, ConnectionStatus.ACTIVE.value)
    assert "set-cookie" not in answered
    assert not set(answered) & {"access-control-allow-origin", "location"}
    assert session not in shown
    if status not in {404, 405}:
        assert inside.csrf not in shown


@pytest.mark.parametrize("csrf", ["", "abc", "csrf-of-another", "\N{SNOWMAN}"])
def test_a_form_needs_the_sessions_own_token(inside: Inside, csrf: str) -> None:
    """A token that is missing, made up, or of another session."""
    if csrf == "csrf-of-another":
        door = Door(inside.page.port, lambda _: None)
        other = door.enter(door.link().partition("token=")[2])
        assert other is not None
        csrf = other.csrf
    body = f"csrf={csrf}&confirmed=yes&connection_id=shop".encode()
    status, _, _ = inside.page.ask("POST", "/act/pause", inside.form, body)
    assert (status, inside.status()) == (403, "active")


def test_the_first_click_only_tells(inside: Inside) -> None:
    """It says what will happen, and the form behind it has the confirmation."""
    body = f"csrf={inside.csrf}&connection_id=shop".encode()
    status, _, shown = inside.page.ask("POST", "/act/pause", inside.form, body)
    assert (status, inside.status()) == (200, "active")
    assert "Pause shop?" in shown
    assert 'name="confirmed" value="yes"' in shown


@pytest.mark.parametrize(
    "target", ["/", "/nowhere", "/static/page.css", "/enter?token=x", "/connections/shop"]
)
@pytest.mark.parametrize("is_in", [True, False])
def test_every_answer_is_secured(inside: Inside, target: str, is_in: bool) -> None:
    """Refusals, errors and files too."""
    _, headers, _ = inside.page.ask("GET", target, {"Cookie": inside.cookie} if is_in else {})
    assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
    assert headers["referrer-policy"] == ("no-referrer" if target.startswith("/enter") else "same-origin")
    assert "werkzeug" not in headers["server"].lower()


def test_a_link_works_once(tmp_path: Path) -> None:
    """Its second visitor is told to look at the terminal, which shows a new one; a third changes nothing."""
    with serving(empty(tmp_path)) as page:
        target = page.links[0].removeprefix(page.origin)
        status, headers, _ = page.ask("GET", target)
        assert (status, headers["location"]) == (303, "/")
        name, _, attributes = headers["set-cookie"].partition("=")
        assert name == f"marketplace_sync_{page.port}"
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes.split("; "))

        for _ in range(2):
            status, headers, shown = page.ask("GET", target)
            assert (status, "set-cookie" in headers) == (403, False)
            assert "Look at the terminal" in shown
        assert len(page.links) == 2
        assert page.ask("GET", page.links[1].removeprefix(page.origin))[0] == 303


def test_looking_ahead_uses_no_link(tmp_path: Path) -> None:
    """A browser that fetches an address before it is opened, or asks for its headers."""
    with serving(empty(tmp_path)) as page:
        target = page.links[0].removeprefix(page.origin)
        assert page.ask("GET", target, {"Sec-Purpose": "prefetch;prerender"})[0] == 403
        assert page.ask("HEAD", target)[0] == 403
        assert page.ask("GET", "/enter?token=wrong")[0] == 403
        assert page.ask("GET", target)[0] == 303
        assert len(page.links) == 1


def test_a_used_link_is_fine_for_the_browser_that_used_it(tmp_path: Path) -> None:
    """Going back in the history is no attack."""
    with serving(empty(tmp_path)) as page:
        session = page.enter()
        status, headers, _ = page.ask("GET", page.links[0].removeprefix(page.origin), session)
        assert (status, headers["location"]) == (303, "/")
        assert len(page.links) == 1


def test_a_link_from_another_site_leads_to_a_way_in(inside: Inside) -> None:
    """The cookie is not sent with it, so the screen offers a link that sends it."""
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    status, _, shown = inside.page.ask("GET", "/connections/shop", foreign)
    assert status == 401
    assert '<a href="/connections/shop">Continue</a>' in shown
    assert inside.page.ask("GET", "/connections/shop", {**foreign, "Cookie": inside.cookie})[0] == 200


def test_it_listens_on_this_machine_only_and_takes_the_next_free_port(tmp_path: Path) -> None:
    """A port that is taken is not shared."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        links: list[str] = []
        server = bind(empty(tmp_path).world.services, ANN, port, tell=links.append)
        try:
            assert server.server_address[0] == HOST
            assert port < server.port <= port + 20
            assert links[0].startswith(f"http://{HOST}:{server.port}/enter?token=")
        finally:
            server.server_close()
