"""Who gets in: this machine's operator, in one browser, through one link; everything else is refused.

The page has no user names and no passwords. The person who starts it has credentials, and sees a
link with a token that works once. The browser that opens the link gets a session, in a cookie,
until the program ends.

Each check answers an attack:

| check | against |
| --- | --- |
| the address 127.0.0.1, and a `Host` that equals it | other machines; a domain that is rebound to this one |
| one token, used once, compared in constant time | links in histories and logs; guessing |
| an `HttpOnly`, `SameSite=Strict` cookie | scripts, and other sites |
| `Origin`, `Sec-Fetch-Site` and a token in each form | other ports of this machine: cookies ignore ports |
| no embedding, and no reading by other origins | frames, and pages that load this one as something else |

Other ports see the cookie itself, if this browser opens them: a program that this machine's user starts and
visits could use it. Such a program can use the user's credentials as well.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from http import HTTPStatus
from typing import NamedTuple

import flask

HOST = "127.0.0.1"
MAX_BODY = 64 * 1024
METHODS = ("GET", "HEAD", "POST")
#: Sent with every answer.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: Browsers that keep a session, at most; the oldest session ends first.
_SESSIONS = 8
_IDLE_S = 12 * 3600.0
_BYTES = 32
#: Nothing that a browser sends for an address of this page.
_TRICKS = re.compile(r"//|\\|%2f|%5c|%00|[\x00-\x20\x7f-\xff]|(^|/)(\.|%2e){1,2}(/|$)", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"
_FRAMES = {"iframe", "frame", "embed", "object", "fencedframe"}


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: The answer's status.
        message: A sentence for a person who came here by mistake.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Notice(NamedTuple):
    """The result of an action, shown once on the next screen."""

    text: str
    #: More lines: one for each connection that failed, for example.
    lines: tuple[str, ...] = ()
    is_bad: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """A browser that has used a link."""

    cookie: str
    #: In every form.
    csrf: str
    used_at: float
    notice: Notice | None = None


@dataclass(slots=True, eq=False)
class Door:
    """Makes links, and knows the sessions that came of them; safe for threads.

    Args:
        port: The page's port.
        tell: Shows a new link on the terminal.
    """

    port: int
    tell: Callable[[str], None]
    _token: str | None = None
    _sessions: list[Session] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """The only accepted `Host`."""
        return f"{HOST}:{self.port}"

    @property
    def origin(self) -> str:
        """The only accepted `Origin` of a form."""
        return f"http://{self.host}"

    @property
    def cookie_name(self) -> str:
        """Other ports of this machine have other cookies."""
        return f"marketplace_sync_{self.port}"

    def link(self) -> str:
        """A new link; an earlier one that was not used works no longer."""
        with self._lock:
            return self._link()

    def enter(self, token: str) -> Session | None:
        """Use up a link. If all are used, the terminal is told a new one, and the answer is None."""
        with self._lock:
            if self._token is None:
                self.tell(self._link())
                return None
            if not compare_digest(token.encode(), self._token.encode()):
                return None
            self._token = None
            session = Session(
                secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES), used_at=time.monotonic()
            )
            self._sessions = [*self._sessions[1 - _SESSIONS :], session]
            return session

    def session(self, cookie: str) -> Session | None:
        """The session of a cookie; None if it is unknown, or was idle for half a day."""
        now = time.monotonic()
        with self._lock:
            self._sessions = [each for each in self._sessions if now - each.used_at < _IDLE_S]
            for each in self._sessions:
                if compare_digest(cookie.encode(), each.cookie.encode()):
                    each.used_at = now
                    return each
        return None

    def _link(self) -> str:
        self._token = secrets.token_urlsafe(_BYTES)
        return f"{self.origin}/enter?token={self._token}"


def check(door: Door, request: flask.Request) -> Session | None:
    """Let a request in, or refuse it.

    Returns:
        Its session; None for the few addresses that need none.

    Raises:
        Refused: It is not this operator's browser, on this page.
    """
    _check_form(door, request)
    _check_site(request)
    _check_body(request)
    session = door.session(request.cookies.get(door.cookie_name, ""))
    if request.method == "POST":
        _check_origin(door, request)
    if request.method != "POST" and (request.path == "/enter" or request.path.startswith("/static/")):
        return session
    if session is None:
        raise Refused(
            HTTPStatus.UNAUTHORIZED,
            "This browser has no session. Open the link that the terminal shows; it works once. If you have "
            "just opened it, or followed a link to here from another page, continue below.",
        )
    if request.method == "POST" and not compare_digest(
        request.form.get("csrf", "").encode(), session.csrf.encode()
    ):
        raise Refused(HTTPStatus.FORBIDDEN, "This form is not of this session. Open the screen again.")
    return session


def _check_form(door: Door, request: flask.Request) -> None:
    """The request's own form: method, host, path."""
    if request.method not in METHODS:
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"The page takes {', '.join(METHODS)}.")
    if request.environ.get("HTTP_HOST") != door.host:
        raise Refused(HTTPStatus.MISDIRECTED_REQUEST, f"This page is at {door.origin} only.")
    raw = str(request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI") or request.path)
    path, _, query = raw.removeprefix(door.origin).partition("?")
    if _TRICKS.search(path) or re.search(r"[\x00-\x20\x7f-\xff]|%0[ad]", query, re.IGNORECASE):
        raise Refused(HTTPStatus.BAD_REQUEST, "No address of this page has this form.")


def _check_site(request: flask.Request) -> None:
    """Another site may link to this page, and do nothing else with it."""
    fetched = request.headers.get("Sec-Fetch-Dest", "document")
    if fetched in _FRAMES:
        raise Refused(HTTPStatus.FORBIDDEN, "This page is not shown inside of another.")
    if request.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}:
        return
    is_link = request.method != "POST" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if not is_link or fetched != "document":
        raise Refused(HTTPStatus.FORBIDDEN, "This request comes from another site.")


def _check_body(request: flask.Request) -> None:
    """A form of bounded size in a POST, and nothing elsewhere."""
    if "Transfer-Encoding" in request.headers:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "A body needs its length.")
    length = request.content_length
    if request.method != "POST":
        if length:
            raise Refused(HTTPStatus.BAD_REQUEST, "Only a form has a body.")
        return
    if length is None:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "A body needs its length.")
    if length > MAX_BODY:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A form has at most {MAX_BODY:,} bytes.")
    if request.mimetype != _FORM:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"A form is sent as {_FORM}.")


def _check_origin(door: Door, request: flask.Request) -> None:
    """A form comes from this page itself: its scheme, host and port."""
    if request.headers.get("Origin") != door.origin:
        raise Refused(HTTPStatus.FORBIDDEN, "This form was not sent by this page.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Refused(HTTPStatus.FORBIDDEN, "This form was sent by another site.")


def secure(response: flask.Response, *, hides_address: bool) -> flask.Response:
    """Set the headers of every answer.

    Args:
        response: The answer.
        hides_address: Whether nobody is to learn this address, as one with a token. `no-referrer` would make
            browsers send `Origin: null` with the forms of a screen
            (https://fetch.spec.whatwg.org/#append-a-request-origin-header), so screens send `same-origin`.
    """
    response.headers.update(HEADERS)
    response.headers["Referrer-Policy"] = "no-referrer" if hides_address else "same-origin"
    return response
