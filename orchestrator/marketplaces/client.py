"""The one request loop: pace, send, classify, retry a bounded number of times, decode.

Every connector calls its marketplace through a `Client`. Marketplaces differ in data alone: the hosts
that may be called, an `Auth`, a `Pace`, and the statuses with another meaning than in `ERRORS`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceError,
    MarketplaceUnavailable,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.response import Response
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.room import LARGE_BYTES, LARGE_VALUES, Crowded, Place

T = TypeVar("T")
A = TypeVar("A")
log = logging.getLogger(__name__)

#: The most times that a call is sent; a refreshed token adds one.
ATTEMPTS = 5
#: The most calls, and bytes of answers, for one page of a listing with the details of its rows.
PAGE_CALLS, PAGE_BYTES = 1_000, 24 * 1024 * 1024
#: No retry starts later than this many seconds after a call began; waits for limits do not count.
RETRY_WITHIN_S = 10.0
#: First back-off in seconds, doubled each time, with full jitter.
BACKOFF_S = 0.5
#: The same if a marketplace limits calls without saying for how long.
LIMIT_BACKOFF_S = 2.0

#: The error that a status means, or a code in an error's body (a text); a code goes before the status.
Errors = Mapping[int | str, type[MarketplaceError]]
#: A connector overrides single rows. Others: 3xx ResponseInvalid, 4xx RequestRejected, 5xx
#: MarketplaceUnavailable.
ERRORS: Errors = {
    401: CredentialsRejected,
    402: PermissionDenied,
    403: PermissionDenied,
    408: MarketplaceUnavailable,
    423: PermissionDenied,
    425: MarketplaceUnavailable,
    429: RateLimited,
}
_SENT = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "marketplace-sync"}
_ACTIONS: Mapping[type[MarketplaceError], str] = {
    CredentialsRejected: "store a valid credential in the connection's secret",
    PermissionDenied: "grant the credential the permission this call needs",
    ResponseInvalid: "check the connection's settings; the marketplace may have moved this call",
}


class Auth(Protocol):
    """How requests are authenticated."""

    def headers(self, client: Client) -> Mapping[str, str]:
        """The headers to send; may make a call to get a token."""
        ...

    def refresh(self, client: Client) -> bool:
        """After a 401: get another token; False if there is no other."""
        ...


class Pace(Protocol):
    """The known limits of a marketplace."""

    def wait_s(self, operation: str) -> float:
        """Seconds until this operation may be called; 0 if it may be called now."""
        ...

    def observe(self, operation: str, response: Response) -> None:
        """Learn from an answer, also from a refusal."""
        ...


class Client:
    """One session's conversation with a marketplace; used by one thread at a time.

    Args:
        request: The engine's input.
        marketplace: For messages.
        hosts: The marketplace's own hosts; no other host is called.
        auth: How requests are authenticated.
        pace: The marketplace's limits, if they are known.
        errors: Rows that replace those of `ERRORS`.
        error_code: Reads the marketplace's name of the error from a refusal; never called for a good answer.
        request_id: The header by which the marketplace's support finds a refused call.
        host_pattern: Further hosts of the marketplace, whose names are not all known.
        base_url: Replaces every host; only given in development.
    """

    def __init__(
        self,
        request: SessionRequest,
        *,
        marketplace: str,
        hosts: frozenset[str],
        auth: Auth,
        pace: Pace | None = None,
        errors: Errors | None = None,
        error_code: Callable[[Response], str | None] | None = None,
        request_id: str | None = None,
        host_pattern: re.Pattern[str] | None = None,
        base_url: str | None = None,
    ) -> None:
        #: Calls made, token exchanges and retries included.
        self.calls = 0
        #: Bytes of all bodies received, compressed.
        self.received_bytes = 0
        #: The marketplace's clock in its latest answer; aware UTC.
        self.server_time: datetime | None = None
        #: Seconds slept: for limits, before retries, while an answer is prepared, and until there was room.
        self.slept_s = 0.0
        #: For a page with large answers. The engine gives it back.
        self.place = Place(request.room)
        self._page_calls = self._page_bytes = 0
        self._page_faults: set[str] = set()
        self._given = request
        self._marketplace = marketplace
        self._hosts = hosts
        self._auth = auth
        self._pace = pace
        self._errors: Errors = {**ERRORS, **(errors or {})}
        self._error_code = error_code
        self._request_id = request_id
        self._host_pattern = host_pattern
        self._base_url = base_url.rstrip("/") if base_url else None

    def request(
        self,
        operation: str,
        url: str,
        read: Callable[[Response], T],
        *,
        params: Sequence[tuple[str, str]] = (),
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        authenticated: bool = True,
        errors: Errors | None = None,
    ) -> T:
        """Make one call: GET, or POST with a body.

        Args:
            operation: The name of the call, in one word; for messages and for pacing.
            url: On one of the marketplace's own hosts, without a query.
            read: Turns the answer into the result. RateLimited or MarketplaceUnavailable raised
                here are retried like a status that means the same.
            params: The query.
            json: A body to send as JSON.
            form: A body to send form-encoded.
            headers: Beyond the usual ones.
            authenticated: Whether to send credentials (a token exchange does not).
            errors: The meaning of a status or a code for this call alone.

        Raises:
            MarketplaceError: One of its kinds, after bounded retries.
        """
        target, clock = self._target(url, params), self._given.clock
        body, content = _body(json, form)
        attempt, started, refreshed, is_crowded = 1, clock.monotonic(), not authenticated, False
        while True:
            if is_crowded or self._page_bytes > LARGE_BYTES:
                started += self._take_place(operation)
            sent = self._prepare(operation, {**content, **(headers or {})}, authenticated=authenticated)
            try:
                response = self._send(operation, target, sent, body)
                self._raise_for_status(operation, response, errors or {}, attempt)
                return read(response)
            except Crowded:
                # Waiting here would keep the part that was read.
                is_crowded = True
            except CredentialsRejected:
                if refreshed or not self._auth.refresh(self):
                    raise
                refreshed = True
            except RateLimited as error:
                if attempt >= ATTEMPTS:
                    raise
                attempt += 1
                self._pause_with_jitter(error.wait_s)
            except MarketplaceUnavailable:
                # This may take minutes: meanwhile the tasks of later runs skip the connection.
                self._given.troubled()
                if attempt >= ATTEMPTS or clock.monotonic() - started > RETRY_WITHIN_S:
                    raise
                self._sleep(clock.sleep, self._backoff(BACKOFF_S, attempt))
                attempt += 1

    def begin_page(self) -> None:
        """Count the following calls and bytes for another page of a listing."""
        self._page_calls = self._page_bytes = 0
        self._page_faults = set()

    def pause(self, seconds: float) -> None:
        """Wait for the marketplace's limits, or while it prepares an answer.

        Raises:
            RateLimited: The wait is too long to sleep.
        """
        self._sleep(self._given.wait, seconds)

    def _pause_with_jitter(self, seconds: float) -> None:
        """Wait a little longer: callers that were refused together must not come back together."""
        self.pause(seconds + self._given.random.uniform(0, min(1, seconds / 10)))

    def _take_place(self, operation: str) -> float:
        """Take a place for a large answer, unless the session has one; wait if none is free.

        The call is made again then: half an answer would outlast the marketplace's patience.

        Returns:
            The seconds that it waited.

        Raises:
            RateLimited: None became free before the end of the slice.
        """
        if self.place.take_at_once():
            return 0.0
        call = f"{self._marketplace} {operation}"

        def check() -> None:
            try:
                self._given.wait(0)
            except RateLimited:
                raise RateLimited(f"{call}: no room for a large answer in time", wait_s=0) from None

        # This may take minutes, as if the marketplace did not answer.
        self._given.troubled()
        log.info(
            "%s: a large answer waits for its turn", call, extra={"action": "answer_waits", "call": call}
        )
        slept_s = self.slept_s
        self._sleep(self.place.take, check)
        return self.slept_s - slept_s

    def _sleep(self, sleep: Callable[[A], None], argument: A) -> None:
        """Sleep, and count the time as slept."""
        begun = self._given.clock.monotonic()
        try:
            sleep(argument)
        finally:
            self.slept_s += self._given.clock.monotonic() - begun

    def _prepare(
        self, operation: str, headers: Mapping[str, str], *, authenticated: bool
    ) -> Mapping[str, str]:
        """Wait until the pace allows the call; returns all headers to send."""
        if self._pace and (pause := self._pace.wait_s(operation)) > 0:
            self.pause(pause)
        credentials = self._credentials(operation) if authenticated else {}
        return {**_SENT, **headers, **credentials}

    def _credentials(self, operation: str) -> Mapping[str, str]:
        found = self._auth.headers(self)
        if not all(value.isascii() and value.isprintable() for value in found.values()):
            raise CredentialsRejected(
                f"{self._marketplace} {operation}: the credential cannot be sent in a header",
                action=_ACTIONS[CredentialsRejected],
            )
        return found

    def _target(self, url: str, params: Sequence[tuple[str, str]]) -> str:
        parts = urlsplit(url)
        is_known = parts.netloc in self._hosts or bool(
            self._host_pattern and self._host_pattern.fullmatch(parts.netloc)
        )
        if parts.scheme != "https" or not is_known:
            host = parts.hostname or "no host"
            message = f"{self._marketplace}: {host} is not one of its hosts; nothing was sent"
            raise RequestRejected(message)
        origin = self._base_url or f"https://{parts.netloc}"
        query = f"?{urlencode(params)}" if params else ""
        return f"{origin}{parts.path}{query}"

    def _send(self, operation: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        # Imported with the first call: the HTTP function starts without it.
        from orchestrator.marketplaces.transport import send  # noqa: PLC0415 - keeps urllib3 off the cold path

        call = f"{self._marketplace} {operation}"
        method = "GET" if body is None else "POST"
        self.calls += 1
        public = self._base_url is None
        answer = send(call, method, target, headers, body, public=public, has_room=self.place.take_at_once)
        self.received_bytes += answer.received
        response = Response(call, answer.status, answer.headers, answer.body, self._page_faults)
        self.server_time = _http_date(answer.headers.get("Date")) or self.server_time
        if self._pace:
            self._pace.observe(operation, response)
        if sum(response.commas_and_brackets) > LARGE_VALUES and not self.place.take_at_once():
            raise Crowded
        self._page_calls += 1
        self._page_bytes += len(answer.body)
        if self._page_calls > PAGE_CALLS or self._page_bytes > PAGE_BYTES:
            raise ResponseInvalid(
                f"{call}: one page of the listing takes more than {PAGE_CALLS} calls or {PAGE_BYTES} bytes"
            )
        return response

    def _raise_for_status(self, operation: str, response: Response, errors: Errors, attempt: int) -> None:
        status = response.status
        if 200 <= status < 300:
            return
        code = self._error_code(response) if self._error_code else None
        rows = {**self._errors, **errors}
        kind = (rows.get(code) if code else None) or rows.get(status) or _family(status)
        content_type = response.content_type
        if (kind is PermissionDenied or status == 403) and "json" not in content_type:
            # The answer is not the API's: something in front of it refused, such as a firewall with its page.
            kind = MarketplaceUnavailable
        message = f"{response.call}: answered {status} ({code or content_type})"
        if self._request_id and (found := response.headers.get(self._request_id, "")):
            message += f", {self._request_id} {_printable(found)}"
        if kind is RateLimited or (status == 503 and "Retry-After" in response.headers):
            raise RateLimited(message, wait_s=self._advised_wait(operation, response, attempt))
        raise kind(message, action=_ACTIONS.get(kind, ""))

    def _advised_wait(self, operation: str, response: Response, attempt: int) -> float:
        """Seconds to wait: from Retry-After (seconds or a date), from the pace, or a back-off."""
        advice = response.headers.get("Retry-After", "").strip()
        try:
            return max(0.0, float(advice))
        except ValueError:
            at = _http_date(advice)
        if at is not None:
            now = self.server_time or self._given.clock.now()
            return max(0.0, (at - now).total_seconds())
        known = self._pace.wait_s(operation) if self._pace else 0.0
        return known or self._backoff(LIMIT_BACKOFF_S, attempt)

    def _backoff(self, first_s: float, attempt: int) -> float:
        return self._given.random.uniform(0, first_s * 2 ** (attempt - 1))


def _family(status: int) -> type[MarketplaceError]:
    if status >= 500:
        return MarketplaceUnavailable
    return RequestRejected if status >= 400 else ResponseInvalid


def _printable(text: str) -> str:
    return "".join(each for each in text[:80] if each.isascii() and each.isprintable())


def _http_date(value: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value or "")
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _body(json: object, form: Mapping[str, str] | None) -> tuple[bytes | None, Mapping[str, str]]:
    if form is not None:
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if json is not None:
        return msgspec.json.encode(json), {"Content-Type": "application/json"}
    return None, {}
